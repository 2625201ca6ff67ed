using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// An elementwise update rule with up to two numbers of state per weight, for one weight and for eight; both give the same bits.
/// Coefficients are computed in f64 by the rule's factory and rounded to f32 once.
/// </summary>
internal interface IOptimizerStep
{
    /// <summary>Numbers of state per weight: 0, 1 (m) or 2 (m, v).</summary>
    static abstract int States { get; }

    /// <summary>The new weight; <paramref name="g"/> is the gradient after scaling.</summary>
    float Apply(float p, float g, ref float m, ref float v);

    /// <summary>Eight new weights.</summary>
    Vector256<float> Apply(Vector256<float> p, Vector256<float> g, ref Vector256<float> m, ref Vector256<float> v);
}

/// <summary>The element type of a second copy of the weights, rounded to nearest even, that a pass writes for the products.</summary>
internal enum ShadowType
{
    /// <summary>No copy.</summary>
    None,

    /// <summary>A bfloat16 copy.</summary>
    BF16,

    /// <summary>A binary16 copy.</summary>
    F16,
}

/// <summary>Arrays of one weight in any one layout, f32, all of the same length; those that a rule does not use are null.</summary>
internal unsafe struct OptimizerArrays
{
    /// <summary>The weights.</summary>
    public float* P;

    /// <summary>The gradients.</summary>
    public float* G;

    /// <summary>First state.</summary>
    public float* M;

    /// <summary>Second state.</summary>
    public float* V;

    /// <summary>Rounded copy of the weights, of <see cref="ShadowType"/>.</summary>
    public ushort* Shadow;

    /// <summary>What <see cref="Shadow"/> holds.</summary>
    public ShadowType ShadowType;
}

/// <summary>
/// One pass over memory: scale the gradient, update state and weight, write the rounded copy, and (if asked) leave zero in the gradient for the next step.
/// Elements [first, first + count) are independent, so any split gives the same bits.
/// </summary>
internal static unsafe class OptimizerPass
{
    /// <summary>Does the pass. <paramref name="gradientScale"/> multiplies the gradient first (clipping, division by the token count).</summary>
    internal static void Run<TStep>(TStep step, long first, long count, in OptimizerArrays arrays, float gradientScale, bool zeroGradient)
        where TStep : struct, IOptimizerStep
    {
        switch (arrays.ShadowType)
        {
            case ShadowType.BF16:
                Loop<TStep, StoredBF16>(step, first, count, arrays, arrays.Shadow, gradientScale, zeroGradient);
                break;
            case ShadowType.F16:
                Loop<TStep, StoredF16>(step, first, count, arrays, arrays.Shadow, gradientScale, zeroGradient);
                break;
            default:
                Loop<TStep, StoredBF16>(step, first, count, arrays, null, gradientScale, zeroGradient);
                break;
        }
    }

    /// <summary>Scalar twin of <see cref="Run"/>.</summary>
    internal static void RunScalar<TStep>(TStep step, long first, long count, in OptimizerArrays a, float gradientScale, bool zeroGradient)
        where TStep : struct, IOptimizerStep
    {
        for (long i = first; i < first + count; i++)
        {
            float m = TStep.States > 0 ? a.M[i] : 0f, v = TStep.States > 1 ? a.V[i] : 0f;
            float p = step.Apply(a.P[i], a.G[i] * gradientScale, ref m, ref v);
            a.P[i] = p;
            if (TStep.States > 0)
                a.M[i] = m;

            if (TStep.States > 1)
                a.V[i] = v;

            if (a.ShadowType == ShadowType.BF16)
                StoredBF16.Store(p, a.Shadow + i);
            else if (a.ShadowType == ShadowType.F16)
                StoredF16.Store(p, a.Shadow + i);

            if (zeroGradient)
                a.G[i] = 0f;
        }
    }

    /// <summary>The pass over bf16 weights without a master copy, whose new values are rounded stochastically.</summary>
    internal static void RunStochastic<TStep>(
        TStep step, long first, long count, WeightMemory weight, MatrixView view, in OptimizerArrays a, float gradientScale, bool zeroGradient)
        where TStep : struct, IOptimizerStep
    {
        for (long i = first; i < first + count; i++)
        {
            float m = TStep.States > 0 ? a.M[i] : 0f, v = TStep.States > 1 ? a.V[i] : 0f;
            weight.Store(i, view.ElementAt(i), step.Apply(weight.Load(i), a.G[i] * gradientScale, ref m, ref v));
            if (TStep.States > 0)
                a.M[i] = m;

            if (TStep.States > 1)
                a.V[i] = v;

            if (zeroGradient)
                a.G[i] = 0f;
        }
    }

    private static void Loop<TStep, TShadow>(
        TStep step, long first, long count, in OptimizerArrays arrays, ushort* shadow, float gradientScale, bool zeroGradient)
        where TStep : struct, IOptimizerStep
        where TShadow : struct, IStoredFloat<ushort>
    {
        float* ps = arrays.P, gs = arrays.G, ms = arrays.M, vs = arrays.V;
        var scale = Vector256.Create(gradientScale);
        long i = first, end = first + count;
        for (; i <= end - 8; i += 8)
        {
            var m = TStep.States > 0 ? Vector256.Load(ms + i) : default;
            var v = TStep.States > 1 ? Vector256.Load(vs + i) : default;
            var p = step.Apply(Vector256.Load(ps + i), Vector256.Load(gs + i) * scale, ref m, ref v);
            p.Store(ps + i);
            if (TStep.States > 0)
                m.Store(ms + i);

            if (TStep.States > 1)
                v.Store(vs + i);

            if (shadow != null)
                TShadow.Store8(p, shadow + i);

            if (zeroGradient)
                Vector256<float>.Zero.Store(gs + i);
        }

        RunScalar(step, i, end - i, arrays, gradientScale, zeroGradient);
    }
}
