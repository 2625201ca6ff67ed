namespace Tandem.Models;

/// <summary>
/// An open safetensors file, mapped into memory. Opening checks the whole header: after it, every tensor's bytes are inside the file,
/// belong to it alone, and fit its shape and type. (Format: https://github.com/huggingface/safetensors.)
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, StoredTensor> _byName;

    private SafetensorsFile(MappedFile file)
    {
        _file = file;
        var place = $"'{file.Path}'";
        var length = SafetensorsHeader.ReadLength(file.Span(0, (int)Math.Min(8, file.Length)), file.Length, place);
        var header = SafetensorsHeader.Parse(file.Span(8, length), file.Length - 8 - length, place);
        var tensors = new StoredTensor[header.Tensors.Count];
        _byName = new(tensors.Length);
        for (var i = 0; i < tensors.Length; i++)
        {
            var info = header.Tensors[i];
            tensors[i] = new(info.Name, info.Type, info.Shape, file, 8 + length + info.Begin, info.End - info.Begin);
            _byName.Add(info.Name, tensors[i]);
        }

        Tensors = tensors;
        Metadata = header.Metadata;
    }

    /// <summary>The path it was opened with.</summary>
    public string Path => _file.Path;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<StoredTensor> Tensors { get; }

    /// <summary>The strings under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="TandemException">It cannot be read (a <see cref="CheckpointException"/> where its content is at fault).</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="TandemException">There is none.</exception>
    public StoredTensor this[string name] =>
        TryGet(name) ?? throw new TandemException($"'{Path}' has no tensor {CheckpointException.Quote(name)}; it has {Tensors.Count} others");

    /// <summary>The tensor of that name, or null.</summary>
    public StoredTensor? TryGet(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Unmaps the file; the tensors may no longer be read.</summary>
    public void Dispose() => _file.Dispose();
}
