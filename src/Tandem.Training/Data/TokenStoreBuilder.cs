using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>How a token store is made.</summary>
public sealed record TokenStoreOptions
{
    /// <summary>The tokenizer.</summary>
    public required Tokenizer Tokenizer { get; init; }

    /// <summary>Token put behind every document; null for none.</summary>
    public int? EndToken { get; init; }

    /// <summary>Key of the text in JSON lines.</summary>
    public string JsonKey { get; init; } = "text";

    /// <summary>Threads that tokenise; 0 is one a core. The result does not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>Bytes of text between two places from which a build that was stopped goes on.</summary>
    public long CommitBytes { get; init; } = 32 << 20;

    /// <summary>Bytes of a piece of work, more or less. The result does not depend on it.</summary>
    public int ChunkBytes { get; init; } = 1 << 18;
}

/// <summary>How far a build is.</summary>
/// <param name="BytesDone">Bytes of the inputs that are done.</param>
/// <param name="BytesTotal">Bytes of the inputs.</param>
/// <param name="NumTokens">Tokens so far.</param>
/// <param name="NumDocuments">Documents so far.</param>
public readonly record struct TokenStoreProgress(long BytesDone, long BytesTotal, long NumTokens, long NumDocuments);

/// <summary>
/// Makes token stores: reads, tokenises in parallel and writes in order, a few chunks at a time. What is written lies in <c>NAME.partial</c> until it is whole; a build that was
/// stopped in any way goes on from its last commit when it is started again with the same inputs, and gives the same bytes as without the stop.
/// </summary>
public sealed class TokenStoreBuilder : IDisposable
{
    private readonly string _output;
    private readonly TokenStoreOptions _options;
    private readonly DocumentReader _reader;
    private readonly FileStream _tokens;
    private readonly FileStream _index;
    private readonly int _tokenBytes;
    private readonly ulong _settings;
    private BuildState _state;

    private TokenStoreBuilder(string output, IReadOnlyList<TextInput> inputs, TokenStoreOptions options)
    {
        (_output, _options) = (output, options);
        _tokenBytes = TokenStoreHeader.TokenBytesOf(options.Tokenizer.VocabSize);
        _settings = Settings(inputs, options);
        _reader = new DocumentReader(inputs, options.JsonKey, options.ChunkBytes);
        _tokens = OpenPartial(PartialPath);
        _index = OpenPartial(IndexPath);
        _state = ReadState();
        WasResumed = _state.Tokens > 0;
        _reader.Seek(new ReaderPlace(_state.File, _state.Offset, _state.Line));
        _tokens.SetLength(TokenStoreHeader.Size + (_state.Tokens * _tokenBytes));
        _index.SetLength(_state.Documents * IndexRecord.Size);
        _tokens.Seek(0, SeekOrigin.End);
        _index.Seek(0, SeekOrigin.End);
    }

    /// <summary>Whether it goes on with what an earlier build left.</summary>
    public bool WasResumed { get; }

    private string PartialPath => _output + ".partial";

    private string IndexPath => _output + ".partial.index";

    private string StatePath => _output + ".partial.json";

    /// <summary>Starts a build, or goes on with one that was stopped.</summary>
    /// <param name="output">The file to make.</param>
    /// <param name="inputs">The files to read.</param>
    /// <param name="options">Tokenizer and sizes.</param>
    /// <exception cref="TandemException">The output cannot be written, is there already, or is being made by another process.</exception>
    public static TokenStoreBuilder Start(string output, IReadOnlyList<TextInput> inputs, TokenStoreOptions options)
    {
        if (File.Exists(output) || Directory.Exists(output)) throw new TandemException($"'{output}' is there already; give another name, or delete it first");
        if (inputs.Count == 0) throw new TandemException("no inputs; accepted: text files, JSON lines, folders of them");
        return new TokenStoreBuilder(output, inputs, options);
    }

