using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// Lion (Chen et al., 2023): u = sign(b1 m + (1 - b1) g), sign(0) = 0; p = p (1 - lr wd) - lr u; then m = b2 m + (1 - b2) g.
/// </summary>
internal readonly struct LionStep(double lr, double beta1, double beta2, double weightDecay) : IOptimizerStep
{
    private readonly float _lr = (float)lr;
    private readonly float _decay = (float)(1 - (lr * weightDecay));
    private readonly float _beta1 = (float)beta1;
    private readonly float _oneMinusBeta1 = (float)(1 - beta1);
    private readonly float _beta2 = (float)beta2;
    private readonly float _oneMinusBeta2 = (float)(1 - beta2);

    /// <inheritdoc/>
    public static int States => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Apply(float p, float g, ref float m, ref float v)
    {
        float c = MathF.FusedMultiplyAdd(_beta1, m, _oneMinusBeta1 * g);
        m = MathF.FusedMultiplyAdd(_beta2, m, _oneMinusBeta2 * g);
        return (p * _decay) - (c > 0f ? _lr : c < 0f ? -_lr : 0f);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Apply(Vector256<float> p, Vector256<float> g, ref Vector256<float> m, ref Vector256<float> v)
    {
        var c = Vector256.FusedMultiplyAdd(Vector256.Create(_beta1), m, Vector256.Create(_oneMinusBeta1) * g);
        m = Vector256.FusedMultiplyAdd(Vector256.Create(_beta2), m, Vector256.Create(_oneMinusBeta2) * g);
        var up = Vector256.GreaterThan(c, Vector256<float>.Zero) & Vector256.Create(_lr);
        var down = Vector256.LessThan(c, Vector256<float>.Zero) & Vector256.Create(-_lr);
        return (p * Vector256.Create(_decay)) - (up | down);
    }
}
