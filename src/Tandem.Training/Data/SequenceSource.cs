using Tandem.Graph;

namespace Tandem.Training;

/// <summary>How documents become sequences.</summary>
public enum Packing
{
    /// <summary>
    /// Whole documents side by side until the next would not fit, a mask between them, positions from 0 in each. A document longer than a sequence is cut into pieces.
    /// Every token is trained on once an epoch.
    /// </summary>
    Documents,

    /// <summary>All documents as one text, cut into windows side by side, without masks. Every token is trained on once an epoch.</summary>
    Windows,

    /// <summary>Windows at random places of all documents as one text, without masks and without epochs.</summary>
    Random,
}

/// <summary>
/// Sequences of one corpus. Sequence k is a range of the corpus; sample i is sequence <c>Permutation(i)</c>, another order each epoch, so it is a function of the seed and i.
/// </summary>
public sealed class SequenceSource
{
    private readonly Corpus _corpus;
    private readonly Packing _packing;
    private readonly int _length;
    private readonly ulong _seed;
    private readonly long[]? _ends;
    private readonly PhiloxStream _places;
    private readonly int[] _tokens;
    private readonly int[] _labels;

    /// <summary>Finds the sequences.</summary>
    /// <param name="corpus">The text.</param>
    /// <param name="packing">How it is cut.</param>
    /// <param name="length">Tokens of a sequence at the most.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <exception cref="TandemException">The corpus has too few tokens.</exception>
    public SequenceSource(Corpus corpus, Packing packing, int length, ulong seed)
    {
        int wanted = packing == Packing.Random ? length + 1 : 2;
        if (corpus.NumTokens < wanted) throw new TandemException($"{corpus.Name} has {corpus.NumTokens} tokens, wanted at least {wanted}");
        (_corpus, _packing, _length, _seed) = (corpus, packing, length, seed);
        _places = Philox.Stream(seed, "windows");
        _tokens = new int[length + 1];
        _labels = new int[length];
        MaxDocuments = packing == Packing.Documents ? DocumentsPerSequence(length) : 1;
        if (packing == Packing.Documents) _ends = Pack(corpus, length, MaxDocuments);
        NumSequences = _ends?.Length ?? (packing == Packing.Random ? corpus.NumTokens - length : (corpus.NumTokens + length - 2) / length);
    }

    /// <summary>Documents of a sequence at the most: what key/value blocks are planned for.</summary>
    public static int DocumentsPerSequence(int length) => Math.Max(8, length / 32);

    /// <summary>Documents of one sequence at the most.</summary>
    public int MaxDocuments { get; }

    /// <summary>Sequences of an epoch; places that a window can have, if those are random.</summary>
    public long NumSequences { get; }

    /// <summary>Adds sample <paramref name="sample"/> of the run's order to a batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="sample">Number in this source's own order.</param>
    /// <param name="sampleId">Number in the run's order, the key of random streams.</param>
    public void AddSample(Batch batch, long sample, long sampleId)
    {
        if (_packing == Packing.Random)
        {
            ulong high = _places.UInt32((ulong)sample * 2), low = _places.UInt32(((ulong)sample * 2) + 1);
            long start = (long)Math.BigMul((high << 32) | low, (ulong)NumSequences, out _);
            Add(batch, start, start + _length, sampleId);
        }
        else
        {
            AddSequence(batch, Permutation.At(NumSequences, _seed, sample), sampleId);
        }
    }

    /// <summary>Adds sequence <paramref name="sequence"/> in the corpus' own order; random windows have none.</summary>
    public void AddSequence(Batch batch, long sequence, long sampleId)
    {
        long start = _ends == null ? sequence * _length : sequence == 0 ? 0 : _ends[sequence - 1];
        long end = _ends == null ? Math.Min(start + _length, _corpus.NumTokens) : _ends[sequence];
        Add(batch, start, end, sampleId);
    }

    private void Add(Batch batch, long start, long end, long sampleId)
    {
        int known = (int)(Math.Min(end + 1, _corpus.NumTokens) - start), rows = (int)(end - start);
        _corpus.Read(start, _tokens.AsSpan(0, known));
        _tokens.AsSpan(1, known - 1).CopyTo(_labels);
        if (known == rows) _labels[rows - 1] = -100;
        if (_packing != Packing.Documents)
        {
            batch.AddDocument(_tokens.AsSpan(0, rows), _labels.AsSpan(0, rows), unchecked((int)sampleId));
            return;
        }

        long document = _corpus.DocumentAt(start);
        for (int row = 0; row < rows; document++)
        {
            long documentEnd = _corpus.DocumentStart(document + 1) - start;
            int count = (int)Math.Min(rows - row, documentEnd - row);

            // Nothing is asked of a document's last token: what follows is another document.
            if (row + count == documentEnd) _labels[row + count - 1] = -100;
            batch.AddDocument(_tokens.AsSpan(row, count), _labels.AsSpan(row, count), unchecked((int)sampleId));
            row += count;
        }
    }

    // Ends of the sequences: whole documents while they fit; one that fits no sequence is cut from its start on.
    private static long[] Pack(Corpus corpus, int length, int maxDocuments)
    {
        var ends = new List<long>();
        long start = 0;
        int documents = 0;
        for (long i = 0; i < corpus.NumDocuments; i++)
        {
            long from = corpus.DocumentStart(i), to = corpus.DocumentStart(i + 1);
            if (from > start && (to - start > length || documents == maxDocuments))
            {
                ends.Add(start = from);
                documents = 0;
            }

            while (to - start > length) ends.Add(start += length);
            documents++;
        }

        if (corpus.NumTokens > start) ends.Add(corpus.NumTokens);
        return [.. ends];
    }
}
