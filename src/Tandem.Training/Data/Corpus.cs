namespace Tandem.Training;

/// <summary>
/// The part of a <see cref="ITokenSource"/> that is trained on or kept for evaluation: a range of its tokens, or some of its documents. Positions are those
/// of the part's tokens one after another.
/// </summary>
public sealed class Corpus
{
    private readonly ITokenSource _source;
    private readonly long _firstToken;
    private readonly long _firstDocument;
    private readonly long[]? _documents;
    private readonly long[]? _starts;

    // Made once: a step allocates nothing.
    private readonly Func<long, long> _documentStart;

    /// <summary>Everything a source has.</summary>
    public Corpus(ITokenSource source)
        : this(source, 0, source.NumTokens)
    {
    }

    private Corpus(ITokenSource source, long firstToken, long endToken)
    {
        _source = source;
        _documentStart = DocumentStart;
        _firstToken = firstToken;
        NumTokens = endToken - firstToken;
        if (NumTokens == 0) return;
        _firstDocument = DocumentAt(source.DocumentStart, source.NumDocuments, firstToken);
        NumDocuments = DocumentAt(source.DocumentStart, source.NumDocuments, endToken - 1) - _firstDocument + 1;
        TextBytes = TextAt(endToken) - TextAt(firstToken);
    }

    private Corpus(ITokenSource source, long[] documents)
    {
        _source = source;
        _documentStart = DocumentStart;
        _documents = documents;
        NumDocuments = documents.Length;
        _starts = new long[documents.Length + 1];
        for (int i = 0; i < documents.Length; i++)
        {
            _starts[i + 1] = _starts[i] + source.DocumentStart(documents[i] + 1) - source.DocumentStart(documents[i]);
            TextBytes += source.TextStart(documents[i] + 1) - source.TextStart(documents[i]);
        }

        NumTokens = _starts[^1];
    }

    /// <summary>Name for messages.</summary>
    public string Name => _source.Name;

    /// <summary>Number of tokens.</summary>
    public long NumTokens { get; }

    /// <summary>Number of documents, those that are cut at the ends included.</summary>
    public long NumDocuments { get; }

    /// <summary>Bytes of text; those of a document that is cut in proportion to its tokens.</summary>
    public long TextBytes { get; }

    /// <summary>Position of a document's first token.</summary>
    public long DocumentStart(long document) =>
        _starts != null ? _starts[document] : Math.Clamp(_source.DocumentStart(_firstDocument + document) - _firstToken, 0, NumTokens);

    /// <summary>The document that a position belongs to.</summary>
    public long DocumentAt(long position) => DocumentAt(_documentStart, NumDocuments, position);

    /// <summary>Copies the tokens from a position on.</summary>
    public void Read(long position, Span<int> destination)
    {
        if (_documents == null)
        {
            _source.Read(_firstToken + position, destination);
            return;
        }

        for (long document = DocumentAt(position); !destination.IsEmpty; document++)
        {
            int count = (int)Math.Min(destination.Length, DocumentStart(document + 1) - position);
            _source.Read(_source.DocumentStart(_documents[document]) + position - DocumentStart(document), destination[..count]);
            destination = destination[count..];
            position += count;
        }
    }

    /// <summary>Cuts a source in two: the last <paramref name="share"/> of its tokens is the second part.</summary>
    public static (Corpus Train, Corpus Validation) SplitTail(ITokenSource source, double share)
    {
        long cut = source.NumTokens - (long)(source.NumTokens * share);
        return (new Corpus(source, 0, cut), new Corpus(source, cut, source.NumTokens));
    }

    /// <summary>Gives each whole document to the second part with probability <paramref name="share"/>: a function of the seed and the document's number alone.</summary>
    public static (Corpus Train, Corpus Validation) SplitDocuments(ITokenSource source, double share, ulong seed)
    {
        var train = new List<long>();
        var validation = new List<long>();
        for (long i = 0; i < source.NumDocuments; i++) (IsForValidation(i, share, seed) ? validation : train).Add(i);
        return (new Corpus(source, [.. train]), new Corpus(source, [.. validation]));
    }

    /// <summary>Whether <see cref="SplitDocuments"/> keeps a document for evaluation.</summary>
    public static bool IsForValidation(long document, double share, ulong seed) => Philox.Stream(seed, "validation").Uniform((ulong)document) < share;

    // The last document that starts at or before the position.
    private static long DocumentAt(Func<long, long> start, long count, long position)
    {
        long low = 0, high = count - 1;
        while (low < high)
        {
            long middle = low + ((high - low + 1) / 2);
            if (start(middle) <= position) low = middle;
            else high = middle - 1;
        }

        return low;
    }

    private long TextAt(long token)
    {
        if (token >= _source.NumTokens) return _source.TextStart(_source.NumDocuments);
        long document = DocumentAt(_source.DocumentStart, _source.NumDocuments, token);
        long start = _source.DocumentStart(document), tokens = _source.DocumentStart(document + 1) - start;
        long text = _source.TextStart(document), bytes = _source.TextStart(document + 1) - text;
        return text + (long)((UInt128)(ulong)bytes * (ulong)(token - start) / (ulong)tokens);
    }
}
