using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Tandem.Training;

/// <summary>Where a reader stands: everything before is done.</summary>
/// <param name="File">Number of the file.</param>
/// <param name="Offset">Byte in the file.</param>
/// <param name="Line">Lines of the file before that byte.</param>
public readonly record struct ReaderPlace(int File, long Offset, long Line);

/// <summary>A document, or a piece of one that is too long for one piece.</summary>
/// <param name="Text">The text.</param>
/// <param name="Bytes">Bytes of the text in UTF-8.</param>
/// <param name="EndsDocument">Whether the document ends with it.</param>
public readonly record struct TextPiece(string Text, int Bytes, bool EndsDocument);

/// <summary>
/// Reads documents from files, a chunk of pieces at a time, so that a text may be larger than memory. A long text is cut only where a letter or digit is followed by white
/// space: there words end, so the pieces have the tokens of the whole.
/// </summary>
/// <param name="inputs">The files.</param>
/// <param name="jsonKey">Key of the text in JSON lines.</param>
/// <param name="chunkBytes">Bytes of a chunk, more or less.</param>
public sealed class DocumentReader(IReadOnlyList<TextInput> inputs, string jsonKey, int chunkBytes = 1 << 18) : IDisposable
{
    private const int MostBytes = 1 << 30;

    private readonly long[] _sizes = [.. inputs.Select(i => new FileInfo(i.Path).Length)];
    private byte[] _buffer = new byte[chunkBytes + 4096];
    private int _start;
    private int _end;
    private bool _atEnd;
    private FileStream? _stream;

    /// <summary>Where the next chunk starts.</summary>
    public ReaderPlace Place { get; private set; }

    /// <summary>Bytes of all files.</summary>
    public long TotalBytes => _sizes.Sum();

    /// <summary>Bytes before <see cref="Place"/>, in all files.</summary>
    public long BytesDone => _sizes.Take(Place.File).Sum() + Place.Offset;

    /// <summary>Goes to a place.</summary>
    public void Seek(ReaderPlace place)
    {
        Close();
        Place = place;
    }

