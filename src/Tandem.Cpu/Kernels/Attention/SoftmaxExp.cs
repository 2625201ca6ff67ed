using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// The exponential of attention's softmax: 2^x for x up to about 1, since scores are kept in units of log 2 and have their maximum subtracted.
/// Below -126 the result is 0 (a probability that no sum of f32 sees), so neither denormals nor a second scaling are needed: half the work of a general exponential.
/// All forms perform the same operations and give the same bits.
/// </summary>
internal static class SoftmaxExp
{
    /// <summary>Factor from natural units to those of the scores.</summary>
    public const float Log2E = 1.442695022f;

    /// <summary>Factor from the scores' units to natural ones.</summary>
    public const float Ln2 = 6.931471825e-01f;

    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the sum, here already with the exponent's bias.
    private const float Shift = 12582912f + 127f;
    private const float Smallest = -126f;

    // 2^r = 1 + r Q(r) on [-1/2, 1/2], interpolated at Chebyshev nodes; relative error below 1e-8.
    private const float C1 = 6.931471825e-01f;
    private const float C2 = 2.402265072e-01f;
    private const float C3 = 5.550356954e-02f;
    private const float C4 = 9.618083015e-03f;
    private const float C5 = 1.339086331e-03f;
    private const float C6 = 1.545316336e-04f;

    /// <summary>2 to the power <paramref name="x"/>; 0 below -126, NaN for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Exp2(float x)
    {
        float shifted = x + Shift, r = x - (shifted - Shift);
        float p = MathF.FusedMultiplyAdd(C6, r, C5);
        p = MathF.FusedMultiplyAdd(p, r, C4);
        p = MathF.FusedMultiplyAdd(p, r, C3);
        p = MathF.FusedMultiplyAdd(p, r, C2);
        p = MathF.FusedMultiplyAdd(p, r, C1);
        p = MathF.FusedMultiplyAdd(p, r, 1f);
        p *= BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(shifted) << 23);
        return x < Smallest ? 0f : p;
    }

    /// <inheritdoc cref="Exp2(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp2(Vector512<float> x)
    {
        Vector512<float> shifted = x + Vector512.Create(Shift), r = x - (shifted - Vector512.Create(Shift));
        var p = Vector512.FusedMultiplyAdd(Vector512.Create(C6), r, Vector512.Create(C5));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C4));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C3));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C2));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(C1));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        p *= Vector512.ShiftLeft(shifted.AsInt32(), 23).AsSingle();
        return Vector512.AndNot(p, Vector512.LessThan(x, Vector512.Create(Smallest)));
    }

    /// <inheritdoc cref="Exp2(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp2(Vector256<float> x)
    {
        Vector256<float> shifted = x + Vector256.Create(Shift), r = x - (shifted - Vector256.Create(Shift));
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(C6), r, Vector256.Create(C5));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(C4));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(C3));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(C2));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(C1));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        p *= Vector256.ShiftLeft(shifted.AsInt32(), 23).AsSingle();
        return Vector256.AndNot(p, Vector256.LessThan(x, Vector256.Create(Smallest)));
    }
}
