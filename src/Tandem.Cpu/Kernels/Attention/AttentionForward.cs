using System.Runtime.Intrinsics;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>Operands of the forward pass; strides are floats from one row to the next.</summary>
internal unsafe struct AttentionForwardArgs
{
    /// <summary>The layer.</summary>
    public AttentionShape Shape;

    /// <summary>The batch.</summary>
    public BatchView View;

    /// <summary>[T, NumHeads * D] queries.</summary>
    public float* Q;

    /// <summary>Stride of <see cref="Q"/>.</summary>
    public long QStride;

    /// <summary>Block 0 of this layer's keys and values.</summary>
    public byte* Cache;

    /// <summary>[NumHeads] one logit more per head that joins the sum of the softmax only; or null.</summary>
    public float* Sinks;

    /// <summary>[T, NumHeads * Dv] result.</summary>
    public float* O;

    /// <summary>Stride of <see cref="O"/>.</summary>
    public long OStride;

    /// <summary>[T, NumHeads] natural logarithm of the sum of the exponentials of the scores (the sink included), or null.</summary>
    public float* Lse;
}

/// <summary>
/// Attention over key/value blocks: training, prefill and decode are the same code. An item is (tile of query rows, key/value head); the rows of a tile are
/// tokens times the query heads of the group, token by token, so keys and values are read once for all of them.
/// <para>
/// Order of one row: tiles of 64 keys from position 0, of which the row takes its visible keys. Score = ascending chain over d, times scale log2(e), capped.
/// m = max, alpha = 2^(m_old - m), p = 2^(score - m), l = fma(l, alpha, sum of p by 16 lanes), acc = acc alpha, then an ascending chain over the tile's keys.
/// Spans of 1,024 keys start from nothing and are merged from left to right: M = max(m1, m2), a = 2^(m1 - M), b = 2^(m2 - M),
/// l = fma(l1, a, l2 b), acc = fma(acc1, a, acc2 b). A sink merges last with l = 1 and acc = 0. o = acc / l, lse = fma(m, ln 2, log(l)).
/// So a span is an item of its own (<see cref="RunSpan"/>, then <see cref="Merge"/>) where there are too few others, with the same bits.
/// </para>
/// </summary>
internal static unsafe class AttentionForward
{
    /// <summary>Bytes of scratch for a worker.</summary>
    public static long ScratchBytes(in AttentionShape shape) => sizeof(float) * Layout(shape, null).Floats;

    /// <summary>Computes one item: a tile of queries (see <see cref="AttentionTiles.Queries"/>) of one key/value head.</summary>
    public static void Run(in AttentionForwardArgs args, in AttentionTile tile, int kvHead, byte* scratch)
    {
        ref readonly AttentionShape shape = ref args.Shape;
        var w = Layout(shape, (float*)scratch);
        var queries = new TileQueries(args, tile);
        CopyQueries(args, queries, kvHead, w.Q);
        w.Total.Reset(queries.Rows, shape.PaddedValueDim);
        for (int span = queries.FirstSpan; span < queries.EndSpan; span++)
        {
            Span(args, queries, kvHead, span, w, w.Part);
            MergeSpan(w.Part, w.Total, queries.Rows, shape.PaddedValueDim);
        }

        Finish(args, queries, kvHead, w.Total);
    }

    /// <summary>Computes one span of an item into <paramref name="part"/>; <paramref name="index"/> counts from the first span that the tile sees.</summary>
    public static void RunSpan(in AttentionForwardArgs args, in AttentionTile tile, int kvHead, int index, SpanPart part, byte* scratch)
    {
        var w = Layout(args.Shape, (float*)scratch);
        var queries = new TileQueries(args, tile);
        CopyQueries(args, queries, kvHead, w.Q);
        Span(args, queries, kvHead, queries.FirstSpan + index, w, part);
    }

    /// <summary>Merges the spans of an item, which lie one after another, and finishes it.</summary>
    public static void Merge(in AttentionForwardArgs args, in AttentionTile tile, int kvHead, SpanPart parts, byte* scratch)
    {
        int width = args.Shape.PaddedValueDim;
        var w = Layout(args.Shape, (float*)scratch);
        var queries = new TileQueries(args, tile);
        w.Total.Reset(queries.Rows, width);
        for (int span = queries.FirstSpan; span < queries.EndSpan; span++)
            MergeSpan(parts.At((span - queries.FirstSpan) * queries.Rows, width), w.Total, queries.Rows, width);
        Finish(args, queries, kvHead, w.Total);
    }

