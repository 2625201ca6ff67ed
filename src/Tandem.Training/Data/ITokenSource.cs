namespace Tandem.Training;

/// <summary>Tokens of documents, one document after another: a mapped file or memory. Safe for many threads.</summary>
public interface ITokenSource
{
    /// <summary>Name for messages, for example the path.</summary>
    string Name { get; }

    /// <summary>Number of tokens.</summary>
    long NumTokens { get; }

    /// <summary>Number of documents; each has at least one token.</summary>
    long NumDocuments { get; }

    /// <summary>First token of a document; that of <see cref="NumDocuments"/> is <see cref="NumTokens"/>.</summary>
    long DocumentStart(long document);

    /// <summary>Bytes of UTF-8 text in all documents before one.</summary>
    long TextStart(long document);

    /// <summary>Copies the tokens from <paramref name="first"/> on.</summary>
    /// <exception cref="TandemException">They are not all there, or one is not in the vocabulary.</exception>
    void Read(long first, Span<int> destination);
}

/// <summary>Documents in memory.</summary>
/// <param name="name">Name for messages.</param>
public sealed class TokenList(string name) : ITokenSource
{
    private readonly List<int> _tokens = [];
    private readonly List<long> _starts = [0];
    private readonly List<long> _texts = [0];

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public long NumTokens => _tokens.Count;

    /// <inheritdoc/>
    public long NumDocuments => _starts.Count - 1;

    /// <inheritdoc/>
    public long DocumentStart(long document) => _starts[(int)document];

    /// <inheritdoc/>
    public long TextStart(long document) => _texts[(int)document];

    /// <summary>Adds a document; one without tokens is left out.</summary>
    /// <param name="tokens">Its token ids.</param>
    /// <param name="textBytes">Bytes of its text.</param>
    public void Add(ReadOnlySpan<int> tokens, long textBytes)
    {
        if (tokens.IsEmpty) return;
        _tokens.AddRange(tokens);
        _starts.Add(_tokens.Count);
        _texts.Add(_texts[^1] + textBytes);
    }

    /// <inheritdoc/>
    public void Read(long first, Span<int> destination)
    {
        if (first < 0 || first > _tokens.Count - destination.Length) throw new TandemException($"{name}: tokens {first} to {first + destination.Length} were asked for, there are {_tokens.Count}");
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokens).Slice((int)first, destination.Length).CopyTo(destination);
    }
}
