using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>A worker's scratch memory in the backward pass, and the copies into and out of it.</summary>
internal unsafe struct BackwardScratch
{
    /// <summary>[rows][QueryStride] queries of a tile.</summary>
    public float* Q;

    /// <summary>[rows][ResultStride] gradient of the result.</summary>
    public float* DO;

    /// <summary>[rows][KeyWidth] gradient of the queries.</summary>
    public float* DQ;

    /// <summary>[rows][ScoreStride] products, then probabilities.</summary>
    public float* S;

    /// <summary>[rows][ScoreStride] gradient of the probabilities, then of the products.</summary>
    public float* DP;

    /// <summary>[rows] log-sums.</summary>
    public float* Lse;

    /// <summary>[rows] sums of o times do.</summary>
    public float* Delta;

    /// <summary>[64][KeyWidth] gradient of the keys of a tile.</summary>
    public float* DK;

    /// <summary>[64][ValueWidth] gradient of the values of a tile.</summary>
    public float* DV;

    /// <summary>Panels [64 keys][16 dimensions] of the keys: the right operand of dq.</summary>
    public float* KeyPanels;

    /// <summary>Panels [Dv][16 keys] of the values: the right operand of dp.</summary>
    public float* ValueColumns;

    /// <summary>Widened cache blocks.</summary>
    public float* Tile;

    /// <summary>[rows] first visible column.</summary>
    public int* From;

    /// <summary>[rows] end of the visible columns.</summary>
    public int* End;

    /// <summary>[64] first row that sees a key.</summary>
    public int* FirstRow;

    /// <summary>[64] end of the rows that see a key.</summary>
    public int* EndRow;

    /// <summary>Floats of it all.</summary>
    public long Floats;

    /// <summary>D in whole panels.</summary>
    public int KeyWidth;

    /// <summary>Dv in whole panels.</summary>
    public int ValueWidth;

    /// <summary>Floats from one query to the next: an odd number of cache lines.</summary>
    public int QueryStride;

    /// <summary>Floats from one row of do to the next: an odd number of cache lines.</summary>
    public int ResultStride;

    /// <summary>Cuts a worker's scratch memory; with null only the size means something.</summary>
    public static BackwardScratch Layout(in AttentionShape shape, float* scratch)
    {
        var w = default(BackwardScratch);
        long rows = shape.MaxRows, perRow = (rows + 15) & ~15L;
        w.KeyWidth = shape.PaddedHeadDim;
        w.ValueWidth = shape.PaddedValueDim;
        w.QueryStride = w.KeyWidth | 16;
        w.ResultStride = w.ValueWidth | 16;
        float* at = scratch;
        w.Q = Take(ref at, rows * w.QueryStride);
        w.DO = Take(ref at, rows * w.ResultStride);
        w.DQ = Take(ref at, rows * w.KeyWidth);
        w.S = Take(ref at, rows * AttentionShape.ScoreStride);
        w.DP = Take(ref at, rows * AttentionShape.ScoreStride);
        w.Lse = Take(ref at, perRow);
        w.Delta = Take(ref at, perRow);
        w.DK = Take(ref at, (long)AttentionShape.TileKeys * w.KeyWidth);
        w.DV = Take(ref at, (long)AttentionShape.TileKeys * w.ValueWidth);
        w.KeyPanels = Take(ref at, (long)AttentionShape.TileKeys * w.KeyWidth);
        w.ValueColumns = Take(ref at, (long)AttentionShape.TileKeys * w.ValueWidth);
        w.Tile = Take(ref at, KvTile.ScratchFloats(shape));
        w.From = (int*)Take(ref at, perRow);
        w.End = (int*)Take(ref at, perRow);
        w.FirstRow = (int*)Take(ref at, AttentionShape.TileKeys);
        w.EndRow = (int*)Take(ref at, AttentionShape.TileKeys);
        w.Floats = at - scratch;
        return w;
    }

    /// <summary>The queries as right operand of dk.</summary>
    public readonly RightPanels QueryRows() => new() { First = Q, Split = int.MaxValue, RowStride = QueryStride, PanelStride = 16 };

    /// <summary>do as right operand of dv.</summary>
    public readonly RightPanels ResultRows() => new() { First = DO, Split = int.MaxValue, RowStride = ResultStride, PanelStride = 16 };

