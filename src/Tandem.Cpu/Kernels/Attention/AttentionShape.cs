using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>The shape, the masks and the cache layout of one attention layer, as kernels see them.</summary>
internal struct AttentionShape
{
    /// <summary>Keys of a tile: the unit of the online softmax, counted from position 0 of a document.</summary>
    public const int TileKeys = 64;

    /// <summary>Keys of a span: spans are computed by themselves and merged from left to right.</summary>
    public const int SpanKeys = 1024;

    /// <summary>Wanted rows (tokens times query heads of a group) of a tile of queries; a multiple of the 6 rows of a register tile.</summary>
    public const int TileRows = 96;

    /// <summary>Rows that go through scores, softmax and values together in the forward pass: their scores stay in the first-level cache.</summary>
    public const int BlockRows = 24;

    /// <summary>Floats from one row of scores to the next: an odd number of cache lines, so that a column of scores spreads over all cache sets.</summary>
    public const int ScoreStride = TileKeys + 16;

    /// <summary>Query heads.</summary>
    public int NumHeads;

    /// <summary>Key/value heads; query head h reads head h / (NumHeads / NumKvHeads).</summary>
    public int NumKvHeads;

    /// <summary>D, the size of a query and key head.</summary>
    public int HeadDim;

    /// <summary>Dv, the size of a value head.</summary>
    public int ValueDim;

    /// <summary>Factor of the scores.</summary>
    public float Scale;

    /// <summary>A row at position i sees the keys j with i - Window &lt; j; 0 is no window.</summary>
    public int Window;

    /// <summary>c of s = c tanh(s / c), applied after the scale and before the mask; 0 is none.</summary>
    public float Softcap;

    /// <summary>Types of keys and values in the blocks.</summary>
    public KvTypes Cache;

    /// <summary>Query heads that share a key/value head.</summary>
    public readonly int Group => NumHeads / NumKvHeads;

    /// <summary>D rounded up to whole panels.</summary>
    public readonly int PaddedHeadDim => (HeadDim + 15) & ~15;

    /// <summary>Dv rounded up to whole panels.</summary>
    public readonly int PaddedValueDim => (ValueDim + 15) & ~15;

    /// <summary>Tokens of a tile of queries.</summary>
    public readonly int TileTokens => Math.Max(1, TileRows / Group);

    /// <summary>Rows of a full tile of queries.</summary>
    public readonly int MaxRows => TileTokens * Group;

    /// <summary>Elements of the keys of one head in a block, widened: 2 panels [D][16].</summary>
    public readonly int KeyElements => BatchView.BlockTokens * HeadDim;

    /// <summary>Elements of the values of one head in a block, widened: panels [32][16].</summary>
    public readonly int ValueElements => BatchView.BlockTokens * PaddedValueDim;

    /// <summary>Bytes of the keys of one head in a block.</summary>
    public readonly int KeyBytes => KvTypes.KeyBytes(Cache.Key, HeadDim);

    /// <summary>Bytes of the values of one head in a block.</summary>
    public readonly int ValueBytes => KvTypes.ValueBytes(Cache.Value, ValueDim);

    /// <summary>Bytes of one block of this layer.</summary>
    public readonly long BlockBytes => (long)NumKvHeads * (KeyBytes + ValueBytes);

    /// <summary>Number of tiles of queries of a segment.</summary>
    public readonly int QueryTiles(int numRows) => (numRows + TileTokens - 1) / TileTokens;

    /// <summary>First visible key of a row at a position.</summary>
    public readonly int FirstKey(int position) => Window > 0 ? Math.Max(0, position - Window + 1) : 0;

    /// <summary>Checks what kernels rely on.</summary>
    /// <exception cref="TandemException">A size is not positive, heads do not divide, or the cache type has no kernel.</exception>
    public readonly void Validate()
    {
        if (NumHeads <= 0 || NumKvHeads <= 0 || NumHeads % NumKvHeads != 0)
            throw new TandemException($"attention: {NumHeads} query heads over {NumKvHeads} key/value heads, wanted a positive multiple");
        if (HeadDim <= 0 || ValueDim <= 0)
            throw new TandemException($"attention: head sizes {HeadDim} and {ValueDim}, wanted positive numbers");
        if (Window < 0)
            throw new TandemException($"attention: window {Window}, wanted 0 (none) or a number of keys");
        if (!(Softcap >= 0) || float.IsInfinity(Softcap))
            throw new TandemException($"attention: softcap {Softcap}, wanted 0 (none) or a positive number");
        if (!KvTypes.IsSupported(Cache.Key) || !KvTypes.IsSupported(Cache.Value))
            throw new TandemException($"attention: cache of {Cache}, wanted {KvTypes.SupportedNames}");
    }
}

/// <summary>One unit of attention work: a tile of a segment; every key/value head of it is an item of its own.</summary>
internal struct AttentionTile
{
    /// <summary>Index of the segment.</summary>
    public int Segment;

    /// <summary>Index of the tile in the segment, of queries or of keys.</summary>
    public int Tile;
}

/// <summary>Lists of tiles, written once a step into planned memory and read by every item.</summary>
internal static unsafe class AttentionTiles
{
    /// <summary>Upper bound of the number of tiles of queries of any batch with so many rows and segments.</summary>
    public static long MaxQueryTiles(in AttentionShape shape, long rows, long segments) => (rows / shape.TileTokens) + segments;

    /// <summary>Upper bound of the number of tiles of keys of any training batch with so many rows and segments.</summary>
    public static long MaxKeyTiles(long rows, long segments) => (rows / AttentionShape.TileKeys) + segments;

    /// <summary>Lists the tiles of queries, in each segment the last first: those see the most keys. Returns their number.</summary>
    public static int Queries(in BatchView view, in AttentionShape shape, AttentionTile* tiles)
    {
        int count = 0;
        for (int s = 0; s < view.NumSegments; s++)
        {
            for (int t = shape.QueryTiles(view.Segments[s].NumRows) - 1; t >= 0; t--)
                tiles[count++] = new AttentionTile { Segment = s, Tile = t };
        }

        return count;
    }

    /// <summary>Lists the tiles of keys of a training batch, in each segment the first first: those are seen by the most queries. Returns their number.</summary>
    public static int Keys(in BatchView view, AttentionTile* tiles)
    {
        int count = 0;
        for (int s = 0; s < view.NumSegments; s++)
        {
            int n = (view.Segments[s].NumRows + AttentionShape.TileKeys - 1) / AttentionShape.TileKeys;
            for (int t = 0; t < n; t++)
                tiles[count++] = new AttentionTile { Segment = s, Tile = t };
        }

        return count;
    }

    /// <summary>Lists the segments, the longest first: a long one that starts last would be waited for. Tile is the negated number of rows.</summary>
    public static void Segments(in BatchView view, AttentionTile* tiles)
    {
        for (int s = 0; s < view.NumSegments; s++)
            tiles[s] = new AttentionTile { Segment = s, Tile = -view.Segments[s].NumRows };
        new Span<AttentionTile>(tiles, view.NumSegments).Sort(static (x, y) => x.Tile != y.Tile ? x.Tile.CompareTo(y.Tile) : x.Segment.CompareTo(y.Segment));
    }
}