    /// <summary>Builds to the end.</summary>
    /// <param name="progress">Told how far it is after each round.</param>
    /// <param name="cancel">Ends the build at a place from which it can go on.</param>
    /// <exception cref="TandemException">An input is malformed or without text, or the disk is full.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public TokenStoreProgress Run(Action<TokenStoreProgress>? progress = null, CancellationToken cancel = default)
    {
        try
        {
            Tokenise(progress, cancel);
            if (_state.Tokens == 0) throw new TandemException("the inputs have no text; accepted: at least one document that is not empty");
            Finish();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Wrap("cannot write", _output, e);
        }

        foreach (string done in (string[])[IndexPath, StatePath]) File.Delete(done);
        return new TokenStoreProgress(_reader.TotalBytes, _reader.TotalBytes, _state.Tokens, _state.Documents);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _reader.Dispose();
        _tokens.Dispose();
        _index.Dispose();
    }

    private void Tokenise(Action<TokenStoreProgress>? progress, CancellationToken cancel)
    {
        int threads = _options.Threads > 0 ? _options.Threads : Environment.ProcessorCount;
        var chunks = new List<List<TextPiece>>();
        BuildState committed = _state;
        bool more = true;
        while (more)
        {
            chunks.Clear();
            while (chunks.Count < threads * 4 && more)
            {
                if (_reader.Next() is { } chunk) chunks.Add(chunk);
                else more = false;
            }

            var encoded = new List<int>[chunks.Count];
            Parallel.For(0, chunks.Count, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => encoded[i] = Encode(chunks[i]));
            for (int i = 0; i < chunks.Count; i++) Append(chunks[i], encoded[i]);
            _state = _state with { File = _reader.Place.File, Offset = _reader.Place.Offset, Line = _reader.Place.Line };
            progress?.Invoke(new TokenStoreProgress(_reader.BytesDone, _reader.TotalBytes, _state.Tokens, _state.Documents));
            if (cancel.IsCancellationRequested || !more || _state.TextBytes - committed.TextBytes >= _options.CommitBytes)
            {
                Commit();
                committed = _state;
            }

            cancel.ThrowIfCancellationRequested();
        }
    }

    // Tokens of the pieces one after another, each piece with its number of tokens before it.
    private List<int> Encode(List<TextPiece> pieces)
    {
        var all = new List<int>();
        foreach (TextPiece piece in pieces)
        {
            int at = all.Count;
            all.Add(0);
            _options.Tokenizer.Encode(piece.Text, all);
            if (piece.EndsDocument && _options.EndToken is { } end) all.Add(end);
            all[at] = all.Count - at - 1;
        }

        return all;
    }

    private void Append(List<TextPiece> pieces, List<int> encoded)
    {
        ReadOnlySpan<int> rest = CollectionsMarshal.AsSpan(encoded);
        foreach (TextPiece piece in pieces)
        {
            ReadOnlySpan<int> tokens = rest.Slice(1, rest[0]);
            rest = rest[(1 + tokens.Length)..];
            if (_tokenBytes == sizeof(int))
            {
                _tokens.Write(MemoryMarshal.AsBytes(tokens));
            }
            else
            {
                var narrow = new ushort[tokens.Length];
                for (int i = 0; i < narrow.Length; i++) narrow[i] = (ushort)tokens[i];
                _tokens.Write(MemoryMarshal.AsBytes<ushort>(narrow));
            }

            _state = _state with { Tokens = _state.Tokens + tokens.Length, TextBytes = _state.TextBytes + piece.Bytes };
            if (!piece.EndsDocument) continue;
            Span<IndexRecord> record = [new IndexRecord(_state.Tokens, _state.TextBytes)];
            _index.Write(MemoryMarshal.AsBytes(record));
            _state = _state with { Documents = _state.Documents + 1 };
        }
    }

    private void Commit()
    {
        _tokens.Flush(flushToDisk: true);
        _index.Flush(flushToDisk: true);
        AtomicFile.WriteAllBytes(StatePath, JsonSerializer.SerializeToUtf8Bytes(_state with { Settings = _settings }, BuildStateJson.Default.BuildState));
    }

