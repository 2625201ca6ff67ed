namespace Tandem.Graph;

/// <summary>
/// One run of rows that belong to one sequence: a packed document in training, a prompt chunk or a decode row in serving.
/// Row <c>FirstRow + i</c> stands at position <c>FirstPosition + i</c>; it sees the keys at positions 0 .. its own.
/// </summary>
public struct Segment
{
    /// <summary>Index of the segment's first row in the batch.</summary>
    public int FirstRow;

    /// <summary>Number of rows.</summary>
    public int NumRows;

    /// <summary>Position, in its document, of the first row; keys below it were written by earlier steps.</summary>
    public int FirstPosition;

    /// <summary>Index into <see cref="BatchView.Blocks"/> of the segment's first key/value block.</summary>
    public int FirstBlock;

    /// <summary>Identity of the sample, a key of random streams.</summary>
    public int SampleId;

    /// <summary>Adapter applied to these rows; -1 is none.</summary>
    public int AdapterId;
}

/// <summary>
/// What kernels see of a batch: T rows of all sequences one after another, without padding.
/// Key/value block <c>Blocks[segment.FirstBlock + position / BlockTokens]</c> holds the keys and values of a position.
/// </summary>
public unsafe struct BatchView
{
    /// <summary>Tokens of one key/value block.</summary>
    public const int BlockTokens = 32;

    /// <summary>T, the number of rows.</summary>
    public int NumRows;

    /// <summary>Number of <see cref="Segments"/>.</summary>
    public int NumSegments;

    /// <summary>Number of <see cref="SampledRows"/>.</summary>
    public int NumSampled;

    /// <summary>Number of entries of <see cref="Blocks"/>.</summary>
    public int NumBlocks;

    /// <summary>The segments, in row order.</summary>
    public Segment* Segments;

    /// <summary>[T] position of each row in its document.</summary>
    public int* Positions;

    /// <summary>[T] row of the rope table for each row: its position, behind where its sequence's own table begins.</summary>
    public int* RopeRows;

    /// <summary>[T] token id of each row.</summary>
    public int* Tokens;

    /// <summary>Block tables of all segments, one after another.</summary>
    public int* Blocks;

    /// <summary>Rows whose logits are wanted, ascending.</summary>
    public int* SampledRows;
}
