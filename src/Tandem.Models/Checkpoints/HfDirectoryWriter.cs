using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Tandem.Models;

/// <summary>
/// Writes a model in the Hugging Face layout. <c>config.json</c> is written last (and, when overwriting, removed first), so a folder that was not
/// finished is refused by readers instead of taken for a model.
/// </summary>
public static partial class HfDirectoryWriter
{
    /// <summary>The default limit of a shard: 5 GB.</summary>
    public const long DefaultShardBytes = 5_000_000_000;

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    /// <summary>Writes a model.</summary>
    /// <param name="folder">The folder, created if needed.</param>
    /// <param name="configJson">Content of <c>config.json</c>.</param>
    /// <param name="tensors">The weights; shards are filled in this order.</param>
    /// <param name="generationConfigJson">Content of <c>generation_config.json</c>, or null for none.</param>
    /// <param name="maxShardBytes">Bytes of tensors a file may hold; a larger tensor gets a file of its own.</param>
    /// <param name="overwrite">Whether a model already in the folder may be replaced. Other files, such as the tokenizer, stay.</param>
    /// <exception cref="TandemException">The folder holds a model and <paramref name="overwrite"/> is false, or it cannot be written.</exception>
    public static void Write(
        string folder,
        string configJson,
        IReadOnlyList<TensorSource> tensors,
        string? generationConfigJson = null,
        long maxShardBytes = DefaultShardBytes,
        bool overwrite = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxShardBytes);
        var twice = tensors.GroupBy(x => x.Name).FirstOrDefault(x => x.Count() > 1);
        if (twice is not null)
            throw new TandemException($"cannot write '{folder}': tensor {CheckpointException.Quote(twice.Key)} is given twice");
        Prepare(folder, overwrite);

        var shards = Split(tensors, maxShardBytes);
        if (shards.Count == 1)
        {
            SafetensorsWriter.Write(Path.Combine(folder, HfDirectory.WeightsName), shards[0], Metadata);
        }
        else
        {
            for (var i = 0; i < shards.Count; i++)
                SafetensorsWriter.Write(Path.Combine(folder, ShardName(i, shards.Count)), shards[i], Metadata);
            AtomicFile.WriteAllText(Path.Combine(folder, HfDirectory.IndexName), Index(shards));
        }

        if (generationConfigJson is not null)
            AtomicFile.WriteAllText(Path.Combine(folder, HfDirectory.GenerationConfigName), generationConfigJson);
        AtomicFile.WriteAllText(Path.Combine(folder, HfDirectory.ConfigName), configJson);
    }

    private static void Prepare(string folder, bool overwrite)
    {
        try
        {
            Directory.CreateDirectory(folder);

            // In this order: once the description is gone, no reader takes the rest for a model.
            var old = Directory.EnumerateFiles(folder)
                .Where(x => ModelFile().IsMatch(Path.GetFileName(x)))
                .OrderBy(x => Path.GetFileName(x) != HfDirectory.ConfigName)
                .ToList();
            if (old.Count > 0 && !overwrite)
                throw new TandemException($"'{folder}' already holds a model ({Path.GetFileName(old[0])}): give another folder, or allow it to be overwritten");
            foreach (var file in old)
                File.Delete(file);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot prepare folder", folder, e);
        }
    }

    private static List<List<TensorSource>> Split(IReadOnlyList<TensorSource> tensors, long maxShardBytes)
    {
        var shards = new List<List<TensorSource>> { new() };
        var bytes = 0L;
        foreach (var tensor in tensors)
        {
            if (shards[^1].Count > 0 && tensor.Bytes > maxShardBytes - bytes)
            {
                shards.Add([]);
                bytes = 0;
            }

            shards[^1].Add(tensor);
            bytes = checked(bytes + tensor.Bytes);
        }

        return shards;
    }

    private static string Index(List<List<TensorSource>> shards)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", shards.Sum(x => x.Sum(t => t.Bytes)));
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            var entries = shards.SelectMany((shard, i) => shard.Select(t => (t.Name, File: ShardName(i, shards.Count))));
            foreach (var (name, file) in entries.OrderBy(x => x.Name, StringComparer.Ordinal))
                json.WriteString(name, file);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    private static string ShardName(int index, int count) => $"model-{index + 1:D5}-of-{count:D5}.safetensors";

    [GeneratedRegex(@"^(config\.json|generation_config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json)$")]
    private static partial Regex ModelFile();
}
