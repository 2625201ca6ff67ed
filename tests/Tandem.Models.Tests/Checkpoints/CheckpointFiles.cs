using System.IO.Compression;
using System.Text.Json;

namespace Tandem.Models.Tests;

/// <summary>Golden files of the checkpoint and config tests, and a folder for each test that writes.</summary>
internal sealed class CheckpointFiles : IDisposable
{
    private static readonly Lazy<JsonElement> LazyConfigs = new(() => JsonDocument.Parse(File.ReadAllText(Golden("configs.json"))).RootElement);

    public CheckpointFiles()
    {
        Folder = Path.Combine(Path.GetTempPath(), "tandem-" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(Folder);
    }

    /// <summary>By case of the model goldens: config, config_v4, generation_config, rope.</summary>
    public static JsonElement Configs => LazyConfigs.Value;

    /// <summary>The cases of the families supported here.</summary>
    public static IEnumerable<JsonProperty> SupportedConfigs =>
        Configs.EnumerateObject().Where(x => ModelFamilies.All.Any(f => f.ModelType == x.Value.GetProperty("config").GetProperty("model_type").GetString()));

    public string Folder { get; }

    public static string Golden(string name) =>
        Above(folder => Path.Combine(folder, "Checkpoints", "goldens", name)) ?? throw new FileNotFoundException("no goldens folder above the test binary", name);

    /// <summary>A file or folder of the shared data beside the repository, or null.</summary>
    public static string? SharedData(string name) => Above(folder => Path.Combine(folder, "shared", "data", name));

    /// <summary>A folder of the shared goldens beside the repository, or null.</summary>
    public static string? Shared(string name) => Above(folder => Path.Combine(folder, "shared", "goldens", name));

    public static Dictionary<string, byte[]> Malformed(string format = "safetensors")
    {
        using var zip = ZipFile.OpenRead(Golden($"malformed_{format}.zip"));
        return zip.Entries.ToDictionary(x => x.Name, x =>
        {
            using var stream = x.Open();
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            return copy.ToArray();
        });
    }

    public string At(string name) => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static string? Above(Func<string, string> path)
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (Path.Exists(path(folder)))
                return path(folder);
        }

        return null;
    }
}