    /// <summary>The next pieces, or null at the end of all files.</summary>
    /// <exception cref="TandemException">A file cannot be read, is no UTF-8 (with the place of the bad byte), or has a line without the text.</exception>
    public List<TextPiece>? Next()
    {
        while (Place.File < inputs.Count)
        {
            TextInput input = inputs[Place.File];
            try
            {
                _stream ??= Open(input.Path);
                List<TextPiece> pieces = input.IsJsonLines ? NextLines(input.Path) : NextText(input.Path);
                if (_start == _end && _atEnd)
                {
                    Close();
                    Place = new ReaderPlace(Place.File + 1, 0, 0);
                }

                if (pieces.Count > 0) return pieces;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw FileErrors.Wrap("cannot read", input.Path, e);
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => Close();

    private FileStream Open(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 0, FileOptions.SequentialScan);
        stream.Position = Place.Offset;
        _start = _end = 0;
        _atEnd = false;
        return stream;
    }

    private void Close()
    {
        _stream?.Dispose();
        _stream = null;
    }

    // Reads until the buffer holds the bytes or the file ends.
    private void Fill(int bytes)
    {
        if (_end - _start >= bytes || _atEnd) return;
        if (bytes > MostBytes) throw new TandemException($"'{inputs[Place.File].Path}', byte {Place.Offset}: more than {MostBytes:N0} bytes without a place to cut; accepted: a line break, or white space behind a letter, now and then");
        if (_start > 0) Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
        (_start, _end) = (0, _end - _start);
        if (_buffer.Length < bytes) Array.Resize(ref _buffer, bytes);
        while (_end < bytes && !_atEnd)
        {
            int read = _stream!.Read(_buffer, _end, _buffer.Length - _end);
            _atEnd = read == 0;
            _end += read;
        }
    }

    private static int Doubled(int bytes) => (int)Math.Min(2L * bytes, MostBytes + 1);

    // The buffered bytes up to a length are done.
    private void Advance(int bytes)
    {
        int lines = _buffer.AsSpan(_start, bytes).Count((byte)'\n');
        _start += bytes;
        Place = new ReaderPlace(Place.File, Place.Offset + bytes, Place.Line + lines);
    }

    private List<TextPiece> NextText(string path)
    {
        int wanted = chunkBytes, cut;
        do
        {
            // One byte more than the piece, to know whether the document goes on.
            Fill(wanted + 1);
            int there = Math.Min(wanted, _end - _start);
            cut = there == _end - _start && _atEnd ? there : LastWordEnd(_buffer.AsSpan(_start, Math.Min(_end - _start, wanted + 1)));
            wanted = Doubled(wanted);
        }
        while (cut == 0 && _end - _start > 0);

        var pieces = new List<TextPiece>();
        int skip = Place.Offset == 0 && _buffer.AsSpan(_start, cut).StartsWith("\uFEFF"u8) ? 3 : 0;
        string text = Decode(_buffer.AsSpan(_start + skip, cut - skip), path, skip);
        bool ends = _atEnd && cut == _end - _start;
        if (text.Length > 0) pieces.Add(new TextPiece(text, cut - skip, ends));
        Advance(cut);
        return pieces;
    }

    private List<TextPiece> NextLines(string path)
    {
        var pieces = new List<TextPiece>();
        int taken = 0;
        while (taken < chunkBytes)
        {
            int wanted = chunkBytes, length;
            while ((length = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n')) < 0 && !_atEnd)
            {
                Fill(wanted);
                wanted = Doubled(wanted);
            }

            int line = length < 0 ? _end - _start : length;
            ReadOnlySpan<byte> bytes = _buffer.AsSpan(_start, line);
            if (Place.Offset == 0 && bytes.StartsWith("\uFEFF"u8)) bytes = bytes[3..];
            if (!bytes.Trim(" \t\r"u8).IsEmpty)
            {
                Decode(bytes, path, 0);
                string text = TextOf(bytes, path);
                if (text.Length > 0) pieces.Add(new TextPiece(text, Encoding.UTF8.GetByteCount(text), EndsDocument: true));
            }

            int step = length < 0 ? line : line + 1;
            taken += step;
            Advance(step);
            if (_start == _end && _atEnd) break;
        }

        return pieces;
    }

    private string TextOf(ReadOnlySpan<byte> line, string path)
    {
        string place = $"'{path}', line {Place.Line + 1}";
        try
        {
            var reader = new Utf8JsonReader(line);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw new TandemException($"{place} is no JSON object; accepted: {{\"{jsonKey}\": \"...\"}}");
            string? text = null;
            var keys = new List<string>();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                string key = reader.GetString()!;
                keys.Add(key);
                reader.Read();
                if (key != jsonKey) reader.Skip();
                else if (reader.TokenType == JsonTokenType.String) text = reader.GetString();
                else throw new TandemException($"{place}: {jsonKey} is no string");
            }

            // The object's end, and nothing behind it.
            while (reader.Read())
            {
            }

            return text ?? throw new TandemException($"{place} has no {jsonKey}; it has {string.Join(", ", keys.Take(10))}");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new TandemException($"{place} is not valid JSON: {e.Message}", e);
        }
    }

    private string Decode(ReadOnlySpan<byte> bytes, string path, int skipped)
    {
        if (Utf8.IsValid(bytes)) return Encoding.UTF8.GetString(bytes);
        int at = 0;
        while (Rune.DecodeFromUtf8(bytes[at..], out _, out int used) == System.Buffers.OperationStatus.Done) at += used;
        long line = Place.Line + bytes[..at].Count((byte)'\n') + 1;
        throw new TandemException($"'{path}' is not UTF-8: byte 0x{bytes[at]:x2} at {Place.Offset + skipped + at} (line {line}); accepted: UTF-8 text");
    }

    // The last place where a letter or digit is followed by white space; 0 if there is none.
    private static int LastWordEnd(ReadOnlySpan<byte> bytes)
    {
        for (int i = bytes.Length - 1; i > 0; i--)
        {
            if (bytes[i] is not ((byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')) continue;
            if (Rune.DecodeLastFromUtf8(bytes[..i], out Rune rune, out _) == System.Buffers.OperationStatus.Done && Rune.IsLetterOrDigit(rune)) return i;
        }

        return 0;
    }
}
