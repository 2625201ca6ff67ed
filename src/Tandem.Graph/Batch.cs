namespace Tandem.Graph;

/// <summary>
/// The rows of one step: owns the arrays that a <see cref="BatchView"/> points to and fills them segment by segment. Reused from step to step without allocating.
/// </summary>
public sealed unsafe class Batch : IDisposable
{
    private readonly NativeBuffer _segments;
    private readonly NativeBuffer _blocks;
    private readonly NativeBuffer _sampled;
    private readonly NativeBuffer _ropeRows;
    private readonly int _maxBlocks;
    private BatchView _view;
    private int _ownBlocks;

    /// <summary>Makes room for <paramref name="maxTokens"/> rows in <paramref name="maxSegments"/> segments whose block tables have <paramref name="maxBlocks"/> entries in all.</summary>
    public Batch(int maxTokens, int maxSegments, int maxBlocks)
    {
        MaxTokens = maxTokens;
        MaxSegments = maxSegments;
        _maxBlocks = maxBlocks;
        Tokens = new NativeBuffer(4L * maxTokens);
        Positions = new NativeBuffer(4L * maxTokens);
        Labels = new NativeBuffer(4L * maxTokens);
        _sampled = new NativeBuffer(4L * maxTokens);
        _ropeRows = new NativeBuffer(4L * maxTokens);
        _segments = new NativeBuffer((long)sizeof(Segment) * maxSegments);
        _blocks = new NativeBuffer(4L * maxBlocks);
        _view = new BatchView
        {
            Segments = (Segment*)_segments.Pointer,
            Positions = (int*)Positions.Pointer,
            RopeRows = (int*)_ropeRows.Pointer,
            Tokens = (int*)Tokens.Pointer,
            Blocks = (int*)_blocks.Pointer,
            SampledRows = (int*)_sampled.Pointer,
        };
    }

    /// <summary>A batch for training: room for a plan's bounds with keys and values in the batch.</summary>
    public static Batch ForTraining(StepSizes bounds) => new(bounds.Tokens, bounds.Segments, Math.Max(1, bounds.KvBlocks));

    /// <summary>Rows there is room for.</summary>
    public int MaxTokens { get; }

    /// <summary>Segments there is room for.</summary>
    public int MaxSegments { get; }

    /// <summary>i32 token ids; bind it to the graph's input of tokens.</summary>
    public NativeBuffer Tokens { get; }

    /// <summary>i32 positions; bind it to the graph's input of positions.</summary>
    public NativeBuffer Positions { get; }

    /// <summary>i32 labels; bind it to the graph's input of labels. Negative ones are not counted.</summary>
    public NativeBuffer Labels { get; }

    /// <summary>What kernels see.</summary>
    public BatchView View => _view;

    /// <summary>Sizes of this step.</summary>
    public StepSizes Sizes => new(_view.NumRows, _view.NumSampled, _ownBlocks, _view.NumSegments);

    /// <summary>Rows so far.</summary>
    public int NumRows => _view.NumRows;

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        _view.NumRows = _view.NumSegments = _view.NumSampled = _view.NumBlocks = 0;
        _ownBlocks = 0;
    }

    /// <summary>Adds a whole document whose keys and values live in the batch; -100 or another negative label is not counted.</summary>
    public void AddDocument(ReadOnlySpan<int> tokens, ReadOnlySpan<int> labels, int sampleId = 0)
    {
        int row = _view.NumRows;
        ref Segment segment = ref Add(tokens, 0, sampleId, 0);
        labels.CopyTo(new Span<int>((int*)Labels.Pointer + row, tokens.Length));
        int blocks = (tokens.Length + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
        ReserveBlocks(ref segment, blocks);
        for (int i = 0; i < blocks; i++) _view.Blocks[segment.FirstBlock + i] = _ownBlocks++;
    }

    /// <summary>Adds rows that continue a sequence.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <param name="firstPosition">Position of the first.</param>
    /// <param name="blocks">The sequence's block table, long enough for the last row.</param>
    /// <param name="sampleId">Number of the sequence.</param>
    /// <param name="firstRopeRow">Row of the rope table for position 0: where the sequence's own table begins.</param>
    public void AddRows(ReadOnlySpan<int> tokens, int firstPosition, ReadOnlySpan<int> blocks, int sampleId = 0, int firstRopeRow = 0)
    {
        int needed = (firstPosition + tokens.Length + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
        if (blocks.Length < needed) throw new InvalidOperationException($"{tokens.Length} rows at {firstPosition} need {needed} blocks, the table has {blocks.Length}: a bug of the scheduler");
        ref Segment segment = ref Add(tokens, firstPosition, sampleId, firstRopeRow);
        ReserveBlocks(ref segment, needed);
        blocks[..needed].CopyTo(new Span<int>(_view.Blocks + segment.FirstBlock, needed));
    }

    /// <summary>Asks for the logits of the last row added, or of one before it.</summary>
    /// <returns>Index of the row among the sampled ones.</returns>
    public int Sample(int rowsFromEnd = 1)
    {
        _view.SampledRows[_view.NumSampled] = _view.NumRows - rowsFromEnd;
        return _view.NumSampled++;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer buffer in (NativeBuffer[])[Tokens, Positions, Labels, _sampled, _ropeRows, _segments, _blocks]) buffer.Dispose();
    }

    private ref Segment Add(ReadOnlySpan<int> tokens, int firstPosition, int sampleId, int firstRopeRow)
    {
        if (tokens.IsEmpty) throw new ArgumentException("a segment needs at least one row", nameof(tokens));
        if (_view.NumRows + tokens.Length > MaxTokens || _view.NumSegments == MaxSegments)
            throw new TandemException($"batch full: {tokens.Length} rows do not fit behind {_view.NumRows} of {MaxTokens} rows, {_view.NumSegments} of {MaxSegments} segments");
        int row = _view.NumRows;
        tokens.CopyTo(new Span<int>(_view.Tokens + row, tokens.Length));
        for (int i = 0; i < tokens.Length; i++)
        {
            _view.Positions[row + i] = firstPosition + i;
            _view.RopeRows[row + i] = firstRopeRow + firstPosition + i;
        }

        ref Segment segment = ref _view.Segments[_view.NumSegments++];
        segment = new Segment { FirstRow = row, NumRows = tokens.Length, FirstPosition = firstPosition, SampleId = sampleId, AdapterId = -1 };
        _view.NumRows += tokens.Length;
        return ref segment;
    }

    private void ReserveBlocks(ref Segment segment, int count)
    {
        if (_view.NumBlocks + count > _maxBlocks) throw new TandemException($"batch full: block tables of {_view.NumBlocks + count} entries, room for {_maxBlocks}");
        segment.FirstBlock = _view.NumBlocks;
        _view.NumBlocks += count;
    }
}
