using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tandem.Training;

public sealed partial record TrainConfig
{
    private const int MaxFileBytes = 16_000_000;

    /// <summary>Reads a file; <paramref name="overrides"/> are <c>key=value</c> or <c>section.key=value</c>.</summary>
    /// <exception cref="TandemException">The file or its values are wrong; the message lists all mistakes.</exception>
    public static TrainConfig Load(string path, IEnumerable<string>? overrides = null)
    {
        string text;
        try
        {
            if (new FileInfo(path).Length > MaxFileBytes) throw new TandemException($"'{path}' has {new FileInfo(path).Length} bytes; accepted: up to {MaxFileBytes}");
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }

        using (ParseJson(text, path))
        {
            // Only for its message, which has the line.
        }

        JsonNode? root = JsonNode.Parse(text);
        if (root is not JsonObject) throw new TandemException($"{path}: is no object; accepted: a JSON object with the keys of docs/training.md");
        foreach (string change in overrides ?? []) Override(root.AsObject(), change);
        return Parse(root.ToJsonString(new JsonSerializerOptions { WriteIndented = true }), path);
    }

    private static JsonDocument ParseJson(string json, string place)
    {
        try
        {
            return JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException e)
        {
            string[] lines = json.Split('\n');
            string line = e.LineNumber is { } n && n < lines.Length ? $"line {n + 1}: {lines[n].Trim()}: " : "";
            throw new TandemException($"{place}, {line}not valid JSON ({e.Message})", e);
        }
    }

    private static void Override(JsonObject root, string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new TandemException($"override '{text}'; accepted: key=value or section.key=value");
        string[] keys = text[..equals].Split('.');
        JsonObject target = root;
        foreach (string key in keys[..^1])
        {
            target[key] ??= new JsonObject();
            target = target[key] as JsonObject ?? throw new TandemException($"override '{text}': {key} is no object; accepted: key=value or section.key=value");
        }

        target[keys[^1]] = Value(text[(equals + 1)..]);
    }

    // A value that is no JSON is a string, so that paths need no quotes.
    private static JsonNode? Value(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }

    /// <summary>The keys and values, nested ones as <c>section.key</c>: what two configs are compared by.</summary>
    internal static SortedDictionary<string, string> Flatten(string json)
    {
        var flat = new SortedDictionary<string, string>(StringComparer.Ordinal);
        using JsonDocument document = JsonDocument.Parse(json);
        Add(document.RootElement, "");
        return flat;

        void Add(JsonElement element, string prefix)
        {
            foreach (JsonProperty property in element.EnumerateObject())
            {
                if (property.Value.ValueKind == JsonValueKind.Object) Add(property.Value, prefix + property.Name + ".");
                else flat[prefix + property.Name] = Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(property.Value, ConfigJson.Default.JsonElement));
            }
        }
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(JsonElement))]
internal sealed partial class ConfigJson : System.Text.Json.Serialization.JsonSerializerContext;
