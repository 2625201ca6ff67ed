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

    /// <summary>[NumHeads] one score more per head, whose probability is dropped; or null.</summary>
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
/// Order of one row: tiles of 64 keys from position 0, of which the row takes its visible keys. Score = ascending chain over d, times scale, capped.
/// m = max, alpha = exp(m_old - m), p = exp(score - m), l = fma(l, alpha, sum of p by 16 lanes), acc = acc alpha, then an ascending chain over the tile's keys.
/// Spans of 1,024 keys start from nothing and are merged from left to right: M = max(m1, m2), a = exp(m1 - M), b = exp(m2 - M),
/// l = fma(l1, a, l2 b), acc = fma(acc1, a, acc2 b). A sink merges last with l = 1 and acc = 0. o = acc / l, lse = m + log(l).
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
        ref Segment segment = ref args.View.Segments[tile.Segment];
        var w = Layout(shape, (float*)scratch);
        int group = shape.Group, firstToken = tile.Tile * shape.TileTokens, tokens = Math.Min(shape.TileTokens, segment.NumRows - firstToken);
        int rows = tokens * group, width = shape.PaddedValueDim, position = segment.FirstPosition + firstToken;
        int keys = segment.FirstPosition + segment.NumRows, firstKey = shape.FirstKey(position), endKey = shape.EndKey(position + tokens - 1, keys);
        CopyQueries(args, segment.FirstRow + firstToken, tokens, kvHead, w.Q);
        Reset(w, rows, width);
        for (int r = 0; r < rows; r++)
            w.TotalM[r] = float.NegativeInfinity;

        int start = firstKey / AttentionShape.TileKeys * AttentionShape.TileKeys;
        for (int key = start; key < endKey; key += AttentionShape.TileKeys)
        {
            if (key != start && key % AttentionShape.SpanKeys == 0)
            {
                MergeSpan(w, rows, width);
                Reset(w, rows, width);
            }

            Bounds(shape, position, keys, key, tokens, w.From, w.End, out int row0, out int row1);
            var kv = KvTile.Open(shape, args.Cache, args.View.Blocks + segment.FirstBlock, kvHead, key, Math.Min(AttentionShape.TileKeys, endKey - key), w.Tile);
            kv.Scores(shape, w.Q, shape.HeadDim, w.S, row0, row1, w.From, w.End);
            for (int r = row0; r < row1; r++)
                Rescale(w.Acc + ((long)r * width), width, TileSoftmax.Forward(shape, w.S + (r * AttentionShape.ScoreStride), w.From[r], w.End[r], w.M + r, w.L + r));
            PanelProduct.Accumulate(w.S, AttentionShape.ScoreStride, 1, kv.Values, width / 16, w.Acc, width, row0, row1, w.From, w.End);
        }

        MergeSpan(w, rows, width);
        Finish(args, segment.FirstRow + firstToken, rows, kvHead, w, width);
    }

    /// <summary>
    /// For each row of a tile of tokens the visible columns [from, end) of the tile of keys that starts at <paramref name="key"/>;
    /// rows outside [row0, row1) see none of them.
    /// </summary>
    public static void Bounds(in AttentionShape shape, int position, int keys, int key, int tokens, int* from, int* end, out int row0, out int row1)
    {
        int group = shape.Group;
        row0 = tokens * group;
        row1 = 0;
        for (int t = 0, r = 0; t < tokens; t++)
        {
            int first = Math.Clamp(shape.FirstKey(position + t) - key, 0, AttentionShape.TileKeys);
            int last = Math.Clamp(shape.EndKey(position + t, keys) - key, 0, AttentionShape.TileKeys);
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

    private static void CopyQueries(in AttentionForwardArgs args, int row, int tokens, int kvHead, float* to)
    {
        // The query heads of a group lie side by side.
        int count = args.Shape.Group * args.Shape.HeadDim;
        for (int t = 0; t < tokens; t++)
            new Span<float>(args.Q + ((row + t) * args.QStride) + ((long)kvHead * count), count).CopyTo(new Span<float>(to + ((long)t * count), count));
    }

    private static void Reset(in Scratch w, int rows, int width)
    {
        new Span<float>(w.Acc, rows * width).Clear();
        for (int r = 0; r < rows; r++)
        {
            w.M[r] = float.NegativeInfinity;
            w.L[r] = 0f;
        }
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

    private static void MergeSpan(in Scratch w, int rows, int width)
    {
        for (int r = 0; r < rows; r++)
        {
            float* total = w.Total + ((long)r * width), acc = w.Acc + ((long)r * width);
            // l is positive, or NaN, as soon as a row has seen a key.
            if (w.L[r] == 0f)
                continue;
            if (w.TotalM[r] == float.NegativeInfinity)
            {
                w.TotalM[r] = w.M[r];
                w.TotalL[r] = w.L[r];
                new Span<float>(acc, width).CopyTo(new Span<float>(total, width));
                continue;
            }

            float max = w.M[r] > w.TotalM[r] ? w.M[r] : w.TotalM[r];
            float a = VectorMath.Exp(w.TotalM[r] - max), b = VectorMath.Exp(w.M[r] - max);
            w.TotalM[r] = max;
            w.TotalL[r] = MathF.FusedMultiplyAdd(w.TotalL[r], a, w.L[r] * b);
            Vector256<float> left = Vector256.Create(a), right = Vector256.Create(b);
            for (int d = 0; d < width; d += 8)
                Vector256.FusedMultiplyAdd(Vector256.Load(total + d), left, Vector256.Load(acc + d) * right).Store(total + d);
        }
    }

    private static void Finish(in AttentionForwardArgs args, int row, int rows, int kvHead, in Scratch w, int width)
    {
        int group = args.Shape.Group, valueDim = args.Shape.ValueDim;
        for (int r = 0; r < rows; r++)
        {
            int head = (kvHead * group) + (r % group);
            long token = row + (r / group);
            float m = w.TotalM[r], l = w.TotalL[r];
            float* total = w.Total + ((long)r * width), o = args.O + (token * args.OStride) + ((long)head * valueDim);
            if (args.Sinks != null)
            {
                float sink = args.Sinks[head], max = sink > m ? sink : m, alpha = VectorMath.Exp(m - max);
                l = MathF.FusedMultiplyAdd(l, alpha, VectorMath.Exp(sink - max));
                m = max;
                Rescale(total, width, alpha);
            }

            var divisor = Vector256.Create(l);
            int d = 0;
            for (; d <= valueDim - 8; d += 8)
                (Vector256.Load(total + d) / divisor).Store(o + d);
            for (; d < valueDim; d++)
                o[d] = total[d] / l;
            if (args.Lse != null)
                args.Lse[(token * args.Shape.NumHeads) + head] = m + VectorMath.Log(l);
        }
    }

    private static Scratch Layout(in AttentionShape shape, float* scratch)
    {
        long rows = shape.MaxRows, perRow = (rows + 15) & ~15L;
        long q = (rows * shape.HeadDim + 15) & ~15L, scores = rows * AttentionShape.ScoreStride, acc = rows * shape.PaddedValueDim;
        var w = default(Scratch);
        w.Q = scratch;
        w.S = w.Q + q;
        w.Acc = w.S + scores;
        w.Total = w.Acc + acc;
        w.M = w.Total + acc;
        w.L = w.M + perRow;
        w.TotalM = w.L + perRow;
        w.TotalL = w.TotalM + perRow;
        w.From = (int*)(w.TotalL + perRow);
        w.End = w.From + perRow;
        w.Tile = (float*)(w.End + perRow);
        w.Floats = q + scores + (2 * acc) + (6 * perRow) + KvTile.ScratchFloats(shape);
        return w;
    }

    private struct Scratch
    {
        public float* Q;
        public float* S;
        public float* Acc;
        public float* Total;
        public float* M;
        public float* L;
        public float* TotalM;
        public float* TotalL;
        public int* From;
        public int* End;
        public float* Tile;
        public long Floats;
    }
}