    /// <summary>
    /// For each row of a tile of tokens the visible columns [from, end) of the tile of keys that starts at <paramref name="key"/>;
    /// rows outside [row0, row1) see none of them. Neither bound decreases from a row to the next.
    /// </summary>
    public static void Bounds(in AttentionShape shape, int position, int key, int tokens, int* from, int* end, out int row0, out int row1)
    {
        int group = shape.Group;
        if (position + 1 >= key + AttentionShape.TileKeys && shape.FirstKey(position + tokens - 1) <= key)
        {
            row0 = 0;
            row1 = tokens * group;
            new Span<int>(from, row1).Clear();
            new Span<int>(end, row1).Fill(AttentionShape.TileKeys);
            return;
        }

        row0 = tokens * group;
        row1 = 0;
        for (int t = 0, r = 0; t < tokens; t++)
        {
            int first = Math.Clamp(shape.FirstKey(position + t) - key, 0, AttentionShape.TileKeys);
            int last = Math.Clamp(position + t + 1 - key, 0, AttentionShape.TileKeys);
            if (first < last)
            {
                row0 = Math.Min(row0, r);
                row1 = r + group;
            }

            for (int g = 0; g < group; g++, r++)
            {
                from[r] = first;
                end[r] = last;
            }
        }
    }

    // One span of 1,024 keys for all rows of a tile, from nothing.
    private static void Span(in AttentionForwardArgs args, in TileQueries queries, int kvHead, int span, in Scratch w, SpanPart part)
    {
        part.Reset(queries.Rows, args.Shape.PaddedValueDim);

        // What one or two register tiles read is widened on the way, for more rows once before. Quantized elements want 32 registers for it.
        bool inPlace = queries.Rows <= 2 * PanelProduct.MaxRows;
        switch (args.Shape.Cache.Key)
        {
            case DType.F32:
                Span<KeysInPlace<float, StoredF32>>(args, queries, kvHead, span, w, part, inPlace);
                break;
            case DType.F16 when inPlace:
                Span<KeysInPlace<ushort, StoredF16>>(args, queries, kvHead, span, w, part, inPlace);
                break;
            case DType.BF16 when inPlace:
                Span<KeysInPlace<ushort, StoredBF16>>(args, queries, kvHead, span, w, part, inPlace);
                break;
            case DType.Q8_0 when inPlace && Vector512.IsHardwareAccelerated:
                Span<QuantizedKeys<KvGroupQ8>>(args, queries, kvHead, span, w, part, inPlace);
                break;
            case DType.Q4_1 when inPlace && Vector512.IsHardwareAccelerated:
                Span<QuantizedKeys<KvGroupQ4>>(args, queries, kvHead, span, w, part, inPlace);
                break;
            default:
                Span<KeysWidened>(args, queries, kvHead, span, w, part, inPlace);
                break;
        }
    }

    private static void Span<TKeys>(in AttentionForwardArgs args, in TileQueries queries, int kvHead, int span, in Scratch w, SpanPart part, bool inPlace)
        where TKeys : struct, IKvKeys
    {
        switch (args.Shape.Cache.Value)
        {
            case DType.F32:
                Span<TKeys, ValuesInPlace<float, StoredF32>>(args, queries, kvHead, span, w, part);
                break;
            case DType.F16 when inPlace:
                Span<TKeys, ValuesInPlace<ushort, StoredF16>>(args, queries, kvHead, span, w, part);
                break;
            case DType.BF16 when inPlace:
                Span<TKeys, ValuesInPlace<ushort, StoredBF16>>(args, queries, kvHead, span, w, part);
                break;
            case DType.Q8_0 when inPlace && Vector512.IsHardwareAccelerated:
                Span<TKeys, QuantizedValues<KvGroupQ8>>(args, queries, kvHead, span, w, part);
                break;
            case DType.Q4_1 when inPlace && Vector512.IsHardwareAccelerated:
                Span<TKeys, QuantizedValues<KvGroupQ4>>(args, queries, kvHead, span, w, part);
                break;
            default:
                Span<TKeys, ValuesWidened>(args, queries, kvHead, span, w, part);
                break;
        }
    }

