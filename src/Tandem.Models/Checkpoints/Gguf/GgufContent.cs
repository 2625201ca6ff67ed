namespace Tandem.Models;

/// <summary>What a model's recipe of types depends on.</summary>
/// <param name="NumLayers">Layers.</param>
/// <param name="NumHeads">Query heads.</param>
/// <param name="NumKvHeads">Key/value heads.</param>
/// <param name="NumExperts">Experts of a layer; 0 is none.</param>
/// <param name="IsTied">Whether the output head is the embedding.</param>
public readonly record struct ModelTraits(int NumLayers, int NumHeads, int NumKvHeads, int NumExperts, bool IsTied);

/// <summary>
/// A model as a GGUF file holds it: from such a file, of any architecture, or from a Hugging Face directory of one that has a place there. What is read is what is asked for:
/// the model may be larger than memory.
/// </summary>
public sealed class GgufContent : IDisposable
{
    private readonly IDisposable _source;

    private GgufContent(IDisposable source, IReadOnlyList<KeyValuePair<string, GgufValue>> metadata, IReadOnlyList<GgufTensorView> tensors, ModelTraits traits)
    {
        _source = source;
        Metadata = metadata;
        Tensors = tensors;
        Traits = traits;
    }

    /// <summary>The keys, in their order.</summary>
    public IReadOnlyList<KeyValuePair<string, GgufValue>> Metadata { get; }

    /// <summary>The tensors, in their order.</summary>
    public IReadOnlyList<GgufTensorView> Tensors { get; }

    /// <summary>What recipes depend on.</summary>
    public ModelTraits Traits { get; }

    /// <summary>Opens a GGUF file or a Hugging Face directory.</summary>
    /// <exception cref="TandemException">It cannot be read, or has no place in a GGUF file.</exception>
    public static GgufContent Open(string path) => Directory.Exists(path) ? OpenFolder(path) : OpenFile(path);

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();

    private static GgufContent OpenFile(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            int Count(string key, int absent) => file.Metadata.ContainsKey($"{file.Architecture}.{key}") ? (int)file.Int($"{file.Architecture}.{key}") : absent;
            int heads = Count("attention.head_count", 1);
            var traits = new ModelTraits(Count("block_count", 0), heads, Count("attention.head_count_kv", heads), Count("expert_count", 0), file.Find("output.weight") == null);
            return new GgufContent(
                file,
                [.. file.Metadata.Where(m => !m.Key.StartsWith(GgufParts.Prefix, StringComparison.Ordinal))],
                [.. file.Tensors.Select(t => new GgufTensorView(t.Name, file.Stored(t.Name, t, new Shape([.. t.Dims.Reverse()]), default), t.Type, null, false))],
                traits);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static GgufContent OpenFolder(string path)
    {
        HfDirectory directory = HfDirectory.Open(path);
        try
        {
            ModelConfig config = directory.ReadConfig();
            GgufArchitecture architecture = GgufArchitecture.For(config);
            List<GgufTensorView> tensors = [.. Model.MatchWeights(config, directory.Tensors, path).Select(t => View(architecture, config, t))];
            if (GgufMetadata.RopeFactors(config) is { } factors) tensors.Add(new GgufTensorView(GgufArchitecture.RopeFactors, factors));
            List<KeyValuePair<string, GgufValue>> metadata = GgufMetadata.Of(config, Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))));
            metadata.AddRange(GgufVocabularyKeys.Of(path, config));
            return new GgufContent(directory, metadata, tensors, new ModelTraits(config.NumLayers, config.NumHeads, config.NumKvHeads, 0, config.TieWordEmbeddings));
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    private static GgufTensorView View(GgufArchitecture architecture, ModelConfig config, StoredTensor stored)
    {
        string name = architecture.GgufName(stored.Name);

        // Other programs want vectors and learned positions in f32; 8-bit floats fit into bf16.
        bool isWide = stored.Shape.Rank < 2 || name.StartsWith("position_embd", StringComparison.Ordinal);
        DType type = isWide || stored.Type == StoredType.F64 ? DType.F32 : stored.Type is StoredType.F8E4M3 or StoredType.F8E5M2 ? DType.BF16 : stored.ElementType!.Value;
        bool transposed = architecture.IsTransposed(name);
        return new GgufTensorView(name, stored, type, transposed ? null : architecture.RowsForFile(name, stored.Shape[0], config), transposed);
    }
}
