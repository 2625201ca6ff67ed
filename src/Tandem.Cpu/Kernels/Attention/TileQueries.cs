using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>The rows of a tile of queries and the keys they see.</summary>
internal readonly unsafe struct TileQueries
{
    /// <summary>The rows and keys of a tile (see <see cref="AttentionTiles.Queries"/>).</summary>
    public TileQueries(in AttentionForwardArgs args, in AttentionTile tile)
        : this(args.Shape, args.View, tile)
    {
    }

    /// <inheritdoc cref="TileQueries(in AttentionForwardArgs, in AttentionTile)"/>
    public TileQueries(in AttentionShape shape, in BatchView view, in AttentionTile tile)
    {
        ref Segment segment = ref view.Segments[tile.Segment];
        int token = tile.Tile * shape.TileTokens;
        Tokens = Math.Min(shape.TileTokens, segment.NumRows - token);
        Rows = Tokens * shape.Group;
        FirstRow = segment.FirstRow + token;
        Position = segment.FirstPosition + token;
        FirstKey = shape.FirstKey(Position);
        EndKey = Position + Tokens;
        Blocks = view.Blocks + segment.FirstBlock;
    }

    /// <summary>Tokens of the tile.</summary>
    public int Tokens { get; }

    /// <summary>Tokens times the query heads of a group.</summary>
    public int Rows { get; }

    /// <summary>Row of the first token in the batch.</summary>
    public int FirstRow { get; }

    /// <summary>Position of the first token in its document.</summary>
    public int Position { get; }

    /// <summary>First key that some row sees.</summary>
    public int FirstKey { get; }

    /// <summary>One past the last key that some row sees.</summary>
    public int EndKey { get; }

    /// <summary>The segment's block table.</summary>
    public int* Blocks { get; }

    /// <summary>The span of <see cref="FirstKey"/>.</summary>
    public int FirstSpan => FirstKey / AttentionShape.SpanKeys;

    /// <summary>One past the span of the last key.</summary>
    public int EndSpan => ((EndKey - 1) / AttentionShape.SpanKeys) + 1;
}

/// <summary>Result of a span, or of several merged ones: per row the maximum, the sum and the weighted values.</summary>
internal unsafe struct SpanPart
{
    /// <summary>[rows][Dv in whole panels] sums of p v.</summary>
    public float* Acc;

    /// <summary>[rows] maxima of the scores, in units of log 2.</summary>
    public float* M;

    /// <summary>[rows] sums of p.</summary>
    public float* L;

    /// <summary>The part that starts some rows later.</summary>
    public readonly SpanPart At(long row, int width) => new() { Acc = Acc + (row * width), M = M + row, L = L + row };

    /// <summary>No key seen.</summary>
    public readonly void Reset(int rows, int width)
    {
        new Span<float>(Acc, rows * width).Clear();
        new Span<float>(M, rows).Fill(float.NegativeInfinity);
        new Span<float>(L, rows).Clear();
    }
}
