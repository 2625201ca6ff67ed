using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>Scale and offset of a run of elements: value = scale * code + offset, with codes from 0 up.</summary>
internal readonly record struct Affine(float Scale, float Offset);

/// <summary>
/// As <see cref="ScaleSearch"/>, with an offset: several widths of the codes' range are tried, for each the codes' scale and offset of least squares (two linear equations), and
/// the best is refined by turns.
/// </summary>
internal static class AffineSearch
{
    private const float Smallest = 1e-12f;

    private const int Turns = 3;

    // Parts of the values' range that the codes' range covers; values outside are cut off.
    private static ReadOnlySpan<float> Coarse => [1.04f, 0.94f, 0.84f, 0.74f, 0.64f];

    // For blocks whose own scale and offset are stored as they are, not as multiples of others.
    private static ReadOnlySpan<float> Finest => [1.03f, 1.01f, 1, 0.99f, 0.98f, 0.97f, 0.96f, 0.95f, 0.935f, 0.92f, 0.9f, 0.88f, 0.85f];

    private static ReadOnlySpan<float> Fine => [1.01f, 0.99f, 0.965f, 0.935f, 0.9f];

    /// <summary>The best scale and offset found. Lengths are multiples of 8.</summary>
    /// <param name="values">The values.</param>
    /// <param name="weights">What the square of each error counts.</param>
    /// <param name="top">The highest code.</param>
    /// <param name="signed">Whether the offset may be above 0.</param>
    public static Affine Fit(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int top, bool signed)
    {
        float low = float.PositiveInfinity, high = float.NegativeInfinity;
        foreach (float value in values) (low, high) = (MathF.Min(low, value), MathF.Max(high, value));
        if (!signed) low = MathF.Min(low, 0);
        if (high - low < Smallest) return new Affine(0, low);
        var best = new Affine((high - low) / top, low);
        double gain = double.NegativeInfinity;
        AffineSums constant = Constants(values, weights);
        foreach (float part in signed ? Finest : top < 8 ? Coarse : Fine)
        {
            // What the range does not cover is cut off above, below, or half and half.
            float width = (high - low) * part;
            Try(values, weights, top, signed, constant, new Affine(width / top, low + ((high - low - width) / 2)), ref best, ref gain);
            Try(values, weights, top, signed, constant, new Affine(width / top, low), ref best, ref gain);
            Try(values, weights, top, signed, constant, new Affine(width / top, high - width), ref best, ref gain);
        }

        for (int turn = 0; turn < Turns; turn++)
        {
            double before = gain;
            Try(values, weights, top, signed, constant, best, ref best, ref gain);
            if (gain == before) break;
        }

        return best;
    }

    /// <summary>The weighted square of the error.</summary>
    public static float Error(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int top, Affine at)
    {
        Vector256<float> error = Vector256<float>.Zero, scale = Vector256.Create(at.Scale), offset = Vector256.Create(at.Offset);
        Vector256<float> inverse = Vector256.Create(at.Scale == 0 ? 0 : 1 / at.Scale);
        for (int i = 0; i < values.Length; i += 8)
        {
            Vector256<float> x = Vector256.Create(values.Slice(i, 8)) - offset, difference = x - (scale * Integers.Nearest(x * inverse, 0, top));
            error += Vector256.Create(weights.Slice(i, 8)) * difference * difference;
        }

        return Vector256.Sum(error);
    }

    /// <summary>Sums over the elements, for codes at a given scale and offset.</summary>
    public static AffineSums Sums(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int top, Affine at) =>
        AddCodes(values, weights, top, at, Constants(values, weights));

    // The sums in which codes do not occur.
    private static AffineSums Constants(ReadOnlySpan<float> values, ReadOnlySpan<float> weights)
    {
        Vector256<float> w = default, wx = default;
        for (int i = 0; i < values.Length; i += 8)
        {
            Vector256<float> weight = Vector256.Create(weights.Slice(i, 8));
            w += weight;
            wx += weight * Vector256.Create(values.Slice(i, 8));
        }

        return new AffineSums(Vector256.Sum(w), 0, 0, Vector256.Sum(wx), 0);
    }

    private static AffineSums AddCodes(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int top, Affine at, AffineSums constant)
    {
        Vector256<float> wq = default, wqq = default, wxq = default;
        Vector256<float> offset = Vector256.Create(at.Offset), inverse = Vector256.Create(at.Scale == 0 ? 0 : 1 / at.Scale);
        for (int i = 0; i < values.Length; i += 8)
        {
            Vector256<float> weight = Vector256.Create(weights.Slice(i, 8)), x = Vector256.Create(values.Slice(i, 8));
            Vector256<float> code = Integers.Nearest((x - offset) * inverse, 0, top), weighted = weight * code;
            wq += weighted;
            wqq += weighted * code;
            wxq += weighted * x;
        }

        return constant with { WQ = Vector256.Sum(wq), WQQ = Vector256.Sum(wqq), WXQ = Vector256.Sum(wxq) };
    }

    /// <summary>The codes nearest to the values.</summary>
    public static void Codes(ReadOnlySpan<float> values, int top, Affine at, Span<byte> codes)
    {
        Vector256<float> offset = Vector256.Create(at.Offset), inverse = Vector256.Create(at.Scale == 0 ? 0 : 1 / at.Scale);
        for (int i = 0; i < values.Length; i += 8)
        {
            Vector256<float> nearest = Integers.Nearest((Vector256.Create(values.Slice(i, 8)) - offset) * inverse, 0, top);
            for (int j = 0; j < 8; j++) codes[i + j] = (byte)nearest[j];
        }
    }

    private static void Try(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int top, bool signed, AffineSums constant, Affine at, ref Affine best, ref double gain)
    {
        AffineSums sums = AddCodes(values, weights, top, at, constant);
        Affine fitted = sums.Fit(signed);
        if (fitted.Scale > 0 && sums.Gain(fitted) is var here && here > gain) (best, gain) = (fitted, here);
    }
}

/// <summary>What scale and offset of least squares are made of: sums of weights times products of codes (Q) and values (X).</summary>
internal readonly record struct AffineSums(float W, float WQ, float WQQ, float WX, float WXQ)
{
    /// <summary>The best scale and offset for the codes; not a number where all codes are equal.</summary>
    public Affine Fit(bool signed)
    {
        float determinant = (W * WQQ) - (WQ * WQ);
        float scale = ((W * WXQ) - (WX * WQ)) / determinant, offset = ((WQQ * WX) - (WQ * WXQ)) / determinant;
        return signed || !(offset > 0) ? new Affine(scale, offset) : new Affine(WXQ / WQQ, 0);
    }

    /// <summary>By how much the error at some scale and offset is less than the values' own square.</summary>
    public double Gain(Affine at)
    {
        double scale = at.Scale, offset = at.Offset;
        return (2 * ((scale * WXQ) + (offset * WX))) - (scale * scale * WQQ) - (2 * scale * offset * WQ) - (offset * offset * W);
    }
}
