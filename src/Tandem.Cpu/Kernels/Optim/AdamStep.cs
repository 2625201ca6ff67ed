using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// Adam (Kingma and Ba, 2014), with decoupled weight decay (AdamW: Loshchilov and Hutter, 2017) or L2 decay (added to the gradient), t counted from 1:
/// g += l2 p; p *= 1 - lr wd; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps).
/// </summary>
internal readonly struct AdamStep : IOptimizerStep
{
    private readonly float _l2;
    private readonly float _decay;
    private readonly float _beta1;
    private readonly float _oneMinusBeta1;
    private readonly float _beta2;
    private readonly float _oneMinusBeta2;
    private readonly float _minusStep;
    private readonly float _rootCorrection;
    private readonly float _eps;

    private AdamStep(double lr, double beta1, double beta2, double eps, double l2, double decoupledDecay, long t)
    {
        _l2 = (float)l2;
        _decay = (float)(1 - (lr * decoupledDecay));
        _beta1 = (float)beta1;
        _oneMinusBeta1 = (float)(1 - beta1);
        _beta2 = (float)beta2;
        _oneMinusBeta2 = (float)(1 - beta2);
        _minusStep = (float)(-lr / (1 - Math.Pow(beta1, t)));
        _rootCorrection = (float)(1 / Math.Sqrt(1 - Math.Pow(beta2, t)));
        _eps = (float)eps;
    }

    /// <inheritdoc/>
    public static int States => 2;

    /// <summary>AdamW at step <paramref name="t"/> (from 1).</summary>
    internal static AdamStep AdamW(double lr, double beta1, double beta2, double eps, double weightDecay, long t) =>
        new(lr, beta1, beta2, eps, 0, weightDecay, t);

    /// <summary>Adam with L2 decay at step <paramref name="t"/> (from 1).</summary>
    internal static AdamStep Adam(double lr, double beta1, double beta2, double eps, double l2, long t) =>
        new(lr, beta1, beta2, eps, l2, 0, t);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Apply(float p, float g, ref float m, ref float v)
    {
        g = MathF.FusedMultiplyAdd(_l2, p, g);
        m = MathF.FusedMultiplyAdd(_beta1, m, _oneMinusBeta1 * g);
        v = MathF.FusedMultiplyAdd(_beta2, v, _oneMinusBeta2 * g * g);
        float denominator = MathF.FusedMultiplyAdd(MathF.Sqrt(v), _rootCorrection, _eps);
        return MathF.FusedMultiplyAdd(_minusStep, m / denominator, p * _decay);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Apply(Vector256<float> p, Vector256<float> g, ref Vector256<float> m, ref Vector256<float> v)
    {
        g = Vector256.FusedMultiplyAdd(Vector256.Create(_l2), p, g);
        m = Vector256.FusedMultiplyAdd(Vector256.Create(_beta1), m, Vector256.Create(_oneMinusBeta1) * g);
        v = Vector256.FusedMultiplyAdd(Vector256.Create(_beta2), v, Vector256.Create(_oneMinusBeta2) * g * g);
        var denominator = Vector256.FusedMultiplyAdd(Vector256.Sqrt(v), Vector256.Create(_rootCorrection), Vector256.Create(_eps));
        return Vector256.FusedMultiplyAdd(Vector256.Create(_minusStep), m / denominator, p * Vector256.Create(_decay));
    }
}
