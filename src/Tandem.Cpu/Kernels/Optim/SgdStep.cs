using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>Gradient descent: g += l2 p; p -= lr g.</summary>
internal readonly struct SgdStep(double lr, double l2) : IOptimizerStep
{
    private readonly float _minusLr = (float)-lr;
    private readonly float _l2 = (float)l2;

    /// <inheritdoc/>
    public static int States => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Apply(float p, float g, ref float m, ref float v) =>
        MathF.FusedMultiplyAdd(_minusLr, MathF.FusedMultiplyAdd(_l2, p, g), p);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Apply(Vector256<float> p, Vector256<float> g, ref Vector256<float> m, ref Vector256<float> v) =>
        Vector256.FusedMultiplyAdd(Vector256.Create(_minusLr), Vector256.FusedMultiplyAdd(Vector256.Create(_l2), p, g), p);
}

/// <summary>
/// Gradient descent with momentum (Polyak, 1964; Nesterov, 1983, in the form of Sutskever et al., 2013), buffer m, t counted from 1:
/// g += l2 p; m = g at the first step, afterwards mu m + (1 - dampening) g; p -= lr m, or lr (g + mu m) for Nesterov.
/// </summary>
internal readonly struct MomentumStep(double lr, double mu, double dampening, bool nesterov, double l2, long t) : IOptimizerStep
{
    private readonly float _minusLr = (float)-lr;
    private readonly float _l2 = (float)l2;
    private readonly float _keep = t == 1 ? 0f : (float)mu;
    private readonly float _take = t == 1 ? 1f : (float)(1 - dampening);

    // The direction is _fromG g + _fromM m.
    private readonly float _fromG = nesterov ? 1f : 0f;
    private readonly float _fromM = nesterov ? (float)mu : 1f;

    /// <inheritdoc/>
    public static int States => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Apply(float p, float g, ref float m, ref float v)
    {
        g = MathF.FusedMultiplyAdd(_l2, p, g);
        m = MathF.FusedMultiplyAdd(_keep, m, _take * g);
        return MathF.FusedMultiplyAdd(_minusLr, MathF.FusedMultiplyAdd(_fromM, m, _fromG * g), p);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Apply(Vector256<float> p, Vector256<float> g, ref Vector256<float> m, ref Vector256<float> v)
    {
        g = Vector256.FusedMultiplyAdd(Vector256.Create(_l2), p, g);
        m = Vector256.FusedMultiplyAdd(Vector256.Create(_keep), m, Vector256.Create(_take) * g);
        var direction = Vector256.FusedMultiplyAdd(Vector256.Create(_fromM), m, Vector256.Create(_fromG) * g);
        return Vector256.FusedMultiplyAdd(Vector256.Create(_minusLr), direction, p);
    }
}
