using System.Globalization;
using System.Text.Json.Nodes;

namespace Tandem.Training;

/// <summary>The JSON schema of a training configuration (draft 2020-12), made from the table of keys: editors complete, explain and check by it.</summary>
public static class ConfigSchema
{
    /// <summary>The schema.</summary>
    public static string Write()
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        foreach (ConfigSection section in TrainConfig.Sections.Where(s => s.Object.Length == 0)) Add(section, properties, required);
        foreach (ConfigSection section in TrainConfig.Sections.Where(s => s.Object.Length > 0))
        {
            var inner = new JsonObject();
            var innerRequired = new JsonArray();
            Add(section, inner, innerRequired);
            JsonObject target = properties[section.Object]!.AsObject();
            target["properties"] = inner;
            if (innerRequired.Count > 0) target["required"] = innerRequired;

            // A model's own keys are those of its family's config.json.
            if (section.Keys != ModelSourceConfig.ModelKeys) target["additionalProperties"] = false;
        }

        var schema = new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = "Tandem training run",
            ["type"] = "object",
            ["properties"] = properties,
            ["required"] = required,
            ["additionalProperties"] = false,
        };
        return schema.ToJsonString(new System.Text.Json.JsonSerializerOptions { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }) + "\n";
    }

    private static void Add(ConfigSection section, JsonObject properties, JsonArray required)
    {
        foreach (ConfigKey key in section.Keys)
        {
            properties[key.Name] = Property(key);
            if (key.Default.Length == 0) required.Add((JsonNode)key.Name);
        }
    }

    private static JsonObject Property(ConfigKey key)
    {
        var property = new JsonObject { ["description"] = $"{key.Description}. Accepted: {key.Accepted}." };
        bool optional = key.Default == "null";
        string type = key.Type == "choice" ? "string" : key.Type;
        property["type"] = optional ? new JsonArray(type, "null") : type;
        if (key.Type == "choice") property["enum"] = new JsonArray([.. key.Accepted.Split(", ").Select(c => (JsonNode)c)]);
        if (key.Default.Length > 0) property["default"] = JsonNode.Parse(key.Default);
        if (key.Type is "integer" or "number" && Range(key.Accepted) is { } range)
        {
            property["minimum"] = range.Low;
            property["maximum"] = range.High;
        }

        return property;
    }

    // "A to B", as the table writes ranges; other texts are for readers only.
    private static (double Low, double High)? Range(string accepted)
    {
        string[] parts = accepted.Split(" to ");
        bool isRange = parts.Length == 2 && double.TryParse(parts[0], NumberStyles.Float, CultureInfo.InvariantCulture, out _) && double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out _);
        return isRange ? (double.Parse(parts[0], CultureInfo.InvariantCulture), double.Parse(parts[1], CultureInfo.InvariantCulture)) : null;
    }
}