    // The index behind the tokens, then the checksum, then the header, then the name.
    private void Finish()
    {
        var header = new TokenStoreHeader
        {
            TokenBytes = _tokenBytes,
            NumTokens = _state.Tokens,
            NumDocuments = _state.Documents,
            VocabSize = _options.Tokenizer.VocabSize,
            EndToken = _options.EndToken ?? -1,
            TextBytes = _state.TextBytes,
            Tokenizer = TokenStore.Fingerprint(_options.Tokenizer),
            Content = 0,
        };
        _tokens.SetLength(header.IndexOffset);
        _tokens.Seek(0, SeekOrigin.End);
        foreach (bool ofTokens in (bool[])[true, false]) AppendIndex(ofTokens);
        _tokens.Flush();
        ulong content = ContentChecksum(_tokens);
        _tokens.Seek(0, SeekOrigin.Begin);
        _tokens.Write((header with { Content = content }).Write());
        _tokens.Flush(flushToDisk: true);
        _tokens.Dispose();
        _index.Dispose();
        File.Move(PartialPath, _output);
    }

    private void AppendIndex(bool ofTokens)
    {
        var records = new IndexRecord[4096];
        var column = new long[records.Length];
        _tokens.Write(MemoryMarshal.AsBytes<long>([0L]));
        _index.Seek(0, SeekOrigin.Begin);
        for (long left = _state.Documents; left > 0;)
        {
            int count = (int)Math.Min(left, records.Length);
            _index.ReadExactly(MemoryMarshal.AsBytes(records.AsSpan(0, count)));
            for (int i = 0; i < count; i++) column[i] = ofTokens ? records[i].TokenEnd : records[i].TextEnd;
            _tokens.Write(MemoryMarshal.AsBytes(column.AsSpan(0, count)));
            left -= count;
        }
    }

    private static ulong ContentChecksum(FileStream file)
    {
        var hash = new System.IO.Hashing.XxHash3();
        file.Seek(TokenStoreHeader.Size, SeekOrigin.Begin);
        hash.Append(file);
        return hash.GetCurrentHashAsUInt64();
    }

    private static FileStream OpenPartial(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1 << 20);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot write (or another process is writing)", path, e);
        }
    }

    private BuildState ReadState()
    {
        if (!File.Exists(StatePath)) return default;
        try
        {
            BuildState state = JsonSerializer.Deserialize(File.ReadAllBytes(StatePath), BuildStateJson.Default.BuildState);
            bool whole = state.Tokens >= 0 && _tokens.Length >= TokenStoreHeader.Size + (state.Tokens * _tokenBytes) && _index.Length >= state.Documents * IndexRecord.Size;
            return state.Settings == _settings && whole ? state : default;
        }
        catch (JsonException)
        {
            // Written whole or not at all by this program; anything else is of no use, and the build starts over.
            return default;
        }
    }

    // What the bytes depend on: another value, and a build starts over.
    private static ulong Settings(IReadOnlyList<TextInput> inputs, TokenStoreOptions options)
    {
        var text = new System.Text.StringBuilder();
        foreach (TextInput input in inputs)
        {
            var file = new FileInfo(input.Path);
            text.Append(file.FullName).Append('|').Append(input.IsJsonLines).Append('|').Append(file.Length).Append('|').Append(file.LastWriteTimeUtc.Ticks).Append('\n');
        }

        text.Append(options.JsonKey).Append('|').Append(options.EndToken ?? -1).Append('|').Append(TokenStore.Fingerprint(options.Tokenizer));
        return Checksum.XxHash3(MemoryMarshal.AsBytes(text.ToString().AsSpan()));
    }

    private readonly record struct IndexRecord(long TokenEnd, long TextEnd)
    {
        public const int Size = 16;
    }
}

/// <summary>How far a build has written, as its partial files' state says.</summary>
internal readonly record struct BuildState(ulong Settings, int File, long Offset, long Line, long Tokens, long Documents, long TextBytes);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(BuildState))]
internal sealed partial class BuildStateJson : JsonSerializerContext;
