using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// A model in the Hugging Face layout: a folder with <c>config.json</c> and either <c>model.safetensors</c> or shards listed in
/// <c>model.safetensors.index.json</c>. All shards stay mapped until it is disposed.
/// </summary>
public sealed class HfDirectory : IDisposable
{
    /// <summary>File name of the model's description.</summary>
    public const string ConfigName = "config.json";

    /// <summary>File name of the generation defaults, which may be absent.</summary>
    public const string GenerationConfigName = "generation_config.json";

    /// <summary>File name of the weights of a model that is not sharded.</summary>
    public const string WeightsName = "model.safetensors";

    /// <summary>File name of the list of shards.</summary>
    public const string IndexName = "model.safetensors.index.json";

    private const int MaxIndexBytes = 100_000_000;

    private readonly List<SafetensorsFile> _files = [];

    private HfDirectory(string folder)
    {
        Folder = folder;
        if (!Directory.Exists(folder))
            throw new TandemException(File.Exists(folder) ? $"'{folder}' is a file, and not a GGUF file; accepted: a model's folder, or a GGUF file" : $"'{folder}': there is no such folder or file");
        if (!File.Exists(Path.Combine(folder, ConfigName)))
            throw new TandemException($"'{folder}' has no {ConfigName}: accepted is a folder in the Hugging Face layout");

        try
        {
            var tensors = File.Exists(Path.Combine(folder, WeightsName)) ? OpenShard(WeightsName).Tensors
                : File.Exists(Path.Combine(folder, IndexName)) ? OpenShards()
                : throw new TandemException($"'{folder}' has no weights: accepted are {WeightsName}, or {IndexName} with its shards{OtherFormats(folder)}");
            Tensors = new($"'{folder}'", tensors);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>All tensors of all shards.</summary>
    public CheckpointTensors Tensors { get; }

    /// <summary>The shards' paths.</summary>
    public IEnumerable<string> Files => _files.Select(x => x.Path);

    /// <summary>Opens a folder, checks that its files belong together, and maps the weights.</summary>
    /// <exception cref="TandemException">Something is missing or malformed.</exception>
    public static HfDirectory Open(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return new(folder);
    }

    /// <summary>Reads the model's description.</summary>
    /// <exception cref="TandemException">It is malformed or describes something unsupported.</exception>
    public ModelConfig ReadConfig() => ModelConfig.Load(Path.Combine(Folder, ConfigName));

    /// <summary>Reads the generation defaults; where the file is absent, those implied by the model's description.</summary>
    /// <exception cref="TandemException">It is malformed.</exception>
    public GenerationConfig ReadGenerationConfig()
    {
        var path = Path.Combine(Folder, GenerationConfigName);
        return File.Exists(path) ? GenerationConfig.Load(path) : GenerationConfig.From(ReadConfig());
    }

    /// <summary>Unmaps all shards.</summary>
    public void Dispose()
    {
        foreach (var file in _files)
            file.Dispose();
        _files.Clear();
    }

    private SafetensorsFile OpenShard(string name)
    {
        var file = SafetensorsFile.Open(Path.Combine(Folder, name));
        _files.Add(file);
        return file;
    }

    private List<StoredTensor> OpenShards()
    {
        var map = ReadIndex();
        var missing = map.Values.Distinct().Where(x => !File.Exists(Path.Combine(Folder, x))).Order(StringComparer.Ordinal).ToList();
        if (missing.Count > 0)
            throw new TandemException($"'{Folder}': {IndexName} names {missing.Count} files that are not there: {List(missing)}");

        var shards = map.Values.Distinct().Order(StringComparer.Ordinal).ToDictionary(x => x, OpenShard);
        var absent = map.Where(x => shards[x.Value].TryGet(x.Key) is null).Select(x => $"{CheckpointException.Quote(x.Key)} in {x.Value}").ToList();
        if (absent.Count > 0)
            throw new TandemException($"'{Folder}': {absent.Count} tensors of {IndexName} are not in the files it names: {List(absent)}");

        // A tensor the index does not list is kept, so that the loader can call it unexpected; one it puts into another file is that file's.
        return [.. shards.SelectMany(x => x.Value.Tensors.Where(t => !map.TryGetValue(t.Name, out var file) || file == x.Key))];
    }

    private Dictionary<string, string> ReadIndex()
    {
        var path = Path.Combine(Folder, IndexName);
        using var document = BoundedJson.ReadFile(path, MaxIndexBytes);
        if (!document.RootElement.TryGetProperty("weight_map", out var weightMap) || weightMap.ValueKind != JsonValueKind.Object)
            throw new TandemException($"'{path}': weight_map is missing or not an object of tensor name to file name");

        var map = new Dictionary<string, string>();
        foreach (var entry in weightMap.EnumerateObject())
        {
            var file = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()! : "";
            if (!IsPlainFileName(file))
            {
                var message = $"'{path}': tensor {CheckpointException.Quote(entry.Name)} is said to be in {CheckpointException.Quote(file)}; "
                    + "accepted: the name of a .safetensors file in the same folder";
                throw new TandemException(message);
            }

            map.Add(entry.Name, file);
        }

        if (map.Count == 0)
            throw new TandemException($"'{path}': weight_map is empty");
        return map;
    }

    /// <summary>No folders, no drive, nothing above: a shard stands beside its index.</summary>
    private static bool IsPlainFileName(string name) =>
        name.EndsWith(".safetensors", StringComparison.Ordinal) && name.Length is > 12 and <= 255 && !name.StartsWith('.')
        && name.AsSpan().IndexOfAny("/\\:\0") < 0;

    private static string OtherFormats(string folder)
    {
        var others = Directory.EnumerateFiles(folder)
            .Select(x => Path.GetFileName(x))
            .Where(x => x.EndsWith(".bin", StringComparison.Ordinal) || x.EndsWith(".pt", StringComparison.Ordinal) || x.EndsWith(".pth", StringComparison.Ordinal)
                || x.EndsWith(".gguf", StringComparison.Ordinal) || x.EndsWith(".safetensors", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .ToList();
        return others.Count == 0 ? "" : $" (it has {List(others)})";
    }

    private static string List(List<string> items) => string.Join(", ", items.Take(10)) + (items.Count > 10 ? $" and {items.Count - 10} more" : "");
}
