using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// Elementary functions of f32 by polynomials of our own (minimax fits, coefficients rounded to f32).
/// Every function exists for one float and for eight; the two perform the same operations in the same order and give the same bits,
/// with or without hardware vectors. Errors stay within about 2 units in the last place over the whole range, denormal results included.
/// </summary>
internal static class VectorMath
{
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the sum.
    private const float RoundingShift = 12582912f;
    private const float Log2E = 1.442695022f;
    private const float Ln2Hi = 0.693145752f;
    private const float Ln2Lo = 1.42860677e-6f;

    // Beyond these bounds the result is 0 or infinity anyway; between them the exponent arithmetic cannot overflow.
    private const float ExpMin = -104f;
    private const float ExpMax = 89f;
    private const float E2 = 5.000000000e-01f;
    private const float E3 = 1.666651219e-01f;
    private const float E4 = 4.166618735e-02f;
    private const float E5 = 8.369598538e-03f;
    private const float E6 = 1.395171974e-03f;

    private const int SqrtHalfBits = 0x3f3504f3;
    private const float MinNormal = 1.17549435e-38f;
    private const float DenormalScale = 8388608f;
    private const float LogLn2Hi = 0.693359375f;
    private const float LogLn2Lo = -2.121944417e-04f;
    private const float L3 = 3.333331048e-01f;
    private const float L4 = -2.499998659e-01f;
    private const float L5 = 2.000222653e-01f;
    private const float L6 = -1.666925251e-01f;
    private const float L7 = 1.421866417e-01f;
    private const float L8 = -1.238433197e-01f;
    private const float L9 = 1.187291592e-01f;
    private const float L10 = -1.178987920e-01f;
    private const float L11 = 6.915580481e-02f;

    private const float TanhSmall = 0.625f;
    private const float TanhMax = 10f;
    private const float T3 = -3.333328366e-01f;
    private const float T5 = 1.333148479e-01f;
    private const float T7 = -5.374291167e-02f;
    private const float T9 = 2.064857446e-02f;
    private const float T11 = -5.714687053e-03f;

    private const float ErfMax = 4f;
    private const float F1 = 1.283791661e-01f;
    private const float F3 = -3.761262596e-01f;
    private const float F5 = 1.128360033e-01f;
    private const float F7 = -2.685444057e-02f;
    private const float F9 = 5.189526360e-03f;
    private const float F11 = -8.020753157e-04f;
    private const float F13 = 7.888796972e-05f;
    private const float C0 = -1.849605560e+00f;
    private const float C1 = -2.638967514e+00f;
    private const float C2 = -8.431070447e-01f;
    private const float C3 = -4.156355187e-02f;
    private const float C4 = 1.004658919e-02f;
    private const float C5 = -2.012098907e-03f;
    private const float C6 = 2.895893995e-04f;
    private const float C7 = -2.169761865e-05f;

    /// <summary>e to the power <paramref name="x"/>: x = n ln 2 + r, 1 + r + r^2 P(r), then the exponent in two steps (so that denormals are rounded once).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Exp(float x)
    {
        x = x < ExpMin ? ExpMin : x;
        x = x > ExpMax ? ExpMax : x;
        var shifted = MathF.FusedMultiplyAdd(x, Log2E, RoundingShift);
        var n = shifted - RoundingShift;
        var r = MathF.FusedMultiplyAdd(n, -Ln2Hi, x);
        r = MathF.FusedMultiplyAdd(n, -Ln2Lo, r);
        var p = MathF.FusedMultiplyAdd(E6, r, E5);
        p = MathF.FusedMultiplyAdd(p, r, E4);
        p = MathF.FusedMultiplyAdd(p, r, E3);
        p = MathF.FusedMultiplyAdd(p, r, E2);
        p = MathF.FusedMultiplyAdd(p, r * r, r);
        p += 1f;
        var exponent = BitConverter.SingleToInt32Bits(shifted) - BitConverter.SingleToInt32Bits(RoundingShift);
        var half = exponent >> 1;
        p *= BitConverter.Int32BitsToSingle((half + 127) << 23);
        return p * BitConverter.Int32BitsToSingle((exponent - half + 127) << 23);
    }

