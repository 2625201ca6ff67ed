namespace Tandem.Models;

/// <summary>A tensor of a GGUF file; its bytes are in the mapped file.</summary>
/// <param name="Name">The name.</param>
/// <param name="Type">The element type.</param>
/// <param name="Dims">Dimensions as in the file: the innermost first.</param>
/// <param name="Offset">Where its data begin in the file.</param>
/// <param name="Bytes">Their size.</param>
public sealed record GgufTensor(string Name, DType Type, IReadOnlyList<long> Dims, long Offset, long Bytes)
{
    /// <summary>The file it is in.</summary>
    internal MappedFile? File { get; init; }
}

/// <summary>
/// A GGUF file, versions 2 and 3: typed metadata, then descriptions of tensors, then their data. All of it but the data is read and checked when it is opened.
/// Of a model in several files, the first gives all their tensors.
/// </summary>
public sealed unsafe class GgufFile : IDisposable
{
    private const uint Magic = 0x46554747;
    private const int MaxKeyBytes = 65535, MaxNameBytes = 64, MaxDims = 4, DefaultAlignment = 32;

    // Far above what any model has; a file of nothing but the shortest keys would take many times its size in memory.
    private const int MaxKeys = 1 << 16, MaxTensors = 1 << 16;

    // The shortest key, with its type and a byte; the shortest tensor description.
    private const int LeastKeyBytes = 13, LeastTensorBytes = 24;

