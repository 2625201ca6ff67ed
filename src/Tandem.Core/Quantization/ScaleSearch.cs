using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// The scale of a run of elements whose value is scale * level. For given levels the best scale is that of least squares; so scales are tried that bring the largest value to
/// different places, the best is refined by turns (levels of the scale, scale of the levels), which never makes it worse.
/// </summary>
internal static class ScaleSearch
{
    // Below this no binary16 scale differs from 0.
    private const float Smallest = 1e-12f;

    private const int Turns = 2;

    /// <summary>The best scale found. Lengths are multiples of 8.</summary>
    public static float Fit<TLevels>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights)
        where TLevels : ILevels
    {
        float largest = SignedLargest(values);
        if (MathF.Abs(largest) < Smallest) return 0;
        float best = 0, gain = 0;
        foreach (float anchor in TLevels.Anchors) Try<TLevels>(values, weights, anchor / largest, ref best, ref gain);
        for (int turn = 0; turn < Turns && best != 0; turn++)
        {
            float before = gain;
            Try<TLevels>(values, weights, 1 / best, ref best, ref gain);
            if (gain == before) break;
        }

        return best;
    }

    /// <summary>The weighted square of the error at a scale.</summary>
    public static float Error<TLevels>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float scale)
        where TLevels : ILevels
    {
        Vector256<float> error = Vector256<float>.Zero, s = Vector256.Create(scale), inverse = Vector256.Create(scale == 0 ? 0 : 1 / scale);
        for (int i = 0; i < values.Length; i += 8)
        {
            Vector256<float> x = Vector256.Create(values.Slice(i, 8)), difference = x - (s * TLevels.Nearest(x * inverse));
            error += Vector256.Create(weights.Slice(i, 8)) * difference * difference;
        }

        return Vector256.Sum(error);
    }

    /// <summary>Adds the sums that the least-squares scale of levels at a given scale is made of: weight * value * level, and weight * level * level.</summary>
    public static void Sums<TLevels>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float inverse, out float cross, out float square)
        where TLevels : ILevels
    {
        Vector256<float> wxq = Vector256<float>.Zero, wqq = Vector256<float>.Zero, factor = Vector256.Create(inverse);
        for (int i = 0; i < values.Length; i += 8)
        {
            Vector256<float> x = Vector256.Create(values.Slice(i, 8)), q = TLevels.Nearest(x * factor), wq = Vector256.Create(weights.Slice(i, 8)) * q;
            wxq += wq * x;
            wqq += wq * q;
        }

        cross = Vector256.Sum(wxq);
        square = Vector256.Sum(wqq);
    }

    /// <summary>The codes of the levels nearest to the values at a scale.</summary>
    public static void Codes<TLevels>(ReadOnlySpan<float> values, float scale, Span<byte> codes)
        where TLevels : ILevels
    {
        Vector256<float> inverse = Vector256.Create(scale == 0 ? 0 : 1 / scale);
        for (int i = 0; i < values.Length; i += 8)
        {
            Vector256<float> levels = TLevels.Nearest(Vector256.Create(values.Slice(i, 8)) * inverse);
            for (int j = 0; j < 8; j++) codes[i + j] = TLevels.Code(levels[j]);
        }
    }

    /// <summary>The value of largest magnitude; of equal ones the first.</summary>
    public static float SignedLargest(ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values)
        {
            if (MathF.Abs(value) > MathF.Abs(largest)) largest = value;
        }

        return largest;
    }

    // The error of a scale of least squares is the values' square minus cross^2 / square.
    private static void Try<TLevels>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float inverse, ref float best, ref float gain)
        where TLevels : ILevels
    {
        Sums<TLevels>(values, weights, inverse, out float cross, out float square);
        if (square > 0 && cross * cross > gain * square) (best, gain) = (cross / square, cross * cross / square);
    }
}
