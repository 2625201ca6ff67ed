using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>Operands of the backward pass; strides are floats from one row to the next. Every segment starts at position 0.</summary>
internal unsafe struct AttentionBackwardArgs
{
    /// <summary>The operands and results of the forward pass; O and Lse are read here.</summary>
    public AttentionForwardArgs Forward;

    /// <summary>[T, NumHeads * Dv] gradient of the result.</summary>
    public float* DO;

    /// <summary>Stride of <see cref="DO"/>.</summary>
    public long DOStride;

    /// <summary>[T, NumHeads] sum of o times do over a head, from <see cref="AttentionBackward.Delta"/>.</summary>
    public float* Delta;

    /// <summary>[T, NumHeads * D] gradient of the queries; overwritten.</summary>
    public float* DQ;

    /// <summary>Stride of <see cref="DQ"/>.</summary>
    public long DQStride;

    /// <summary>[T, NumKvHeads * D] gradient of the keys; overwritten.</summary>
    public float* DK;

    /// <summary>Stride of <see cref="DK"/>.</summary>
    public long DKStride;

    /// <summary>[T, NumKvHeads * Dv] gradient of the values; overwritten.</summary>
    public float* DV;

    /// <summary>Stride of <see cref="DV"/>.</summary>
    public long DVStride;
}

/// <summary>
/// Gradients of attention by tiles of 64 keys and tiles of query rows, with the probabilities recomputed from the log-sum (Dao et al., 2022); nothing of size [T, T].
/// <para>
/// Order: every element of dq is one ascending chain over the row's visible keys; every element of dk and dv is one ascending chain over the tokens that see the key,
/// within a token over the query heads of the group. The cut into tiles and items therefore changes no bit: <see cref="RunHead"/> (5 products a pair of tiles) and
/// <see cref="RunKeys"/> with <see cref="RunQueries"/> (7 products, more items) give the same gradients.
/// </para>
/// </summary>
internal static unsafe class AttentionBackward
{
    /// <summary>Bytes of scratch for a worker.</summary>
    public static long ScratchBytes(in AttentionShape shape) => sizeof(float) * BackwardScratch.Layout(shape, null).Floats;

    /// <summary>Whether one item per (segment, key/value head) keeps that many workers busy well enough to be faster than the finer items.</summary>
    public static bool PreferHeads(in BatchView view, in AttentionShape shape, int workers)
    {
        // In units of a product over a pair of rows: an item of n tokens costs 5 n^2 whole, 7 n^2 cut into pieces.
        double total = 0, largest = 0;
        for (int s = 0; s < view.NumSegments; s++)
        {
            double n = view.Segments[s].NumRows, cost = n * (shape.Window > 0 ? Math.Min(n, 2.0 * shape.Window) : n);
            total += cost * shape.NumKvHeads;
            largest = Math.Max(largest, cost);
        }

        double rounds = Math.Max(Math.Ceiling(view.NumSegments * (double)shape.NumKvHeads / workers) * largest, total / workers);
        double whole = view.NumSegments == 1 ? rounds : Math.Max(largest, total / workers);
        return 5 * whole <= 7 * total / workers;
    }