    private readonly MappedFile _file;
    private readonly Dictionary<string, GgufValue> _metadata = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);
    private readonly List<GgufFile> _parts = [];

    private GgufFile(MappedFile file)
    {
        _file = file;
        var cursor = new GgufCursor(file);
        if (cursor.UInt32("the magic") != Magic) throw cursor.Fail(GgufError.BadMagic, "this is no GGUF file: it does not begin with the letters GGUF");
        Version = (int)Math.Min(cursor.UInt32("the version"), int.MaxValue);
        if (Version is 0x02000000 or 0x03000000) throw cursor.Fail(GgufError.BigEndian, "the file is big-endian; accepted: little-endian files (convert it)");
        if (Version is not (2 or 3)) throw cursor.Fail(GgufError.UnsupportedVersion, $"version {Version}; accepted: 2, 3");
        int tensors = cursor.Count("tensors", LeastTensorBytes, GgufError.CountTooLarge, MaxTensors);
        int keys = cursor.Count("keys", LeastKeyBytes, GgufError.CountTooLarge, MaxKeys);
        for (int i = 0; i < keys; i++) ReadKey(cursor, i);
        Alignment = ReadAlignment(cursor);
        ReadTensors(cursor, tensors);
    }

    /// <summary>The file.</summary>
    public string Path => _file.Path;

    /// <summary>Version of the format.</summary>
    public int Version { get; }

    /// <summary>What tensors' offsets are multiples of.</summary>
    public int Alignment { get; }

    /// <summary>All metadata.</summary>
    public IReadOnlyDictionary<string, GgufValue> Metadata => _metadata;

    /// <summary>All tensors, in the file's order.</summary>
    public IReadOnlyCollection<GgufTensor> Tensors => _tensors.Values;

    /// <summary>The model family, as general.architecture names it.</summary>
    /// <exception cref="GgufException">The key is missing or no string.</exception>
    public string Architecture => String("general.architecture");

    /// <summary>Opens a file and reads its header; of a model in parts, the first, with all others.</summary>
    /// <exception cref="GgufException">It is malformed.</exception>
    /// <exception cref="TandemException">It cannot be read, or a part is missing or of another model.</exception>
    public static GgufFile Open(string path)
    {
        GgufFile file = OpenPart(path);
        try
        {
            file.Join(GgufParts.OpenOthers(file));
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens a file by itself, whole or a part.</summary>
    internal static GgufFile OpenPart(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new GgufFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of that name, or null.</summary>
    public GgufTensor? Find(string name) => _tensors.GetValueOrDefault(name);

    /// <summary>Start of a tensor's data.</summary>
    public byte* Data(GgufTensor tensor) => FileOf(tensor).Range(tensor.Offset, tensor.Bytes);

    /// <summary>A tensor with its bytes as they are, to be written to another file.</summary>
    public TensorSource Source(GgufTensor tensor) => new(
        tensor.Name,
        tensor.Type,
        new Shape([.. tensor.Dims.Reverse()]),
        (first, destination) => FileOf(tensor).Span(tensor.Offset + tensor.Type.Bytes(first), destination.Length).CopyTo(destination));

    /// <summary>A tensor as part of a checkpoint.</summary>
    internal StoredTensor Stored(string name, GgufTensor tensor, Shape shape, StoredOrder order) => new(name, tensor.Type, shape, FileOf(tensor), tensor.Offset, tensor.Bytes, order);

    /// <summary>The elements of a small f32 tensor.</summary>
    /// <exception cref="GgufException">It has another type.</exception>
    internal double[] Floats(GgufTensor tensor)
    {
        if (tensor.Type != DType.F32) throw new GgufException(GgufError.BadValue, $"'{Path}': tensor {CheckpointException.Quote(tensor.Name)} is {tensor.Type.Name()}; accepted: f32");
        return [.. new ReadOnlySpan<float>(Data(tensor), (int)(tensor.Bytes / sizeof(float))).ToArray().Select(x => (double)x)];
    }

    /// <summary>A string.</summary>
    /// <exception cref="GgufException">The key is missing or no string.</exception>
    public string String(string key) => Get<string>(key, "a string");

    /// <summary>A truth value.</summary>
    /// <exception cref="GgufException">The key is missing or no truth value.</exception>
    public bool Bool(string key) => Get<bool>(key, "a truth value");

    /// <summary>A whole number of any width.</summary>
    /// <exception cref="GgufException">The key is missing, no whole number, or out of range.</exception>
    public long Int(string key, long least = 0, long most = int.MaxValue)
    {
        object content = Get<object>(key, "a whole number");
        long? value = content switch
        {
            long signed => signed,
            ulong unsigned when unsigned <= long.MaxValue => (long)unsigned,
            _ => null,
        };
        return value is { } number && number >= least && number <= most ? number : throw Wrong(key, $"a whole number from {least} to {most}");
    }

    /// <summary>A number.</summary>
    /// <exception cref="GgufException">The key is missing or no number.</exception>
    public double Number(string key) => Get<object>(key, "a number") switch
    {
        double real => real,
        long signed => signed,
        ulong unsigned => unsigned,
        _ => throw Wrong(key, "a number"),
    };

    /// <summary>An array of strings.</summary>
    /// <exception cref="GgufException">The key is missing or no such array.</exception>
    public IReadOnlyList<string> Strings(string key) => Get<string[]>(key, "an array of strings");

    /// <summary>An array of numbers.</summary>
    /// <exception cref="GgufException">The key is missing or no such array.</exception>
    public IReadOnlyList<double> Numbers(string key) => Get<object>(key, "an array of numbers") switch
    {
        double[] reals => reals,
        long[] signed => [.. signed.Select(x => (double)x)],
        ulong[] unsigned => [.. unsigned.Select(x => (double)x)],
        _ => throw Wrong(key, "an array of numbers"),
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (GgufFile part in _parts) part.Dispose();
        _file.Dispose();
    }

    private MappedFile FileOf(GgufTensor tensor) => tensor.File ?? _file;

    private void Join(List<GgufFile> parts)
    {
        _parts.AddRange(parts);
        foreach (GgufFile part in parts)
            foreach (GgufTensor tensor in part.Tensors)
                if (!_tensors.TryAdd(tensor.Name, tensor)) throw new GgufException(GgufError.DuplicateTensor, $"'{part.Path}': tensor {CheckpointException.Quote(tensor.Name)} is in another part too");
    }

    private T Get<T>(string key, string accepted)
    {
        if (!_metadata.TryGetValue(key, out GgufValue? value)) throw new GgufException(GgufError.MissingKey, $"'{_file.Path}' has no key {key}; accepted: {accepted}");
        return value.Content is T content ? content : throw Wrong(key, accepted);
    }

    private GgufException Wrong(string key, string accepted) => new(GgufError.WrongValueType, $"'{_file.Path}': {key} is {_metadata[key]} ({_metadata[key].Type}); accepted: {accepted}");

    private void ReadKey(GgufCursor cursor, int index)
    {
        string key = cursor.String(new GgufPlace("key", Index: index), MaxKeyBytes);
        if (!_metadata.TryAdd(key, GgufValue.Read(cursor, key))) throw cursor.Fail(GgufError.DuplicateKey, $"key {CheckpointException.Quote(key)} occurs twice");
    }

    private int ReadAlignment(GgufCursor cursor)
    {
        const string Key = "general.alignment";
        if (!_metadata.ContainsKey(Key)) return DefaultAlignment;
        long alignment = Int(Key, long.MinValue, long.MaxValue);
        return alignment is > 0 and <= 1 << 20 && long.IsPow2(alignment) ? (int)alignment : throw cursor.Fail(GgufError.BadAlignment, $"{Key} {alignment}; accepted: a power of two up to {1 << 20}");
    }

    private void ReadTensors(GgufCursor cursor, int count)
    {
        var read = new List<(string Name, DType Type, long[] Dims, ulong Offset, long Bytes)>(count);
        for (int i = 0; i < count; i++) read.Add(ReadTensor(cursor, i));

        // The file may end with its header, if no tensor has data.
        long start = (cursor.Position + Alignment - 1) / Alignment * Alignment;
        foreach ((string name, DType type, long[] dims, ulong offset, long bytes) in read)
        {
            long room = Math.Max(0, _file.Length - start);
            if (offset > (ulong)room || bytes > room - (long)offset)
            {
                // Cut off, or never so long: a file that lacks less than all its data was longer once.
                GgufError error = offset <= (ulong)_file.Length && bytes <= _file.Length ? GgufError.Truncated : GgufError.DataOutOfFile;
                throw cursor.Fail(error, $"tensor {CheckpointException.Quote(name)} has {bytes:N0} bytes at {offset:N0} of the data, which have {room:N0}");
            }

            if (offset % (ulong)Alignment != 0) throw cursor.Fail(GgufError.OffsetUnaligned, $"tensor {CheckpointException.Quote(name)} begins at {offset:N0} of the data; accepted: multiples of {Alignment}");
            if (!_tensors.TryAdd(name, new GgufTensor(name, type, dims, start + (long)offset, bytes) { File = _file })) throw cursor.Fail(GgufError.DuplicateTensor, $"tensor {CheckpointException.Quote(name)} occurs twice");
        }

        GgufTensor? before = null;
        foreach (GgufTensor tensor in _tensors.Values.Where(t => t.Bytes > 0).OrderBy(t => t.Offset))
        {
            if (before != null && tensor.Offset < before.Offset + before.Bytes)
                throw cursor.Fail(GgufError.Overlap, $"tensors {CheckpointException.Quote(before.Name)} and {CheckpointException.Quote(tensor.Name)} share bytes");
            before = tensor;
        }
    }

    private static (string Name, DType Type, long[] Dims, ulong Offset, long Bytes) ReadTensor(GgufCursor cursor, int index)
    {
        string name = cursor.String(new GgufPlace("the name of tensor", Index: index), MaxNameBytes);
        uint rank = cursor.UInt32(new GgufPlace("the dimensions", name));
        if (rank > MaxDims) throw cursor.Fail(GgufError.TooManyDims, $"tensor {CheckpointException.Quote(name)} has {rank} dimensions; accepted: up to {MaxDims}");
        var dims = new long[rank];
        for (int i = 0; i < dims.Length; i++) dims[i] = (long)cursor.UInt64(new GgufPlace("the dimensions", name));
        uint number = cursor.UInt32(new GgufPlace("the type", name));
        if (GgufTensorTypes.Find(number) is not { } type)
            throw cursor.Fail(GgufError.UnknownTensorType, $"tensor {CheckpointException.Quote(name)} has type {number}; accepted: {GgufTensorTypes.Accepted}");
        ulong offset = cursor.UInt64(new GgufPlace("the offset", name));
        return (name, type, dims, offset, Size(cursor, name, type, dims));
    }

    private static long Size(GgufCursor cursor, string name, DType type, long[] dims)
    {
        long row = dims.Length > 0 ? dims[0] : 1;
        if (Array.Exists(dims, d => d < 0)) throw cursor.Fail(GgufError.DimOverflow, $"tensor {CheckpointException.Quote(name)} has a dimension of {(ulong)dims.First(d => d < 0):N0}; accepted: below 2^63");
        if (row % type.BlockElements() != 0)
            throw cursor.Fail(GgufError.RowNotMultipleOfBlock, $"tensor {CheckpointException.Quote(name)} has rows of {row:N0} elements; accepted for {type.Name()}: multiples of {type.BlockElements()}");
        Int128 bytes = (Int128)(row / type.BlockElements()) * type.BlockBytes();
        foreach (long dim in dims.Skip(1))
        {
            bytes *= dim;
            if (bytes > long.MaxValue) break;
        }

        return bytes <= long.MaxValue ? (long)bytes : throw cursor.Fail(GgufError.DimOverflow, $"tensor {CheckpointException.Quote(name)} [{string.Join(", ", dims)}] has more bytes than 2^63");
    }
}