    private static void Span<TKeys, TValues>(in AttentionForwardArgs args, in TileQueries queries, int kvHead, int span, in Scratch w, SpanPart part)
        where TKeys : struct, IKvKeys
        where TValues : struct, IKvValues
    {
        ref readonly AttentionShape shape = ref args.Shape;
        int headDim = shape.HeadDim, width = shape.PaddedValueDim, keyBytes = shape.KeyBytes;
        float* tileValues = w.Tile + (2 * shape.KeyElements);
        int key = Math.Max(span * AttentionShape.SpanKeys, queries.FirstKey / AttentionShape.TileKeys * AttentionShape.TileKeys);
        int endKey = Math.Min((span + 1) * AttentionShape.SpanKeys, queries.EndKey);
        for (; key < endKey; key += AttentionShape.TileKeys)
        {
            Bounds(shape, queries.Position, key, queries.Tokens, w.From, w.End, out int row0, out int row1);

            // Table entries beyond the last key are not read.
            int* table = queries.Blocks + (key / KvBlocks.Tokens);
            byte* head0 = KvBlocks.Head(shape, args.Cache, table[0], kvHead);
            byte* head1 = endKey - key > KvBlocks.Tokens ? KvBlocks.Head(shape, args.Cache, table[1], kvHead) : null;
            void* keys0 = TKeys.Open(shape, head0, w.Tile), values0 = TValues.Open(shape, head0 + keyBytes, tileValues), keys1 = null, values1 = null;
            if (head1 != null)
            {
                keys1 = TKeys.Open(shape, head1, w.Tile + shape.KeyElements);
                values1 = TValues.Open(shape, head1 + keyBytes, tileValues + shape.ValueElements);
            }

            // The blocks of a sequence lie apart, each too short for the processor to see a stream in it.
            byte* next0 = endKey - key > 2 * KvBlocks.Tokens ? KvBlocks.Head(shape, args.Cache, table[2], kvHead) : null;
            byte* next1 = endKey - key > 3 * KvBlocks.Tokens ? KvBlocks.Head(shape, args.Cache, table[3], kvHead) : null;
            for (int r = row0; r < row1; r += AttentionShape.BlockRows)
            {
                int rows = Math.Min(AttentionShape.BlockRows, row1 - r);
                float* acc = part.Acc + ((long)r * width), q = w.Q + ((long)r * headDim);
                TKeys.Scores(shape, q, headDim, keys0, 0, w.S, rows, w.From + r, w.End + r, next0);
                if (keys1 != null)
                    TKeys.Scores(shape, q, headDim, keys1, KvBlocks.Tokens, w.S, rows, w.From + r, w.End + r, next1);
                TileSoftmax.Forward(shape, w.S, rows, w.From + r, w.End + r, part.M + r, part.L + r, w.Alpha);
                for (int i = 0; i < rows; i++)
                    Rescale(acc + ((long)i * width), width, w.Alpha[i]);
                TValues.Accumulate(
                    shape, w.S, values0, values1, acc, rows, w.From + r, w.End + r, next0 == null ? null : next0 + keyBytes, next1 == null ? null : next1 + keyBytes);
            }
        }
    }

    private static void CopyQueries(in AttentionForwardArgs args, in TileQueries queries, int kvHead, float* to)
    {
        // The query heads of a group lie side by side.
        int count = args.Shape.Group * args.Shape.HeadDim;
        for (int t = 0; t < queries.Tokens; t++)
            new Span<float>(args.Q + ((queries.FirstRow + t) * args.QStride) + ((long)kvHead * count), count).CopyTo(new Span<float>(to + ((long)t * count), count));
        if (!KvQuantizer.Turns(args.Shape.Cache.Key))
            return;
        for (int r = 0; r < queries.Rows; r++)
            Hadamard.Turn(to + ((long)r * args.Shape.HeadDim), args.Shape.HeadDim);
    }

