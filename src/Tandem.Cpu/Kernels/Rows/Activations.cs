using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>A nonlinearity and its slope, for one number and for eight; both give the same bits.</summary>
internal interface IActivation
{
    /// <summary>The value at x.</summary>
    static abstract float Value(float x);

    /// <summary>The values at eight x.</summary>
    static abstract Vector256<float> Value(Vector256<float> x);

    /// <summary>Value (the bits of the other overload) and derivative at x.</summary>
    static abstract float Value(float x, out float slope);

    /// <summary>Values and derivatives at eight x.</summary>
    static abstract Vector256<float> Value(Vector256<float> x, out Vector256<float> slope);
}

/// <summary>
/// Activations and gates over elements [first, first + count), with gradients: y = act(x) and h = act(gate) * up (Shazeer, 2020).
/// A gate is the activation followed by the product, rounded in between, so that fusing the two changes no bits.
/// </summary>
internal static unsafe class Activations
{
    /// <summary>y = act(x); y may be x.</summary>
    internal static void Forward<TAct>(long first, long count, float* x, float* y)
        where TAct : struct, IActivation
    {
        long i = first, end = first + count;
        for (; i <= end - 8; i += 8)
            TAct.Value(Vector256.Load(x + i)).Store(y + i);

        for (; i < end; i++)
            y[i] = TAct.Value(x[i]);
    }

    /// <summary>Scalar twin of <see cref="Forward"/>.</summary>
    internal static void ForwardScalar<TAct>(long first, long count, float* x, float* y)
        where TAct : struct, IActivation
    {
        for (long i = first; i < first + count; i++)
            y[i] = TAct.Value(x[i]);
    }

    /// <summary>dx = dy * act'(x); dx may be x or dy.</summary>
    internal static void Backward<TAct>(long first, long count, float* x, float* dy, float* dx)
        where TAct : struct, IActivation
    {
        long i = first, end = first + count;
        for (; i <= end - 8; i += 8)
        {
            TAct.Value(Vector256.Load(x + i), out var slope);
            (Vector256.Load(dy + i) * slope).Store(dx + i);
        }

        BackwardScalar<TAct>(i, end - i, x, dy, dx);
    }

    /// <summary>Scalar twin of <see cref="Backward"/>.</summary>
    internal static void BackwardScalar<TAct>(long first, long count, float* x, float* dy, float* dx)
        where TAct : struct, IActivation
    {
        for (long i = first; i < first + count; i++)
        {
            TAct.Value(x[i], out float slope);
            dx[i] = dy[i] * slope;
        }
    }

    /// <summary>h = act(gate) * up; h may be gate or up.</summary>
    internal static void GatedForward<TAct>(long first, long count, float* gate, float* up, float* h)
        where TAct : struct, IActivation
    {
        long i = first, end = first + count;
        for (; i <= end - 8; i += 8)
            (TAct.Value(Vector256.Load(gate + i)) * Vector256.Load(up + i)).Store(h + i);

        GatedForwardScalar<TAct>(i, end - i, gate, up, h);
    }

    /// <summary>Scalar twin of <see cref="GatedForward"/>.</summary>
    internal static void GatedForwardScalar<TAct>(long first, long count, float* gate, float* up, float* h)
        where TAct : struct, IActivation
    {
        for (long i = first; i < first + count; i++)
            h[i] = TAct.Value(gate[i]) * up[i];
    }

    /// <summary>dup = dh * act(gate), dgate = (dh * up) * act'(gate). dgate may be gate, dup may be up, either may be dh.</summary>
    internal static void GatedBackward<TAct>(long first, long count, float* gate, float* up, float* dh, float* dgate, float* dup)
        where TAct : struct, IActivation
    {
        long i = first, end = first + count;
        for (; i <= end - 8; i += 8)
        {
            Vector256<float> u = Vector256.Load(up + i), d = Vector256.Load(dh + i);
            var value = TAct.Value(Vector256.Load(gate + i), out var slope);
            (d * u * slope).Store(dgate + i);
            (d * value).Store(dup + i);
        }

        GatedBackwardScalar<TAct>(i, end - i, gate, up, dh, dgate, dup);
    }

    /// <summary>Scalar twin of <see cref="GatedBackward"/>.</summary>
    internal static void GatedBackwardScalar<TAct>(long first, long count, float* gate, float* up, float* dh, float* dgate, float* dup)
        where TAct : struct, IActivation
    {
        for (long i = first; i < first + count; i++)
        {
            float u = up[i], d = dh[i];
            float value = TAct.Value(gate[i], out float slope);
            dgate[i] = d * u * slope;
            dup[i] = d * value;
        }
    }
}

