using System.Runtime.InteropServices;
using System.Text;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>
/// A file of tokens (see <c>docs/formats.md</c>), mapped into memory: documents of any number and length, read where they lie. Header, sizes and the index of documents are
/// checked before anything else is used; <see cref="Verify"/> reads all of it. The file must not be shortened while it is open.
/// </summary>
public sealed unsafe class TokenStore : ITokenSource, IDisposable
{
    private readonly MappedFile _file;
    private readonly TokenStoreHeader _header;
    private readonly byte* _tokens;
    private readonly long* _starts;
    private readonly long* _texts;

    private TokenStore(MappedFile file)
    {
        _file = file;
        if (file.Length < TokenStoreHeader.Size) throw new TandemException($"'{file.Path}' is no token store: {file.Length} bytes; accepted: {TokenStoreHeader.Size} or more");
        _header = TokenStoreHeader.Read(file.Span(0, TokenStoreHeader.Size), file.Path);
        if (file.Length != _header.FileBytes)
            throw new TandemException($"'{file.Path}': {_header.NumTokens} tokens and {_header.NumDocuments} documents need {_header.FileBytes} bytes, the file has {file.Length}: it was cut off or changed");
        _tokens = file.Range(TokenStoreHeader.Size, _header.NumTokens * _header.TokenBytes);
        long indexBytes = sizeof(long) * (_header.NumDocuments + 1);
        _starts = (long*)file.Range(_header.IndexOffset, indexBytes);
        _texts = (long*)file.Range(_header.IndexOffset + indexBytes, indexBytes);
        CheckIndex();
    }

    /// <summary>The path.</summary>
    public string Name => _file.Path;

    /// <inheritdoc/>
    public long NumTokens => _header.NumTokens;

    /// <inheritdoc/>
    public long NumDocuments => _header.NumDocuments;

    /// <summary>Tokens of the vocabulary.</summary>
    public int VocabSize => _header.VocabSize;

    /// <summary>Bytes of a token: 2 for vocabularies up to 65,536, else 4.</summary>
    public int TokenBytes => _header.TokenBytes;

    /// <summary>The token behind every document, or null.</summary>
    public int? EndToken => _header.EndToken < 0 ? null : _header.EndToken;

    /// <summary>Bytes of UTF-8 text.</summary>
    public long TextBytes => _header.TextBytes;

    /// <summary>Bytes of the file.</summary>
    public long FileBytes => _file.Length;

    /// <summary><see cref="Fingerprint"/> of the tokenizer that made the tokens.</summary>
    public ulong TokenizerFingerprint => _header.Tokenizer;

    /// <summary>XXH3 of everything behind the header, as the header says; see <see cref="Verify"/>.</summary>
    public ulong ContentChecksum => _header.Content;

    /// <summary>Maps a store.</summary>
    /// <exception cref="TandemException">It cannot be read, or is not a whole and consistent token store.</exception>
    public static TokenStore Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new TokenStore(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file starts like a token store.</summary>
    public static bool IsStore(string path)
    {
        if (!File.Exists(path)) return false;
        Span<byte> start = stackalloc byte[8];
        using FileStream stream = File.OpenRead(path);
        return stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && start.SequenceEqual("TANDEMTK"u8);
    }

    /// <summary>A number that two tokenizers share only if they have the same tokens, merges and special tokens.</summary>
    public static ulong Fingerprint(Tokenizer tokenizer)
    {
        var text = new StringBuilder();
        for (int i = 0; i < tokenizer.VocabSize; i++) text.Append(tokenizer.TokenText(i)).Append('\n');
        foreach ((string left, string right) in tokenizer.Merges) text.Append(left).Append(' ').Append(right).Append('\n');
        foreach ((int id, string special) in tokenizer.Special.OrderBy(s => s.Key)) text.Append(id).Append(' ').Append(special).Append('\n');
        return Checksum.XxHash3(MemoryMarshal.AsBytes(text.ToString().AsSpan()));
    }

    /// <summary>Refuses tokens of another tokenizer.</summary>
    /// <exception cref="TandemException">The fingerprints differ.</exception>
    public void RequireTokenizer(Tokenizer tokenizer)
    {
        if (Fingerprint(tokenizer) != TokenizerFingerprint)
            throw new TandemException($"'{Name}' was made with another tokenizer (fingerprint {TokenizerFingerprint:x16}, {VocabSize} tokens) than the run's ({Fingerprint(tokenizer):x16}, {tokenizer.VocabSize} tokens); build it again with the run's");
    }

    /// <inheritdoc/>
    public long DocumentStart(long document) => (ulong)document <= (ulong)NumDocuments ? _starts[document] : throw NoDocument(document);

    /// <inheritdoc/>
    public long TextStart(long document) => (ulong)document <= (ulong)NumDocuments ? _texts[document] : throw NoDocument(document);

    /// <inheritdoc/>
    public void Read(long first, Span<int> destination)
    {
        ObjectDisposedException.ThrowIf(_file.Pointer == null, this);
        if (first < 0 || first > NumTokens - destination.Length) throw new TandemException($"'{Name}': tokens {first} to {first + destination.Length} were asked for, there are {NumTokens}");
        if (_header.TokenBytes == 2)
        {
            ushort* tokens = (ushort*)_tokens + first;
            for (int i = 0; i < destination.Length; i++) destination[i] = tokens[i];
        }
        else
        {
            new ReadOnlySpan<int>((int*)_tokens + first, destination.Length).CopyTo(destination);
        }

        for (int i = 0; i < destination.Length; i++)
            if ((uint)destination[i] >= (uint)VocabSize) throw new TandemException($"'{Name}': token {first + i} is {(uint)destination[i]}; accepted: 0 to {VocabSize - 1}");
    }

    /// <summary>Reads the whole file and compares its checksum.</summary>
    /// <exception cref="TandemException">It is damaged.</exception>
    public void Verify()
    {
        ulong content = Checksum.XxHash3(_file.Range(TokenStoreHeader.Size, _file.Length - TokenStoreHeader.Size), _file.Length - TokenStoreHeader.Size);
        if (content != _header.Content) throw new TandemException($"'{Name}': the checksum is {content:x16}, the header says {_header.Content:x16}: the file is damaged");
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void CheckIndex()
    {
        if (_starts[0] != 0 || _texts[0] != 0) throw new TandemException($"'{Name}': the index of documents starts at token {_starts[0]} and text byte {_texts[0]}; accepted: 0 and 0");
        for (long i = 0; i < NumDocuments; i++)
        {
            if (_starts[i + 1] <= _starts[i] || _texts[i + 1] < _texts[i])
                throw new TandemException($"'{Name}': document {i} goes from token {_starts[i]} to {_starts[i + 1]} and from text byte {_texts[i]} to {_texts[i + 1]}; accepted: ascending");
        }

        if (_starts[NumDocuments] != NumTokens || _texts[NumDocuments] != TextBytes)
            throw new TandemException($"'{Name}': the documents end at token {_starts[NumDocuments]} and text byte {_texts[NumDocuments]}; accepted: {NumTokens} and {TextBytes}");
    }

    private TandemException NoDocument(long document) => new($"'{Name}': document {document} was asked for, there are {NumDocuments}");
}
