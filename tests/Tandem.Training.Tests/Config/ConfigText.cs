using System.Text.Json;
using Tandem.Models;
using Xunit;

namespace Tandem.Training.Tests;

/// <summary>Configs written in a test, and what they say of mistakes.</summary>
internal static class ConfigText
{
    /// <summary>A reader of a JSON object.</summary>
    public static ConfigReader Reader(string json) => new(JsonDocument.Parse(json).RootElement, "config");

    /// <summary>The message with all mistakes, each of which must name the key and what is accepted.</summary>
    public static string Mistakes(string json, Action<ConfigReader> read)
    {
        ConfigReader reader = Reader(json);
        read(reader);
        return Assert.Throws<TandemException>(reader.ThrowIfMistaken).Message;
    }

    /// <summary>Asserts that the keys as data are complete: known JSON types, JSON defaults, no name twice.</summary>
    public static void Check(IReadOnlyList<ConfigKey> keys)
    {
        Assert.Equal(keys.Count, keys.Select(k => k.Name).Distinct().Count());
        Assert.All(keys, key =>
        {
            Assert.Contains(key.Type, (string[])["number", "integer", "boolean", "string", "choice", "array", "object"]);
            Assert.NotEmpty(key.Accepted);
            Assert.NotEmpty(key.Description);
            if (key.Default is "" or "null") return;
            JsonElement value = JsonDocument.Parse(key.Default).RootElement;
            if (key.Type == "choice") Assert.Contains(value.GetString(), key.Accepted.Split(", "));
            else if (key.Type == "boolean") Assert.Contains(value.ValueKind, (JsonValueKind[])[JsonValueKind.True, JsonValueKind.False]);
            else Assert.Equal(key.Type switch { "array" => JsonValueKind.Array, "string" => JsonValueKind.String, _ => JsonValueKind.Number }, value.ValueKind);
        });
    }
}