    /// <summary>delta[t, h] = sum of o times do over head h of row t, by 16 lanes, for rows [first, first + count).</summary>
    public static void Delta(in AttentionBackwardArgs args, int first, int count)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        for (int t = first; t < first + count; t++)
        {
            float* o = args.Forward.O + (t * args.Forward.OStride), dO = args.DO + (t * args.DOStride);
            for (int h = 0; h < shape.NumHeads; h++)
                args.Delta[((long)t * shape.NumHeads) + h] = RowReduce.Dot(o + ((long)h * shape.ValueDim), dO + ((long)h * shape.ValueDim), shape.ValueDim);
        }
    }

    /// <summary>dsinks[head] continues as one ascending chain over the rows: dsinks - exp(sink - lse) delta. Items are heads.</summary>
    public static void Sinks(in AttentionBackwardArgs args, int head, float* dSinks)
    {
        float sum = dSinks[head], sink = args.Forward.Sinks[head];
        for (int t = 0; t < args.Forward.View.NumRows; t++)
        {
            long at = ((long)t * args.Forward.Shape.NumHeads) + head;
            sum = MathF.FusedMultiplyAdd(-VectorMath.Exp(sink - args.Forward.Lse[at]), args.Delta[at], sum);
        }

        dSinks[head] = sum;
    }

    /// <summary>dq, dk and dv of one segment and one key/value head.</summary>
    public static void RunHead(in AttentionBackwardArgs args, int segment, int kvHead, byte* scratch)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        ref Segment s = ref args.Forward.View.Segments[segment];
        var w = BackwardScratch.Layout(shape, (float*)scratch);
        Clear(args.DQ, args.DQStride, s.FirstRow, s.NumRows, kvHead, shape.Group * shape.HeadDim);
        for (int key = 0; key < s.NumRows; key += AttentionShape.TileKeys)
            KeyTile(args, s, kvHead, key, true, w);
    }

    /// <summary>dk and dv of one tile of keys (see <see cref="AttentionTiles.Keys"/>) and one key/value head.</summary>
    public static void RunKeys(in AttentionBackwardArgs args, in AttentionTile tile, int kvHead, byte* scratch) =>
        KeyTile(
            args, args.Forward.View.Segments[tile.Segment], kvHead, tile.Tile * AttentionShape.TileKeys, false,
            BackwardScratch.Layout(args.Forward.Shape, (float*)scratch));

    /// <summary>dq of one tile of queries (see <see cref="AttentionTiles.Queries"/>) and one key/value head.</summary>
    public static void RunQueries(in AttentionBackwardArgs args, in AttentionTile tile, int kvHead, byte* scratch)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        ref Segment s = ref args.Forward.View.Segments[tile.Segment];
        var w = BackwardScratch.Layout(shape, (float*)scratch);
        int token = tile.Tile * shape.TileTokens, tokens = Math.Min(shape.TileTokens, s.NumRows - token);
        int end = shape.EndKey(token + tokens - 1, s.NumRows), start = shape.FirstKey(token) / AttentionShape.TileKeys * AttentionShape.TileKeys;
        w.PackQueries(args, s.FirstRow + token, tokens, kvHead);
        new Span<float>(w.DQ, tokens * shape.Group * w.KeyWidth).Clear();
        for (int key = start; key < end; key += AttentionShape.TileKeys)
        {
            int count = Math.Min(AttentionShape.TileKeys, end - key);
            var kv = w.OpenKeys(args, s, kvHead, key, count, true);
            AttentionForward.Bounds(shape, token, s.NumRows, key, tokens, w.From, w.End, out int row0, out int row1);
            Probabilities(shape, kv, w, row0, row1);
            PanelProduct.Accumulate(w.DP, AttentionShape.ScoreStride, 1, w.KeyRows(), w.KeyWidth / 16, w.DQ, w.KeyWidth, row0, row1, w.From, w.End);
        }

        w.StoreQueries(args, s.FirstRow + token, tokens, kvHead);
    }

    // All tiles of queries that see a tile of keys, in ascending order. With dq, the rows' chains are continued in memory: the caller visits tiles of keys in order.
    private static void KeyTile(in AttentionBackwardArgs args, in Segment s, int kvHead, int key, bool withQueries, in BackwardScratch w)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        int count = Math.Min(AttentionShape.TileKeys, s.NumRows - key), group = shape.Group;
        int first = shape.NotCausal ? 0 : key, last = shape.Window > 0 ? (int)Math.Min(s.NumRows, (long)key + count - 1 + shape.Window) : s.NumRows;
        var kv = w.OpenKeys(args, s, kvHead, key, count, withQueries);
        new Span<float>(w.DK, count * w.KeyWidth).Clear();
        new Span<float>(w.DV, count * w.ValueWidth).Clear();
        for (int token = first / shape.TileTokens * shape.TileTokens; token < last; token += shape.TileTokens)
        {
            int tokens = Math.Min(shape.TileTokens, s.NumRows - token), rows = tokens * group;
            w.PackQueries(args, s.FirstRow + token, tokens, kvHead);
            AttentionForward.Bounds(shape, token, s.NumRows, key, tokens, w.From, w.End, out int row0, out int row1);
            Probabilities(shape, kv, w, row0, row1);
            for (int j = 0; j < count; j++)
            {
                w.FirstRow[j] = shape.NotCausal ? 0 : Math.Clamp(key + j - token, 0, tokens) * group;
                w.EndRow[j] = shape.Window > 0 ? (int)Math.Clamp((long)key + j + shape.Window - token, 0, tokens) * group : rows;
            }

            PanelProduct.Accumulate(w.S, 1, AttentionShape.ScoreStride, w.ResultRows(), w.ValueWidth / 16, w.DV, w.ValueWidth, 0, count, w.FirstRow, w.EndRow);
            PanelProduct.Accumulate(w.DP, 1, AttentionShape.ScoreStride, w.QueryRows(), w.KeyWidth / 16, w.DK, w.KeyWidth, 0, count, w.FirstRow, w.EndRow);
            if (!withQueries || row0 >= row1)
                continue;
            w.LoadQueryGradients(args, s.FirstRow + token, tokens, kvHead);
            PanelProduct.Accumulate(w.DP, AttentionShape.ScoreStride, 1, w.KeyRows(), w.KeyWidth / 16, w.DQ, w.KeyWidth, row0, row1, w.From, w.End);
            w.StoreQueries(args, s.FirstRow + token, tokens, kvHead);
        }

        for (int j = 0; j < count; j++)
        {
            long row = s.FirstRow + key + j;
            new Span<float>(w.DK + ((long)j * w.KeyWidth), shape.HeadDim).CopyTo(
                new Span<float>(args.DK + (row * args.DKStride) + ((long)kvHead * shape.HeadDim), shape.HeadDim));
            new Span<float>(w.DV + ((long)j * w.ValueWidth), shape.ValueDim).CopyTo(
                new Span<float>(args.DV + (row * args.DVStride) + ((long)kvHead * shape.ValueDim), shape.ValueDim));
        }
    }

    // S becomes the probabilities, DP the gradient of the products q k^T.
    private static void Probabilities(in AttentionShape shape, in KvTile kv, in BackwardScratch w, int row0, int row1)
    {
        kv.Scores(shape, w.Q, w.QueryStride, w.S, row0, row1, w.From, w.End);
        PanelProduct.Scores(
            w.DO, w.ResultStride, shape.ValueDim, w.ValueColumns, 0, AttentionShape.TileKeys / 16, w.DP, AttentionShape.ScoreStride, row0, row1, w.From, w.End);
        for (int r = row0; r < row1; r++)
        {
            TileSoftmax.Backward(
                shape, w.S + (r * AttentionShape.ScoreStride), w.DP + (r * AttentionShape.ScoreStride), w.From[r], w.End[r], w.Lse[r], w.Delta[r]);
        }
    }

    private static void Clear(float* x, long stride, int row, int rows, int kvHead, int count)
    {
        for (int t = row; t < row + rows; t++)
            new Span<float>(x + (t * stride) + ((long)kvHead * count), count).Clear();
    }
}
