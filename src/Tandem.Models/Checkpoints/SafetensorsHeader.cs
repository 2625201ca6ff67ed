using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Tandem.Models;

/// <summary>One tensor as a header describes it: <c>[Begin, End)</c> are bytes counted from the end of the header.</summary>
internal readonly record struct TensorInfo(string Name, StoredType Type, Shape Shape, long Begin, long End);

/// <summary>
/// The header of a safetensors file: 8 bytes little-endian length, then that many bytes of JSON. Everything the format demands is checked,
/// and nothing is allocated that is not in proportion to bytes that are really there.
/// </summary>
internal sealed class SafetensorsHeader
{
    public const int MaxBytes = 100_000_000;
    private const int MaxRank = 64;
    private const int MaxDepth = 64;
    private const string MetadataKey = "__metadata__";

    private readonly string _place;
    private readonly HashSet<string> _names = [];
    private readonly List<TensorInfo> _tensors = [];
    private readonly Dictionary<string, string> _metadata = [];

    private SafetensorsHeader(string place) => _place = place;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<TensorInfo> Tensors => _tensors;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>The length of the JSON from the first 8 bytes of a file of <paramref name="fileBytes"/> bytes.</summary>
    public static int ReadLength(ReadOnlySpan<byte> start, long fileBytes, string place)
    {
        if (start.Length < 8)
            throw new CheckpointException(CheckpointError.Truncated, $"{place}: {fileBytes} bytes are no safetensors file, which starts with an 8-byte header length");
        var length = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > MaxBytes)
            throw new CheckpointException(CheckpointError.HeaderTooLarge, $"{place}: header length {length}; accepted: 2 to {MaxBytes} (is it a safetensors file?)");
        if (length == 0)
            throw new CheckpointException(CheckpointError.BadHeader, $"{place}: header length 0; accepted: 2 to {MaxBytes}");
        if ((long)length > fileBytes - 8)
            throw new CheckpointException(CheckpointError.Truncated, $"{place}: the header should have {length} bytes, the file ends after {fileBytes - 8} of them");
        return (int)length;
    }

    /// <summary>Parses and checks the JSON of a file that has <paramref name="dataBytes"/> bytes after it.</summary>
    /// <exception cref="CheckpointException">Anything is wrong.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataBytes, string place)
    {
        var header = new SafetensorsHeader(place);
        if (!Utf8.IsValid(json))
            throw header.Error(CheckpointError.NotUtf8, "the header is not UTF-8");
        try
        {
            header.ReadAll(json);
        }
        catch (JsonException e)
        {
            throw new CheckpointException(CheckpointError.BadJson, $"{place}: the header is not valid JSON: {e.Message}", e);
        }

        header.CheckLayout(dataBytes);
        return header;
    }

    private void ReadAll(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Error(CheckpointError.BadJson, $"the header is {Describe(reader.TokenType)}, not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = Text(ref reader);
            if (!_names.Add(name))
                throw Error(CheckpointError.DuplicateKey, $"{CheckpointException.Quote(name)} occurs twice");
            reader.Read();
            if (name == MetadataKey)
                ReadMetadata(ref reader);
            else
                _tensors.Add(ReadTensor(ref reader, name));
        }

        // The reader itself refuses anything but white space here.
        reader.Read();
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Error(CheckpointError.BadMetadata, $"{MetadataKey} is {Describe(reader.TokenType)}, not an object of strings");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = Text(ref reader);
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
            {
                var message = $"{MetadataKey}: {CheckpointException.Quote(key)} is {Describe(reader.TokenType)}, not a string";
                throw Error(CheckpointError.BadMetadata, message);
            }

            if (!_metadata.TryAdd(key, Text(ref reader)))
                throw Error(CheckpointError.DuplicateKey, $"{MetadataKey}: {CheckpointException.Quote(key)} occurs twice");
        }
    }

    private TensorInfo ReadTensor(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            var found = Describe(reader.TokenType);

            // Nesting too deep to be read is reported as such.
            reader.Skip();
            throw BadInfo(name, $"its description is {found}, not an object");
        }

        StoredType? type = null;
        long[]? dims = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = Text(ref reader);
            var seen = field switch { "dtype" => type is not null, "shape" => dims is not null, "data_offsets" => offsets is not null, _ => false };
            if (seen)
                throw Error(CheckpointError.DuplicateKey, $"tensor {CheckpointException.Quote(name)}: '{field}' occurs twice");
            reader.Read();
            switch (field)
            {
                case "dtype":
                    type = ReadType(ref reader, name);
                    break;
                case "shape":
                    dims = ReadNumbers(ref reader, name, "shape", MaxRank, CheckpointError.ShapeOverflow);
                    break;
                case "data_offsets":
                    offsets = ReadNumbers(ref reader, name, "data_offsets", 2, CheckpointError.BadOffsets);
                    if (offsets.Length != 2)
                        throw BadInfo(name, $"data_offsets has {offsets.Length} numbers, not 2");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        if (type is null || dims is null || offsets is null)
            throw BadInfo(name, $"'{(type is null ? "dtype" : dims is null ? "shape" : "data_offsets")}' is missing");
        return Check(name, type.Value, dims, offsets[0], offsets[1]);
    }

    private TensorInfo Check(string name, StoredType type, long[] dims, long begin, long end)
    {
        var quoted = CheckpointException.Quote(name);
        if (!Shape.TryCount(dims, out var count) || count > long.MaxValue / type.Bits())
            throw Error(CheckpointError.ShapeOverflow, $"tensor {quoted}: the size of shape [{string.Join(", ", dims)}] in {type.Name()} does not fit in 63 bits");
        if (begin > end)
            throw Error(CheckpointError.BadOffsets, $"tensor {quoted}: data_offsets [{begin}, {end}] run backwards");
        var bits = count * type.Bits();
        if (bits % 8 != 0 || bits / 8 != end - begin)
        {
            var message = $"tensor {quoted}: shape [{string.Join(", ", dims)}] of {type.Name()} needs {bits / 8.0} bytes, data_offsets [{begin}, {end}] give {end - begin}";
            throw Error(CheckpointError.SizeMismatch, message);
        }

        return new(name, type, new Shape(dims), begin, end);
    }

    private void CheckLayout(long dataBytes)
    {
        _tensors.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End != b.End ? a.End.CompareTo(b.End) : string.CompareOrdinal(a.Name, b.Name));
        var covered = 0L;
        foreach (var tensor in _tensors)
        {
            var place = $"tensor {CheckpointException.Quote(tensor.Name)}: its data [{tensor.Begin}, {tensor.End})";
            if (tensor.Begin < covered)
                throw Error(CheckpointError.Overlap, $"{place} overlaps that of the tensor before it, which ends at {covered}");
            if (tensor.Begin > covered)
                throw Error(CheckpointError.Hole, $"{place} leaves the bytes from {covered} to no tensor");
            if (tensor.End > dataBytes)
                throw Error(CheckpointError.DataOutOfFile, $"{place} reaches beyond the end of the file, which has {dataBytes} bytes of data (is it complete?)");
            covered = tensor.End;
        }

        if (covered < dataBytes)
            throw Error(CheckpointError.Hole, $"the last {dataBytes - covered} bytes of the file belong to no tensor");
    }

    private StoredType ReadType(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw BadInfo(name, $"dtype is {Describe(reader.TokenType)}, not a string");
        var text = Text(ref reader);
        return StoredTypes.TryParse(text, out var type)
            ? type
            : throw Error(CheckpointError.UnknownDType, $"tensor {CheckpointException.Quote(name)}: dtype {CheckpointException.Quote(text)}; accepted: {StoredTypes.AllNames}");
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string field, int max, CheckpointError tooBig)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw BadInfo(name, $"{field} is {Describe(reader.TokenType)}, not a list of whole numbers");
        var numbers = new List<long>(4);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt64(out var value))
            {
                var shown = reader.TokenType == JsonTokenType.Number ? Shorten(Encoding.UTF8.GetString(reader.ValueSpan)) : Describe(reader.TokenType);
                throw BadInfo(name, $"{field} holds {shown}; accepted: whole numbers from 0, written without fraction or exponent");
            }

            if (value > long.MaxValue)
                throw Error(tooBig, $"tensor {CheckpointException.Quote(name)}: {field} holds {value}; accepted: up to {long.MaxValue}");
            if (numbers.Count == max)
                throw BadInfo(name, $"{field} has more than {max} numbers");
            numbers.Add((long)value);
        }

        return [.. numbers];
    }

    private string Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            // The reader's way to report an escaped lone surrogate.
            throw new CheckpointException(CheckpointError.BadJson, $"{_place}: a string of the header is not valid Unicode", e);
        }
    }

    private CheckpointException BadInfo(string name, string what) => Error(CheckpointError.BadTensorInfo, $"tensor {CheckpointException.Quote(name)}: {what}");

    private CheckpointException Error(CheckpointError error, string what) => new(error, $"{_place}: {what}");

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "...";

    private static string Describe(JsonTokenType token) => token switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.Null => "null",
        JsonTokenType.None => "empty",
        _ => "a truth value",
    };
}
