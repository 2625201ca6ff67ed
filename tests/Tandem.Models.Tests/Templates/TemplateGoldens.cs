using System.IO.Compression;
using System.Text.Json;

namespace Tandem.Models.Tests;

/// <summary>The golden files of the templates, and the clock that they were made with.</summary>
internal static class TemplateGoldens
{
    public static TemplateOptions Options(bool strict = false) => new() { StrictUndefined = strict, Clock = new FrozenClock() };

    /// <summary>The lines of a file of this project's goldens.</summary>
    public static IEnumerable<JsonElement> Own(string name)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(Path.Combine(AppContext.BaseDirectory, "goldens", "templates", name + ".jsonl.gz")), CompressionMode.Decompress));
        return Lines(reader.ReadToEnd());
    }

    public static IEnumerable<JsonElement> Lines(string text) => [.. text.Split('\n').Where(x => x.Length > 0).Select(x => JsonDocument.Parse(x).RootElement)];

    public static IEnumerable<KeyValuePair<string, TemplateValue>> Values(JsonElement json) => json.EnumerateObject().Select(x => KeyValuePair.Create(x.Name, TemplateValue.FromJson(x.Value)));

    public static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private sealed class FrozenClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2025, 3, 14, 15, 9, 26, TimeSpan.Zero);
    }
}
