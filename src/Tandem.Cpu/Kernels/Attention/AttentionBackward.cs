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

    /// <summary>
    /// dsinks[head] continues as one ascending chain over the rows of the batch: fma(-2^((sink - lse) log2(e)), sum of o times do, dsinks).
    /// A sink has no value, so of its gradient p (dp - delta) only -p delta is left.
    /// </summary>
    /// <param name="numHeads">Query heads.</param>
    /// <param name="valueDim">Size of a value head.</param>
    /// <param name="head">The head.</param>
    /// <param name="rows">T.</param>
    /// <param name="o">[T, numHeads * Dv] result of the forward pass.</param>
    /// <param name="lse">[T, numHeads] its log-sums.</param>
    /// <param name="dO">[T, numHeads * Dv] gradient of the result.</param>
    /// <param name="sinks">[numHeads] the sinks.</param>
    /// <param name="dSinks">[numHeads] their gradient so far.</param>
    public static void Sinks(int numHeads, int valueDim, int head, int rows, float* o, float* lse, float* dO, float* sinks, float* dSinks)
    {
        float sum = dSinks[head];
        for (long at = head; at < (long)rows * numHeads; at += numHeads)
        {
            float p = SoftmaxExp.Exp2((sinks[head] - lse[at]) * SoftmaxExp.Log2E);
            sum = MathF.FusedMultiplyAdd(-p, RowReduce.Dot(o + (at * valueDim), dO + (at * valueDim), valueDim), sum);
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
        for (int key = 0; key < s.NumRows; key += BackwardScratch.RunTiles * AttentionShape.TileKeys)
            KeyTiles(args, s, kvHead, key, BackwardScratch.RunTiles, true, w);
    }

    /// <summary>dk and dv of one tile of keys (see <see cref="AttentionTiles.Keys"/>) and one key/value head.</summary>
    public static void RunKeys(in AttentionBackwardArgs args, in AttentionTile tile, int kvHead, byte* scratch) =>
        KeyTiles(
            args, args.Forward.View.Segments[tile.Segment], kvHead, tile.Tile * AttentionShape.TileKeys, 1, false,
            BackwardScratch.Layout(args.Forward.Shape, (float*)scratch));

    /// <summary>dq of one tile of queries (see <see cref="AttentionTiles.Queries"/>) and one key/value head.</summary>
    public static void RunQueries(in AttentionBackwardArgs args, in AttentionTile tile, int kvHead, byte* scratch)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        ref Segment s = ref args.Forward.View.Segments[tile.Segment];
        var w = BackwardScratch.Layout(shape, (float*)scratch);
        int token = tile.Tile * shape.TileTokens, tokens = Math.Min(shape.TileTokens, s.NumRows - token);
        int end = token + tokens, start = shape.FirstKey(token) / AttentionShape.TileKeys * AttentionShape.TileKeys;
        w.PackQueries(args, s.FirstRow + token, tokens, kvHead);
        new Span<float>(w.DQ, tokens * shape.Group * w.KeyWidth).Clear();
        for (int key = start; key < end; key += AttentionShape.TileKeys)
        {
            int count = Math.Min(AttentionShape.TileKeys, end - key);
            var kv = w.OpenKeys(args, s, kvHead, key, count, 0, true);
            AttentionForward.Bounds(shape, token, key, tokens, w.From, w.End, out int row0, out int row1);
            Probabilities(shape, kv, 0, w, row0, row1);
            QueryGradients(w, 0, row0, row1);
        }

        w.StoreQueries(args, s.FirstRow + token, tokens, kvHead);
    }

    // A run of tiles of keys: all tiles of queries that see one of them, in ascending order, so that a tile of queries is fetched once for the whole run.
    // With dq, the rows' chains are continued in memory: the caller visits tiles of keys in order.
    private static void KeyTiles(in AttentionBackwardArgs args, in Segment s, int kvHead, int firstKey, int maxTiles, bool withQueries, in BackwardScratch w)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        int endKey = Math.Min(s.NumRows, firstKey + (maxTiles * AttentionShape.TileKeys)), tiles = (endKey - firstKey + AttentionShape.TileKeys - 1) / AttentionShape.TileKeys;
        int last = shape.Window > 0 ? (int)Math.Min(s.NumRows, (long)endKey - 1 + shape.Window) : s.NumRows;
        KvTile* kv = stackalloc KvTile[BackwardScratch.RunTiles];
        for (int i = 0; i < tiles; i++)
        {
            int key = firstKey + (i * AttentionShape.TileKeys);
            kv[i] = w.OpenKeys(args, s, kvHead, key, Math.Min(AttentionShape.TileKeys, endKey - key), i, withQueries);
        }

        new Span<float>(w.DK, (endKey - firstKey) * w.KeyWidth).Clear();
        new Span<float>(w.DV, (endKey - firstKey) * w.ValueWidth).Clear();
        for (int token = firstKey / shape.TileTokens * shape.TileTokens; token < last; token += shape.TileTokens)
        {
            int tokens = Math.Min(shape.TileTokens, s.NumRows - token);
            w.PackQueries(args, s.FirstRow + token, tokens, kvHead);
            if (withQueries)
                w.LoadQueryGradients(args, s.FirstRow + token, tokens, kvHead);
            for (int i = 0; i < tiles; i++)
                Pair(shape, kv[i], token, tokens, firstKey + (i * AttentionShape.TileKeys), endKey, i, withQueries, w);
            if (withQueries)
                w.StoreQueries(args, s.FirstRow + token, tokens, kvHead);
        }

        w.StoreKeys(args, s.FirstRow + firstKey, endKey - firstKey, kvHead);
    }

    // One tile of queries and one of keys.
    private static void Pair(
        in AttentionShape shape, in KvTile kv, int token, int tokens, int key, int endKey, int index, bool withQueries, in BackwardScratch w)
    {
        AttentionForward.Bounds(shape, token, key, tokens, w.From, w.End, out int row0, out int row1);
        if (row0 >= row1)
            return;
        int count = Math.Min(AttentionShape.TileKeys, endKey - key), rows = tokens * shape.Group;
        Probabilities(shape, kv, index, w, row0, row1);
        for (int j = 0; j < count; j++)
        {
            w.FirstRow[j] = Math.Clamp(key + j - token, 0, tokens) * shape.Group;
            w.EndRow[j] = shape.Window > 0 ? (int)Math.Clamp((long)key + j + shape.Window - token, 0, tokens) * shape.Group : rows;
        }

        float* dk = w.DK + (index * AttentionShape.TileKeys * w.KeyWidth), dv = w.DV + (index * AttentionShape.TileKeys * w.ValueWidth);
        PanelProduct.Accumulate<float, StoredF32>(
            w.S, 1, AttentionShape.ScoreStride, w.ResultRows(), w.ValueWidth / 16, dv, w.ValueWidth, count, w.FirstRow, w.EndRow);
        PanelProduct.Accumulate<float, StoredF32>(
            w.DP, 1, AttentionShape.ScoreStride, w.QueryRows(), w.KeyWidth / 16, dk, w.KeyWidth, count, w.FirstRow, w.EndRow);
        if (withQueries)
            QueryGradients(w, index, row0, row1);
    }

    // S becomes the probabilities, DP the gradient of the products q k^T.
    private static void Probabilities(in AttentionShape shape, in KvTile kv, int index, in BackwardScratch w, int row0, int row1)
    {
        for (int r = row0; r < row1; r += AttentionShape.BlockRows)
        {
            int rows = Math.Min(AttentionShape.BlockRows, row1 - r);
            float* s = w.S + (r * AttentionShape.ScoreStride), dp = w.DP + (r * AttentionShape.ScoreStride);
            kv.Scores(shape, w.Q + (r * w.QueryStride), w.QueryStride, s, rows, w.From + r, w.End + r);
            PanelProduct.Scores<float, StoredF32>(
                w.DO + (r * w.ResultStride), w.ResultStride, shape.ValueDim, w.Columns(shape, index), 0, AttentionShape.TileKeys / 16,
                dp, AttentionShape.ScoreStride, rows, w.From + r, w.End + r);
            for (int i = 0; i < rows; i++, s += AttentionShape.ScoreStride, dp += AttentionShape.ScoreStride)
                TileSoftmax.Backward(shape, s, dp, w.From[r + i], w.End[r + i], w.Lse[r + i], w.Delta[r + i]);
        }
    }

    // dq continues over the keys of the tile.
    private static void QueryGradients(in BackwardScratch w, int index, int row0, int row1) =>
        PanelProduct.Accumulate<float, StoredF32>(
            w.DP + (row0 * AttentionShape.ScoreStride), AttentionShape.ScoreStride, 1, w.KeyRows(index), w.KeyWidth / 16,
            w.DQ + (row0 * w.KeyWidth), w.KeyWidth, row1 - row0, w.From + row0, w.End + row0);

    private static void Clear(float* x, long stride, int row, int rows, int kvHead, int count)
    {
        for (int t = row; t < row + rows; t++)
            new Span<float>(x + (t * stride) + ((long)kvHead * count), count).Clear();
    }
}
