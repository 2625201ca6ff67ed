using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance;

/// <summary>A case's model directory, unpacked to a place where the engine's loader can read it.</summary>
internal sealed class ModelFiles : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("tandem-conformance-").FullName;
    private readonly CaseFolder _folder;

    /// <summary>Copies the weights and side files of a model directory.</summary>
    public ModelFiles(CaseFolder folder)
    {
        _folder = folder;
        var files = new List<string>();
        if (folder.CanRead(HfDirectory.IndexName))
        {
            files.Add(HfDirectory.IndexName);
            JsonElement shards = folder.Json(HfDirectory.IndexName).GetProperty("weight_map");
            files.AddRange(shards.EnumerateObject().Select(t => t.Value.GetString()!).Distinct(StringComparer.Ordinal));
        }
        else
        {
            files.Add(HfDirectory.WeightsName);
        }

        if (folder.CanRead(HfDirectory.GenerationConfigName)) files.Add(HfDirectory.GenerationConfigName);
        folder.CopyTo(_directory, files);
    }

    /// <summary>Notes all files that belong to a model directory as read, whether or not the engine knows the model.</summary>
    public static void Claim(CaseFolder folder)
    {
        foreach (string file in (string[])["config.json", "config.v4.json", HfDirectory.GenerationConfigName, HfDirectory.IndexName, "modules.json"]) folder.Claim(file);
        foreach (string file in folder.Files.Where(f => f.StartsWith("model", StringComparison.Ordinal) && f.EndsWith(".safetensors", StringComparison.Ordinal)))
            folder.Claim(file);
        folder.Sub("1_Pooling").Claim("config.json");
    }

    /// <summary>Throws if the engine has no graph for the model.</summary>
    /// <exception cref="UnsupportedException">With the model type.</exception>
    public static void RequireSupported(JsonElement config)
    {
        string type = config.TryGetProperty("model_type", out JsonElement name) ? name.GetString() ?? "" : "";
        try
        {
            ModelGraphs.Serve(ModelConfig.Parse(config.GetRawText()), new KvPlacement(DType.F32, 1));
        }
        catch (TandemException e) when (e.Message.Contains($"model_type '{type}'", StringComparison.Ordinal))
        {
            throw new UnsupportedException(type);
        }
    }

    /// <summary>Loads the model as described by the given config file.</summary>
    public Model Load(string configFile = HfDirectory.ConfigName)
    {
        File.WriteAllBytes(Path.Combine(_directory, HfDirectory.ConfigName), _folder.Read(configFile));
        return Model.Load(_directory);
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
