using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>A worker's scratch memory in the backward pass, and the copies into and out of it.</summary>
internal unsafe struct BackwardScratch
{
    /// <summary>Tiles of keys that are worked on together; keys, values and their gradients of a run stay in the second-level cache.</summary>
    public const int RunTiles = 4;

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

    /// <summary>[rows] log-sums, in units of log 2.</summary>
    public float* Lse;

    /// <summary>[rows] sums of o times do.</summary>
    public float* Delta;

    /// <summary>[keys of a run][KeyWidth] gradient of the keys.</summary>
    public float* DK;

    /// <summary>[keys of a run][ValueWidth] gradient of the values.</summary>
    public float* DV;

    /// <summary>Per tile of a run panels [64 keys][16 dimensions] of the keys: the right operand of dq.</summary>
    public float* KeyPanels;

    /// <summary>Per tile of a run panels [Dv][16 keys] of the values: the right operand of dp.</summary>
    public float* ValueColumns;

    /// <summary>Widened cache blocks.</summary>
    public float* Tile;

    /// <summary>[rows] first visible column.</summary>
    public int* From;

    /// <summary>[rows] end of the visible columns.</summary>
    public int* End;

    /// <summary>[keys of a tile] first row that sees a key.</summary>
    public int* FirstRow;

    /// <summary>[keys of a tile] end of the rows that see a key.</summary>
    public int* EndRow;

    private const int RunKeys = RunTiles * AttentionShape.TileKeys;

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
        w.DK = Take(ref at, (long)RunKeys * w.KeyWidth);
        w.DV = Take(ref at, (long)RunKeys * w.ValueWidth);
        w.KeyPanels = Take(ref at, (long)RunKeys * w.KeyWidth);
        w.ValueColumns = Take(ref at, (long)RunKeys * w.ValueWidth);
        w.Tile = Take(ref at, RunTiles * KvTiles.ScratchFloats(shape));
        w.From = (int*)Take(ref at, perRow);
        w.End = (int*)Take(ref at, perRow);
        w.FirstRow = (int*)Take(ref at, AttentionShape.TileKeys);
        w.EndRow = (int*)Take(ref at, AttentionShape.TileKeys);
        w.Floats = at - scratch;
        return w;
    }

    /// <summary>The queries as right operand of dk.</summary>
    public readonly RightPanels<float> QueryRows() => new() { First = Q, Split = int.MaxValue, RowStride = QueryStride, PanelStride = 16 };

    /// <summary>do as right operand of dv.</summary>
    public readonly RightPanels<float> ResultRows() => new() { First = DO, Split = int.MaxValue, RowStride = ResultStride, PanelStride = 16 };

    /// <summary>The keys of a tile as right operand of dq.</summary>
    public readonly RightPanels<float> KeyRows(int index) =>
        new() { First = KeyPanels + (index * AttentionShape.TileKeys * KeyWidth), Split = int.MaxValue, RowStride = 16, PanelStride = AttentionShape.TileKeys * 16 };

    /// <summary>The values of a tile as right operand of dp.</summary>
    public readonly float* Columns(in AttentionShape shape, int index) => ValueColumns + (index * AttentionShape.TileKeys * shape.ValueDim);

    /// <summary>Opens tile <paramref name="index"/> of a run and transposes its values, and for dq its keys.</summary>
    public readonly KvTile OpenKeys(in AttentionBackwardArgs args, in Segment segment, int kvHead, int key, int count, int index, bool transposeKeys)
    {
        ref readonly AttentionShape shape = ref args.Forward.Shape;
        int headDim = shape.HeadDim, valueDim = shape.ValueDim;
        var kv = KvTiles.OpenF32(
            shape, args.Forward.Cache, args.Forward.View.Blocks + segment.FirstBlock, kvHead, key, count, Tile + (index * KvTiles.ScratchFloats(shape)));
        float* valueColumns = Columns(shape, index), keyPanels = KeyRows(index).First;
        for (int j = 0; j < count; j += 16)
        {
            int slot = j % KvBlocks.Tokens, keys = Math.Min(16, count - j);
            float* values = (j < KvBlocks.Tokens ? kv.Values.First : kv.Values.Second) + (slot * 16);
            for (int d = 0; d < valueDim; d += 16)
                StoredTransposition.Copy(values + (d * KvBlocks.Tokens), 16, keys, Math.Min(16, valueDim - d), valueColumns + (j * valueDim) + (d * 16), 16);
            if (!transposeKeys)
                continue;
            float* columns = (j < KvBlocks.Tokens ? kv.Keys0 : kv.Keys1) + (slot * headDim);
            for (int d = 0; d < headDim; d += 16)
                StoredTransposition.Copy(columns + (d * 16), 16, Math.Min(16, headDim - d), keys, keyPanels + (d * AttentionShape.TileKeys) + (j * 16), 16);
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
                Lse[r] = args.Forward.Lse[at + g] * SoftmaxExp.Log2E;
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

    /// <summary>Writes the gradients of the keys and values of a run.</summary>
    public readonly void StoreKeys(in AttentionBackwardArgs args, int row, int count, int kvHead)
    {
        int headDim = args.Forward.Shape.HeadDim, valueDim = args.Forward.Shape.ValueDim;
        for (int j = 0; j < count; j++)
        {
            float* dk = args.DK + ((row + j) * args.DKStride) + ((long)kvHead * headDim), dv = args.DV + ((row + j) * args.DVStride) + ((long)kvHead * valueDim);
            new Span<float>(DK + ((long)j * KeyWidth), headDim).CopyTo(new Span<float>(dk, headDim));
            new Span<float>(DV + ((long)j * ValueWidth), valueDim).CopyTo(new Span<float>(dv, valueDim));
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
