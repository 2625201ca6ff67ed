namespace Tandem.Models;

/// <summary>
/// A model in a GGUF file, seen as a Hugging Face directory would show it: its config, and its tensors under their names and shapes and with their rows in the order there.
/// Names and keys of architectures are tables; an architecture is added by its rows.
/// </summary>
public sealed unsafe class GgufModel : IDisposable
{
    private GgufModel(GgufFile file)
    {
        File = file;
        GgufArchitecture architecture = GgufArchitecture.Get(file);
        Config = ModelConfig.Parse(GgufConfig.ToJson(architecture, file), $"'{file.Path}'");
        Tensors = new CheckpointTensors($"'{file.Path}'", file.Tensors.Where(t => t.Name != GgufArchitecture.RopeFactors).Select(t => View(architecture, t)));
    }

    /// <summary>The file.</summary>
    public GgufFile File { get; }

    /// <summary>The model.</summary>
    public ModelConfig Config { get; }

    /// <summary>All weights.</summary>
    public CheckpointTensors Tensors { get; }

    /// <summary>Whether a path is taken for a GGUF file: an existing file that begins with the format's four letters, or has its ending.</summary>
    public static bool IsGguf(string path)
    {
        if (!System.IO.File.Exists(path)) return false;
        if (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)) return true;
        using FileStream stream = System.IO.File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return stream.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("GGUF"u8);
    }

    /// <summary>Opens a file.</summary>
    /// <exception cref="GgufException">It is malformed, or lacks a key.</exception>
    /// <exception cref="TandemException">It cannot be read, or its architecture is not supported.</exception>
    public static GgufModel Open(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new GgufModel(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => File.Dispose();

    private StoredTensor View(GgufArchitecture architecture, GgufTensor tensor)
    {
        // Rows without elements cost a file nothing, and would cost their order here.
        long[] dims = [.. tensor.Dims.Reverse()];
        StoredOrder order = dims.Length == 0 || tensor.Bytes == 0 ? default : architecture.OrderInFile(tensor.Name, dims[0], Config);
        if (order.Transposed && dims.Length == 2) Array.Reverse(dims);
        else order = order with { Transposed = false };
        return File.Stored(architecture.HuggingFaceName(tensor.Name), tensor, new Shape(dims), order);
    }
}