/// <summary>SiLU: x sigmoid(x) (Elfwing, Uchibe and Doya, 2017). Slope s (1 + x (1 - s)), s = sigmoid(x).</summary>
internal readonly struct SiluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x) => x * VectorMath.Sigmoid(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x) => x * VectorMath.Sigmoid(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x, out float slope)
    {
        float s = VectorMath.Sigmoid(x);
        slope = s * MathF.FusedMultiplyAdd(x, 1f - s, 1f);
        return x * s;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x, out Vector256<float> slope)
    {
        var s = VectorMath.Sigmoid(x);
        slope = s * Vector256.FusedMultiplyAdd(x, Vector256<float>.One - s, Vector256<float>.One);
        return x * s;
    }
}

/// <summary>
/// GELU, tanh form: 0.5 x (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks and Gimpel, 2016).
/// Computed as x sigmoid(2u), which is the same and does not cancel for negative x.
/// </summary>
internal readonly struct GeluTanhActivation : IActivation
{
    // 2 sqrt(2/pi), and that times 0.044715.
    private const float A = 1.5957691216f;
    private const float B = 0.0713548162726f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x) => x * VectorMath.Sigmoid(x * MathF.FusedMultiplyAdd(B, x * x, A));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x) =>
        x * VectorMath.Sigmoid(x * Vector256.FusedMultiplyAdd(Vector256.Create(B), x * x, Vector256.Create(A)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x, out float slope)
    {
        float z = x * x;
        float s = VectorMath.Sigmoid(x * MathF.FusedMultiplyAdd(B, z, A));
        float inner = x * MathF.FusedMultiplyAdd(3f * B, z, A);
        slope = s * MathF.FusedMultiplyAdd(inner, 1f - s, 1f);
        return x * s;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x, out Vector256<float> slope)
    {
        var z = x * x;
        var s = VectorMath.Sigmoid(x * Vector256.FusedMultiplyAdd(Vector256.Create(B), z, Vector256.Create(A)));
        var inner = x * Vector256.FusedMultiplyAdd(Vector256.Create(3f * B), z, Vector256.Create(A));
        slope = s * Vector256.FusedMultiplyAdd(inner, Vector256<float>.One - s, Vector256<float>.One);
        return x * s;
    }
}

/// <summary>GELU: x P(x), P(x) = 0.5 (1 + erf(x / sqrt 2)) (Hendrycks and Gimpel, 2016). Slope P(x) + x exp(-x^2/2) / sqrt(2 pi).</summary>
internal readonly struct GeluErfActivation : IActivation
{
    private const float SqrtHalf = 0.70710678118f;
    private const float InvSqrtTwoPi = 0.39894228040f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x) => x * MathF.FusedMultiplyAdd(0.5f, VectorMath.Erf(x * SqrtHalf), 0.5f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x) =>
        x * Vector256.FusedMultiplyAdd(Vector256.Create(0.5f), VectorMath.Erf(x * Vector256.Create(SqrtHalf)), Vector256.Create(0.5f));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x, out float slope)
    {
        float p = MathF.FusedMultiplyAdd(0.5f, VectorMath.Erf(x * SqrtHalf), 0.5f);
        slope = MathF.FusedMultiplyAdd(x * InvSqrtTwoPi, VectorMath.Exp(-0.5f * (x * x)), p);
        return x * p;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x, out Vector256<float> slope)
    {
        var half = Vector256.Create(0.5f);
        var p = Vector256.FusedMultiplyAdd(half, VectorMath.Erf(x * Vector256.Create(SqrtHalf)), half);
        slope = Vector256.FusedMultiplyAdd(x * Vector256.Create(InvSqrtTwoPi), VectorMath.Exp(Vector256.Create(-0.5f) * (x * x)), p);
        return x * p;
    }
}

/// <summary>max(x, 0), slope 0 at 0. NaN passes through.</summary>
internal readonly struct ReluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x) => x < 0f ? 0f : x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x) =>
        Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), Vector256<float>.Zero, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x, out float slope)
    {
        slope = x > 0f ? 1f : 0f;
        return Value(x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x, out Vector256<float> slope)
    {
        slope = Vector256.ConditionalSelect(Vector256.GreaterThan(x, Vector256<float>.Zero), Vector256<float>.One, Vector256<float>.Zero);
        return Value(x);
    }
}

/// <summary>max(x, 0)^2 (So et al., 2021). NaN passes through.</summary>
internal readonly struct Relu2Activation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x)
    {
        float m = x < 0f ? 0f : x;
        return m * m;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x)
    {
        var m = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), Vector256<float>.Zero, x);
        return m * m;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Value(float x, out float slope)
    {
        float m = x < 0f ? 0f : x;
        slope = m + m;
        return m * m;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> x, out Vector256<float> slope)
    {
        var m = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), Vector256<float>.Zero, x);
        slope = m + m;
        return m * m;
    }
}
