namespace Tandem;

/// <summary>Encoders of blocks whose value is scale * level: one scale a block, or scales that are integers times the block's.</summary>
internal static class SymmetricBlocks
{
    // How far beyond the outermost integer the largest scale may lie, in parts of it.
    private static ReadOnlySpan<float> Stretches => [1, 0.985f, 0.97f, 0.955f, 0.94f, 0.92f, 0.9f, 0.87f];

    /// <summary>
    /// The codes and the scale of a block of plain 4 or 5 bits, which have 2^bits levels from -2^(bits - 1) up: without weights by the formats' definition, which takes the value
    /// of largest magnitude to the lowest level.
    /// </summary>
    public static float Codes<TLevels>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int bits, Span<byte> codes)
        where TLevels : ILevels
    {
        if (!weights.IsEmpty)
        {
            float fitted = Round(ScaleSearch.Fit<TLevels>(values, weights));
            ScaleSearch.Codes<TLevels>(values, fitted, codes);
            return fitted;
        }

        int middle = 1 << (bits - 1);
        float d = ScaleSearch.SignedLargest(values) / -middle, inverse = d == 0 ? 0 : 1 / d;
        for (int i = 0; i < values.Length; i++) codes[i] = (byte)Math.Min((2 * middle) - 1, (int)((values[i] * inverse) + (middle + 0.5f)));
        return d;
    }

    /// <summary>
    /// Chooses the scale of a block and the integer scales of its sub-blocks: each sub-block's own best scale first, then a block's scale such that their integer multiples cost
    /// least, then by turns the integers and the block's scale.
    /// </summary>
    /// <param name="values">The block's values.</param>
    /// <param name="weights">Their weights, or empty.</param>
    /// <param name="lowest">The lowest integer; the highest is -lowest - 1.</param>
    /// <param name="scales">Receives the integers; their number says how many sub-blocks there are.</param>
    /// <returns>The block's scale, as binary16 holds it.</returns>
    public static float Scales<TLevels>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int lowest, Span<int> scales)
        where TLevels : ILevels
    {
        if (weights.IsEmpty) weights = EqualWeights.Of(values.Length);
        Span<float> own = stackalloc float[scales.Length];
        int size = values.Length / scales.Length;
        for (int sub = 0; sub < own.Length; sub++) own[sub] = ScaleSearch.Fit<TLevels>(values.Slice(size * sub, size), weights.Slice(size * sub, size));
        var search = new Search<TLevels>(values, weights, lowest, scales, stackalloc int[scales.Length]);
        float largest = ScaleSearch.SignedLargest(own);
        foreach (float stretch in Stretches)
        {
            search.Try(Round(largest / (lowest * stretch)), own, reach: 0);
            search.Try(Round(largest / ((-lowest - 1) * stretch)), own, reach: 0);
        }

        for (int turn = 0; turn < 2 && search.Best != 0; turn++)
        {
            search.TryNear(search.Best);
            float next = Round(search.LeastSquares());
            if (next == search.Best) break;
            search.TryNear(next);
        }

        if (search.Best == 0) scales.Clear();
        return search.Best;
    }

    /// <summary>A scale as binary16 holds it.</summary>
    public static float Round(float scale) => Conversions.WidenHalf(Conversions.NarrowHalf(scale));

    private ref struct Search<TLevels>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int lowest, Span<int> scales, Span<int> tried)
        where TLevels : ILevels
    {
        private readonly ReadOnlySpan<float> _values = values, _weights = weights;
        private readonly Span<int> _scales = scales, _tried = tried;
        private readonly int _size = values.Length / scales.Length;
        private float _least = float.PositiveInfinity;

        public float Best { get; private set; }

        // Takes a block's scale, with the integers nearest to wanted sub-blocks' scales or up to reach beside them, if the error is less than that of what was taken so far.
        public void Try(float d, scoped ReadOnlySpan<float> wanted, int reach)
        {
            if (d == 0) return;
            float total = 0;
            for (int sub = 0; sub < wanted.Length; sub++)
            {
                int middle = (int)MathF.Round(wanted[sub] / d);
                float smallest = float.PositiveInfinity;
                for (int scale = middle - reach; scale <= middle + reach; scale++)
                {
                    int code = Math.Clamp(scale, lowest, -lowest - 1);
                    float error = ScaleSearch.Error<TLevels>(_values.Slice(_size * sub, _size), _weights.Slice(_size * sub, _size), d * code);
                    if (error < smallest) (smallest, _tried[sub]) = (error, code);
                }

                total += smallest;
            }

            if (!(total < _least)) return;
            (Best, _least) = (d, total);
            _tried.CopyTo(_scales);
        }

        // Takes a block's scale with the present integers or those beside them.
        public void TryNear(float d)
        {
            Span<float> present = stackalloc float[_scales.Length];
            for (int sub = 0; sub < present.Length; sub++) present[sub] = d * _scales[sub];
            Try(d, present, reach: 1);
        }

        // The block's scale for the levels that the present scales give.
        public readonly float LeastSquares()
        {
            double cross = 0, square = 0;
            for (int sub = 0; sub < _scales.Length; sub++)
            {
                if (_scales[sub] == 0) continue;
                ReadOnlySpan<float> values = _values.Slice(_size * sub, _size), weights = _weights.Slice(_size * sub, _size);
                ScaleSearch.Sums<TLevels>(values, weights, 1 / (Best * _scales[sub]), out float wxq, out float wqq);
                cross += (double)_scales[sub] * wxq;
                square += (double)_scales[sub] * _scales[sub] * wqq;
            }

            return square > 0 ? (float)(cross / square) : 0;
        }
    }
}

/// <summary>Weights of elements that all count the same.</summary>
internal static class EqualWeights
{
    private static readonly float[] Ones = [.. Enumerable.Repeat(1f, 256)];

    /// <summary>As many as a block has elements.</summary>
    public static ReadOnlySpan<float> Of(int count) => Ones.AsSpan(0, count);
}
