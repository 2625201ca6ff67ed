using System.Text.Json;

namespace Tandem.Models;

/// <summary>Reads the parts of a <c>tokenizer.json</c>: every error names the place, the value and what would be accepted.</summary>
internal static class PartJson
{
    private const int MaxId = (1 << 22) - 1;

    /// <summary>A part given as JSON.</summary>
    public static JsonElement Of(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    /// <summary>The <c>type</c> of a part.</summary>
    public static string Type(JsonElement part, string place) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String
            ? type.GetString()!
            : throw new TandemException($"{place}: {Short(part)}, wanted an object with a type");

    /// <summary>The error for a part of a kind that is not built.</summary>
    public static TandemException Unsupported(string place, string kind, string supported) => new($"{place}: '{kind}' is not supported; there are {supported}");

    /// <summary>A boolean, or what it is when the file does not say.</summary>
    public static bool Bool(JsonElement part, string place, string name, bool missing)
    {
        if (!part.TryGetProperty(name, out JsonElement value)) return missing;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw new TandemException($"{place}.{name}: {Short(value)}, wanted true or false");
    }

    /// <summary>A token id; there is a bound, since tables of that size are made.</summary>
    public static int Id(JsonElement value, string place) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) && id is >= 0 and <= MaxId ? id : throw new TandemException($"{place}: {Short(value)}, wanted a whole number from 0 to {MaxId}");

    /// <summary>A string.</summary>
    public static string String(JsonElement value, string place) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new TandemException($"{place}: {Short(value)}, wanted a string");

    /// <summary>A string, or what it is when the file does not say.</summary>
    public static string Text(JsonElement part, string place, string name, string missing) =>
        part.TryGetProperty(name, out JsonElement value) ? String(value, $"{place}.{name}") : missing;

    /// <summary>A name out of a list, or what it is when the file does not say.</summary>
    public static T Name<T>(JsonElement part, string place, string name, T missing)
        where T : struct, Enum
    {
        if (IsNull(part, name)) return missing;
        string text = String(part.GetProperty(name), $"{place}.{name}");
        return Array.IndexOf(Enum.GetNames<T>(), text) is >= 0 and var index ? Enum.GetValues<T>()[index]
            : throw new TandemException($"{place}.{name}: '{text}', wanted {string.Join(", ", Enum.GetNames<T>())}");
    }

    /// <summary>A property that must be there.</summary>
    public static JsonElement Need(JsonElement part, string place, string name) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty(name, out JsonElement value) ? value : throw new TandemException($"{place}.{name}: is missing");

    /// <summary>The items of a property that must be a list, each with its place.</summary>
    public static IEnumerable<(JsonElement Item, string Place)> Items(JsonElement part, string place, string name)
    {
        JsonElement list = Need(part, place, name);
        if (list.ValueKind != JsonValueKind.Array) throw new TandemException($"{place}.{name}: {Short(list)}, wanted a list");
        return list.EnumerateArray().Select((item, i) => (item, $"{place}.{name}[{i}]"));
    }

    /// <summary>Whether a property is missing or null.</summary>
    public static bool IsNull(JsonElement part, string name) => !part.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null;

    /// <summary>Whether a property is missing, null, false, 0 or empty.</summary>
    public static bool IsOff(JsonElement part, string name) => !part.TryGetProperty(name, out JsonElement value) || value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => value.GetString()!.Length == 0,
        JsonValueKind.Number => value.GetDouble() == 0,
        _ => false,
    };

    /// <summary>A value as it stands, cut when long.</summary>
    public static string Short(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "...";
    }
}