    /// <inheritdoc cref="Exp(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Exp(Vector256<float> x)
    {
        x = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256.Create(ExpMin)), Vector256.Create(ExpMin), x);
        x = Vector256.ConditionalSelect(Vector256.GreaterThan(x, Vector256.Create(ExpMax)), Vector256.Create(ExpMax), x);
        var shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(Log2E), Vector256.Create(RoundingShift));
        var n = shifted - Vector256.Create(RoundingShift);
        var r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2Hi), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2Lo), r);
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(E6), r, Vector256.Create(E5));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(E4));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(E3));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(E2));
        p = Vector256.FusedMultiplyAdd(p, r * r, r);
        p += Vector256<float>.One;
        var exponent = shifted.AsInt32() - Vector256.Create(RoundingShift).AsInt32();
        var half = Vector256.ShiftRightArithmetic(exponent, 1);
        var bias = Vector256.Create(127);
        p *= Vector256.ShiftLeft(half + bias, 23).AsSingle();
        return p * Vector256.ShiftLeft(exponent - half + bias, 23).AsSingle();
    }

    /// <summary>Natural logarithm: x = 2^e m with m in [sqrt(1/2), sqrt(2)), f = m - 1, f - f^2/2 + f^3 P(f) + e ln 2. Zero gives -infinity, a negative number NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Log(float x)
    {
        var tiny = x < MinNormal;
        var scaled = tiny ? x * DenormalScale : x;
        var bits = BitConverter.SingleToInt32Bits(scaled) - SqrtHalfBits;
        var exponent = (bits >> 23) + (tiny ? -23 : 0);
        var f = BitConverter.Int32BitsToSingle((bits & 0x007fffff) + SqrtHalfBits) - 1f;
        var e = (float)exponent;
        var z = f * f;
        var p = MathF.FusedMultiplyAdd(L11, f, L10);
        p = MathF.FusedMultiplyAdd(p, f, L9);
        p = MathF.FusedMultiplyAdd(p, f, L8);
        p = MathF.FusedMultiplyAdd(p, f, L7);
        p = MathF.FusedMultiplyAdd(p, f, L6);
        p = MathF.FusedMultiplyAdd(p, f, L5);
        p = MathF.FusedMultiplyAdd(p, f, L4);
        p = MathF.FusedMultiplyAdd(p, f, L3);
        p *= f * z;
        p = MathF.FusedMultiplyAdd(e, LogLn2Lo, p);
        p = MathF.FusedMultiplyAdd(-0.5f, z, p);
        p += f;
        p = MathF.FusedMultiplyAdd(e, LogLn2Hi, p);
        // Infinity and NaN come back as themselves.
        p = x < float.PositiveInfinity ? p : x;
        p = x < 0f ? float.NaN : p;
        return x == 0f ? float.NegativeInfinity : p;
    }

    /// <inheritdoc cref="Log(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Log(Vector256<float> x)
    {
        var tiny = Vector256.LessThan(x, Vector256.Create(MinNormal));
        var scaled = Vector256.ConditionalSelect(tiny, x * Vector256.Create(DenormalScale), x);
        var bits = scaled.AsInt32() - Vector256.Create(SqrtHalfBits);
        var exponent = Vector256.ShiftRightArithmetic(bits, 23) + (tiny.AsInt32() & Vector256.Create(-23));
        var f = ((bits & Vector256.Create(0x007fffff)) + Vector256.Create(SqrtHalfBits)).AsSingle() - Vector256<float>.One;
        var e = Vector256.ConvertToSingle(exponent);
        var z = f * f;
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(L11), f, Vector256.Create(L10));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(L9));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(L8));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(L7));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(L6));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(L5));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(L4));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(L3));
        p *= f * z;
        p = Vector256.FusedMultiplyAdd(e, Vector256.Create(LogLn2Lo), p);
        p = Vector256.FusedMultiplyAdd(Vector256.Create(-0.5f), z, p);
        p += f;
        p = Vector256.FusedMultiplyAdd(e, Vector256.Create(LogLn2Hi), p);
        p = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256.Create(float.PositiveInfinity)), p, x);
        p = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), Vector256.Create(float.NaN), p);
        return Vector256.ConditionalSelect(Vector256.Equals(x, Vector256<float>.Zero), Vector256.Create(float.NegativeInfinity), p);
    }

    /// <summary>Hyperbolic tangent: an odd polynomial below 0.625, 1 - 2 / (e^2x + 1) above.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Tanh(float x)
    {
        var a = MathF.Abs(x);
        var z = x * x;
        var p = MathF.FusedMultiplyAdd(T11, z, T9);
        p = MathF.FusedMultiplyAdd(p, z, T7);
        p = MathF.FusedMultiplyAdd(p, z, T5);
        p = MathF.FusedMultiplyAdd(p, z, T3);
        var small = MathF.FusedMultiplyAdd(p * z, a, a);
        var bounded = a > TanhMax ? TanhMax : a;
        var large = 1f - (2f / (Exp(bounded + bounded) + 1f));
        return MathF.CopySign(a < TanhSmall ? small : large, x);
    }

    /// <inheritdoc cref="Tanh(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Tanh(Vector256<float> x)
    {
        var sign = x & Vector256.Create(-0f);
        var a = Vector256.AndNot(x, Vector256.Create(-0f));
        var z = x * x;
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(T11), z, Vector256.Create(T9));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(T7));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(T5));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(T3));
        var small = Vector256.FusedMultiplyAdd(p * z, a, a);
        var bounded = Vector256.ConditionalSelect(Vector256.GreaterThan(a, Vector256.Create(TanhMax)), Vector256.Create(TanhMax), a);
        var large = Vector256<float>.One - (Vector256.Create(2f) / (Exp(bounded + bounded) + Vector256<float>.One));
        return Vector256.ConditionalSelect(Vector256.LessThan(a, Vector256.Create(TanhSmall)), small, large) | sign;
    }

    /// <summary>Error function: an odd polynomial up to 1, 1 - exp(Q(|x| - 1)) above, where Q is fitted to the logarithm of the complement.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Erf(float x)
    {
        var a = MathF.Abs(x);
        var z = x * x;
        var p = MathF.FusedMultiplyAdd(F13, z, F11);
        p = MathF.FusedMultiplyAdd(p, z, F9);
        p = MathF.FusedMultiplyAdd(p, z, F7);
        p = MathF.FusedMultiplyAdd(p, z, F5);
        p = MathF.FusedMultiplyAdd(p, z, F3);
        p = MathF.FusedMultiplyAdd(p, z, F1);
        var small = MathF.FusedMultiplyAdd(p, x, x);
        var y = (a > ErfMax ? ErfMax : a) - 1f;
        var q = MathF.FusedMultiplyAdd(C7, y, C6);
        q = MathF.FusedMultiplyAdd(q, y, C5);
        q = MathF.FusedMultiplyAdd(q, y, C4);
        q = MathF.FusedMultiplyAdd(q, y, C3);
        q = MathF.FusedMultiplyAdd(q, y, C2);
        q = MathF.FusedMultiplyAdd(q, y, C1);
        q = MathF.FusedMultiplyAdd(q, y, C0);
        var large = MathF.CopySign(1f - Exp(q), x);
        return a < 1f ? small : large;
    }

    /// <inheritdoc cref="Erf(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Erf(Vector256<float> x)
    {
        var sign = x & Vector256.Create(-0f);
        var a = Vector256.AndNot(x, Vector256.Create(-0f));
        var z = x * x;
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(F13), z, Vector256.Create(F11));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(F9));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(F7));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(F5));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(F3));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(F1));
        var small = Vector256.FusedMultiplyAdd(p, x, x);
        var y = Vector256.ConditionalSelect(Vector256.GreaterThan(a, Vector256.Create(ErfMax)), Vector256.Create(ErfMax), a) - Vector256<float>.One;
        var q = Vector256.FusedMultiplyAdd(Vector256.Create(C7), y, Vector256.Create(C6));
        q = Vector256.FusedMultiplyAdd(q, y, Vector256.Create(C5));
        q = Vector256.FusedMultiplyAdd(q, y, Vector256.Create(C4));
        q = Vector256.FusedMultiplyAdd(q, y, Vector256.Create(C3));
        q = Vector256.FusedMultiplyAdd(q, y, Vector256.Create(C2));
        q = Vector256.FusedMultiplyAdd(q, y, Vector256.Create(C1));
        q = Vector256.FusedMultiplyAdd(q, y, Vector256.Create(C0));
        var large = (Vector256<float>.One - Exp(q)) | sign;
        return Vector256.ConditionalSelect(Vector256.LessThan(a, Vector256<float>.One), small, large);
    }

    /// <summary>Logistic function 1 / (1 + e^-x), computed from e^-|x| so that neither side overflows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Sigmoid(float x)
    {
        var e = Exp(-MathF.Abs(x));
        return (x < 0f ? e : 1f) / (1f + e);
    }

    /// <inheritdoc cref="Sigmoid(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Sigmoid(Vector256<float> x)
    {
        var e = Exp(x | Vector256.Create(-0f));
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), e, Vector256<float>.One) / (Vector256<float>.One + e);
    }
}