    private static void Rescale(float* acc, int width, float alpha)
    {
        // Multiplying by one changes no bit; after the first tiles the maximum rarely moves.
        if (alpha == 1f)
            return;
        var factor = Vector256.Create(alpha);
        for (int d = 0; d < width; d += 8)
            (Vector256.Load(acc + d) * factor).Store(acc + d);
    }

    private static void MergeSpan(SpanPart part, SpanPart total, int rows, int width)
    {
        for (int r = 0; r < rows; r++)
        {
            // A window may end before the span: l is positive, or NaN, as soon as a row has seen a key.
            if (part.L[r] == 0f)
                continue;
            float* to = total.Acc + ((long)r * width), acc = part.Acc + ((long)r * width);
            float max = part.M[r] > total.M[r] ? part.M[r] : total.M[r];
            float a = SoftmaxExp.Exp2(total.M[r] - max), b = SoftmaxExp.Exp2(part.M[r] - max);
            total.M[r] = max;
            total.L[r] = MathF.FusedMultiplyAdd(total.L[r], a, part.L[r] * b);
            Vector256<float> left = Vector256.Create(a), right = Vector256.Create(b);
            for (int d = 0; d < width; d += 8)
                Vector256.FusedMultiplyAdd(Vector256.Load(to + d), left, Vector256.Load(acc + d) * right).Store(to + d);
        }
    }

    private static void Finish(in AttentionForwardArgs args, in TileQueries queries, int kvHead, SpanPart total)
    {
        int group = args.Shape.Group, valueDim = args.Shape.ValueDim, width = args.Shape.PaddedValueDim;
        for (int r = 0; r < queries.Rows; r++)
        {
            int head = (kvHead * group) + (r % group);
            long token = queries.FirstRow + (r / group);
            float m = total.M[r], l = total.L[r];
            float* acc = total.Acc + ((long)r * width), o = args.O + (token * args.OStride) + ((long)head * valueDim);
            if (args.Sinks != null)
            {
                float sink = args.Sinks[head] * SoftmaxExp.Log2E, max = sink > m ? sink : m, alpha = SoftmaxExp.Exp2(m - max);
                l = MathF.FusedMultiplyAdd(l, alpha, SoftmaxExp.Exp2(sink - max));
                m = max;
                Rescale(acc, width, alpha);
            }

            var divisor = Vector256.Create(l);
            int d = 0;
            for (; d <= valueDim - 8; d += 8)
                (Vector256.Load(acc + d) / divisor).Store(o + d);
            for (; d < valueDim; d++)
                o[d] = acc[d] / l;
            if (KvQuantizer.Turns(args.Shape.Cache.Value))
                Hadamard.Turn(o, valueDim);
            if (args.Lse != null)
                args.Lse[(token * args.Shape.NumHeads) + head] = MathF.FusedMultiplyAdd(m, SoftmaxExp.Ln2, VectorMath.Log(l));
        }
    }

    private static Scratch Layout(in AttentionShape shape, float* scratch)
    {
        long rows = shape.MaxRows, perRow = (rows + 15) & ~15L;
        var at = scratch;
        var w = default(Scratch);
        w.Q = Take(ref at, rows * shape.HeadDim);
        w.S = Take(ref at, AttentionShape.BlockRows * AttentionShape.ScoreStride);
        w.Alpha = Take(ref at, AttentionShape.BlockRows);
        w.Part = new SpanPart { Acc = Take(ref at, rows * shape.PaddedValueDim), M = Take(ref at, perRow), L = Take(ref at, perRow) };
        w.Total = new SpanPart { Acc = Take(ref at, rows * shape.PaddedValueDim), M = Take(ref at, perRow), L = Take(ref at, perRow) };
        w.From = (int*)Take(ref at, perRow);
        w.End = (int*)Take(ref at, perRow);
        w.Tile = Take(ref at, KvTiles.ScratchFloats(shape));
        w.Floats = at - scratch;
        return w;
    }

    private static float* Take(ref float* at, long count)
    {
        float* taken = at;
        at += (count + 15) & ~15L;
        return taken;
    }

    private struct Scratch
    {
        public float* Q;
        public float* S;
        public float* Alpha;
        public SpanPart Part;
        public SpanPart Total;
        public int* From;
        public int* End;
        public float* Tile;
        public long Floats;
    }
}
