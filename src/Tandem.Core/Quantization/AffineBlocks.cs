using System.Buffers.Binary;

namespace Tandem;

/// <summary>Encoders of blocks whose value is scale * code + offset: one pair a block, or pairs of integers times the block's.</summary>
internal static class AffineBlocks
{
    // How far beyond the highest integer the largest scale and minimum may lie, in parts of it.
    private static ReadOnlySpan<float> Stretches => [1, 0.96f, 0.92f, 0.87f];

    /// <summary>
    /// Writes scale and minimum of a block of plain 4 or 5 bits into its first four bytes, and gives the codes: without weights by the formats' definition, from the least value to
    /// the largest.
    /// </summary>
    public static void Codes(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int top, Span<byte> block, Span<byte> codes)
    {
        Affine at;
        if (weights.IsEmpty)
        {
            float low = float.PositiveInfinity, high = float.NegativeInfinity;
            foreach (float value in values) (low, high) = (MathF.Min(low, value), MathF.Max(high, value));
            at = new Affine((high - low) / top, low);
            float inverse = at.Scale == 0 ? 0 : 1 / at.Scale;
            for (int i = 0; i < values.Length; i++) codes[i] = (byte)Math.Min(top, (int)(((values[i] - low) * inverse) + 0.5f));
        }
        else
        {
            at = AffineSearch.Fit(values, weights, top, signed: true);
            at = new Affine(SymmetricBlocks.Round(at.Scale), SymmetricBlocks.Round(at.Offset));
            AffineSearch.Codes(values, top, at, codes);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(at.Scale));
        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], Conversions.NarrowHalf(at.Offset));
    }

    /// <summary>
    /// Chooses the two scales of a block and the integer scales and minima of its sub-blocks: each sub-block's own best pair first, then scales of the block such that their integer
    /// multiples cost least, then by turns the integers and the block's scales. Writes the block's scales at two offsets, and gives the codes.
    /// </summary>
    /// <param name="values">The block's values.</param>
    /// <param name="weights">Their weights, or empty.</param>
    /// <param name="top">The highest code.</param>
    /// <param name="most">The highest integer scale and minimum.</param>
    /// <param name="scales">Receives the integer scales; their number says how many sub-blocks there are.</param>
    /// <param name="minima">Receives the integer minima.</param>
    /// <param name="halves">Receives d and dmin as binary16, four bytes.</param>
    /// <param name="codes">Receives the codes.</param>
    public static void Scales(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int top, int most, Span<int> scales, Span<int> minima, Span<byte> halves, Span<byte> codes)
    {
        if (weights.IsEmpty) weights = EqualWeights.Of(values.Length);
        Span<Affine> own = stackalloc Affine[scales.Length];
        int size = values.Length / scales.Length;
        float largest = 0, deepest = 0;
        for (int sub = 0; sub < own.Length; sub++)
        {
            own[sub] = AffineSearch.Fit(values.Slice(size * sub, size), weights.Slice(size * sub, size), top, signed: false);
            (largest, deepest) = (MathF.Max(largest, own[sub].Scale), MathF.Max(deepest, -own[sub].Offset));
        }

        var search = new Search(values, weights, top, most, scales, minima, stackalloc int[2 * scales.Length]);
        foreach (float wide in Stretches)
        {
            foreach (float deep in Stretches)
            {
                search.Try(SymmetricBlocks.Round(largest / (most * wide)), SymmetricBlocks.Round(deepest / (most * deep)), own, reach: 0);
                if (deepest == 0) break;
            }
        }

        for (int turn = 0; turn < 2; turn++)
        {
            search.TryNear(search.Scale, search.Minimum);
            (float scale, float minimum) = search.LeastSquares();
            (scale, minimum) = (SymmetricBlocks.Round(scale), SymmetricBlocks.Round(minimum));
            if (scale == search.Scale && minimum == search.Minimum) break;
            search.TryNear(scale, minimum);
        }

        for (int sub = 0; sub < own.Length; sub++) AffineSearch.Codes(values.Slice(size * sub, size), top, search.At(sub), codes.Slice(size * sub, size));
        BinaryPrimitives.WriteUInt16LittleEndian(halves, Conversions.NarrowHalf(search.Scale));
        BinaryPrimitives.WriteUInt16LittleEndian(halves[2..], Conversions.NarrowHalf(search.Minimum));
    }

    private ref struct Search(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int top, int most, Span<int> scales, Span<int> minima, Span<int> tried)
    {
        private readonly ReadOnlySpan<float> _values = values, _weights = weights;
        private readonly Span<int> _scales = scales, _minima = minima, _tried = tried;
        private readonly int _size = values.Length / scales.Length;
        private float _least = float.PositiveInfinity;

        public float Scale { get; private set; }

        public float Minimum { get; private set; }

        // What a sub-block decodes with.
        public readonly Affine At(int sub) => new(Scale * _scales[sub], -(Minimum * _minima[sub]));

        // Takes scales of the block, with the integers nearest to wanted scales and offsets or up to reach beside them, if the error is less than that of what was taken so far.
        public void Try(float d, float dmin, scoped ReadOnlySpan<Affine> wanted, int reach)
        {
            float total = 0;
            for (int sub = 0; sub < wanted.Length; sub++)
            {
                int scale = d == 0 ? 0 : (int)MathF.Round(wanted[sub].Scale / d), minimum = dmin == 0 ? 0 : (int)MathF.Round(-wanted[sub].Offset / dmin);
                ReadOnlySpan<float> values = _values.Slice(_size * sub, _size), weights = _weights.Slice(_size * sub, _size);
                float smallest = float.PositiveInfinity;
                for (int s = Math.Max(0, scale - reach); s <= Math.Min(most, scale + reach); s++)
                {
                    for (int m = Math.Max(0, minimum - reach); m <= Math.Min(most, minimum + reach); m++)
                    {
                        float error = AffineSearch.Error(values, weights, top, new Affine(d * s, -(dmin * m)));
                        if (error < smallest) (smallest, _tried[2 * sub], _tried[(2 * sub) + 1]) = (error, s, m);
                    }
                }

                total += smallest;
            }

            if (!(total < _least)) return;
            (Scale, Minimum, _least) = (d, dmin, total);
            for (int sub = 0; sub < wanted.Length; sub++) (_scales[sub], _minima[sub]) = (_tried[2 * sub], _tried[(2 * sub) + 1]);
        }

        // Takes scales of the block with the present integers or those beside them.
        public void TryNear(float d, float dmin)
        {
            Span<Affine> present = stackalloc Affine[_scales.Length];
            for (int sub = 0; sub < present.Length; sub++) present[sub] = new Affine(d * _scales[sub], -(dmin * _minima[sub]));
            Try(d, dmin, present, reach: 1);
        }

        // The block's scales for the codes that the present ones give: two linear equations over all sub-blocks.
        public readonly (float Scale, float Minimum) LeastSquares()
        {
            double qq = 0, qm = 0, mm = 0, xq = 0, xm = 0;
            for (int sub = 0; sub < _scales.Length; sub++)
            {
                double s = _scales[sub], m = -_minima[sub];
                AffineSums sums = AffineSearch.Sums(_values.Slice(_size * sub, _size), _weights.Slice(_size * sub, _size), top, At(sub));
                qq += s * s * sums.WQQ;
                qm += s * m * sums.WQ;
                mm += m * m * sums.W;
                xq += s * sums.WXQ;
                xm += m * sums.WX;
            }

            double determinant = (qq * mm) - (qm * qm);
            if (!(determinant > 1e-9 * qq * mm)) return (qq > 0 && mm == 0 ? (float)(xq / qq) : Scale, Minimum);
            return ((float)Math.Max(0, ((xq * mm) - (xm * qm)) / determinant), (float)Math.Max(0, ((qq * xm) - (qm * xq)) / determinant));
        }
    }
}