    /// <summary>The keys as right operand of dq.</summary>
    public readonly RightPanels KeyRows() => new() { First = KeyPanels, Split = int.MaxValue, RowStride = 16, PanelStride = AttentionShape.TileKeys * 16 };

    /// <summary>Opens a tile of keys and values and transposes the values, and for dq the keys.</summary>
    public readonly KvTile OpenKeys(in AttentionBackwardArgs args, in Segment segment, int kvHead, int key, int count, bool transposeKeys)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        var kv = KvTile.Open(shape, args.Forward.Cache, args.Forward.View.Blocks + segment.FirstBlock, kvHead, key, count, Tile);
        for (int j = 0; j < count; j++)
        {
            int slot = j % KvBlocks.Tokens;
            float* values = (j < KvBlocks.Tokens ? kv.Values.First : kv.Values.Second) + (slot * 16);
            float* to = ValueColumns + (j / 16 * 16 * shape.ValueDim) + (j % 16);
            for (int d = 0; d < shape.ValueDim; d++)
                to[d * 16] = values[(d / 16 * KvBlocks.Tokens * 16) + (d % 16)];
        }

        if (!transposeKeys)
            return kv;
        for (int j = 0; j < count; j++)
        {
            float* keys = (j < KvBlocks.Tokens ? kv.Keys0 : kv.Keys1) + KvBlocks.KeyOffset(shape, j % KvBlocks.Tokens, 0);
            float* to = KeyPanels + (j * 16);
            for (int d = 0; d < shape.HeadDim; d++)
                to[(d / 16 * AttentionShape.TileKeys * 16) + (d % 16)] = keys[d * 16];
            for (int d = shape.HeadDim; d < KeyWidth; d++)
                to[(d / 16 * AttentionShape.TileKeys * 16) + (d % 16)] = 0f;
        }

        return kv;
    }

    /// <summary>Gathers q, do, the log-sums and deltas of a tile of tokens; padding becomes zero.</summary>
    public readonly void PackQueries(in AttentionBackwardArgs args, int row, int tokens, int kvHead)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        int group = shape.Group, headDim = shape.HeadDim, valueDim = shape.ValueDim;
        for (int t = 0, r = 0; t < tokens; t++)
        {
            float* q = args.Forward.Q + ((row + t) * args.Forward.QStride) + ((long)kvHead * group * headDim);
            float* dO = args.DO + ((row + t) * args.DOStride) + ((long)kvHead * group * valueDim);
            long at = ((long)(row + t) * shape.NumHeads) + (kvHead * group);
            for (int g = 0; g < group; g++, r++)
            {
                Copy(q + (g * headDim), Q + (r * QueryStride), headDim, KeyWidth);
                Copy(dO + (g * valueDim), DO + (r * ResultStride), valueDim, ValueWidth);
                Lse[r] = args.Forward.Lse[at + g];
                Delta[r] = args.Delta[at + g];
            }
        }
    }

    /// <summary>Gathers the gradient of the queries as it is so far.</summary>
    public readonly void LoadQueryGradients(in AttentionBackwardArgs args, int row, int tokens, int kvHead)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        int group = shape.Group, headDim = shape.HeadDim;
        for (int t = 0, r = 0; t < tokens; t++)
        {
            float* dq = args.DQ + ((row + t) * args.DQStride) + ((long)kvHead * group * headDim);
            for (int g = 0; g < group; g++, r++)
                Copy(dq + (g * headDim), DQ + (r * KeyWidth), headDim, KeyWidth);
        }
    }

    /// <summary>Writes the gradient of the queries.</summary>
    public readonly void StoreQueries(in AttentionBackwardArgs args, int row, int tokens, int kvHead)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        int group = shape.Group, headDim = shape.HeadDim;
        for (int t = 0, r = 0; t < tokens; t++)
        {
            float* dq = args.DQ + ((row + t) * args.DQStride) + ((long)kvHead * group * headDim);
            for (int g = 0; g < group; g++, r++)
                new Span<float>(DQ + (r * KeyWidth), headDim).CopyTo(new Span<float>(dq + (g * headDim), headDim));
        }
    }

    private static void Copy(float* from, float* to, int count, int width)
    {
        new Span<float>(from, count).CopyTo(new Span<float>(to, count));
        new Span<float>(to + count, width - count).Clear();
    }

    private static float* Take(ref float* at, long count)
    {
        float* taken = at;
        at += (count + 15) & ~15L;
        return taken;
    }
}
