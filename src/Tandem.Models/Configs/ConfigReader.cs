using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// Reads values of a JSON object and collects what is wrong with them, so that a user sees all mistakes at once. A wrong value reads as
/// the default; the caller ends with <see cref="ThrowIfMistaken"/>.
/// </summary>
internal sealed class ConfigReader
{
    private readonly JsonElement _object;
    private readonly string _place;
    private readonly string _prefix;
    private readonly List<string> _mistakes;
    private readonly HashSet<string> _keysRead = [];
    private readonly HashSet<string> _wrongKeys = [];

    public ConfigReader(JsonElement root, string place)
        : this(root, place, "", [])
    {
    }

    private ConfigReader(JsonElement root, string place, string prefix, List<string> mistakes)
    {
        _object = root;
        _place = place;
        _prefix = prefix;
        _mistakes = mistakes;
    }

    /// <summary>Keys whose values were asked for, there or not.</summary>
    public IReadOnlySet<string> KeysRead => _keysRead;

    /// <summary>True when the key is there, even with null.</summary>
    public bool Has(string key) => _object.TryGetProperty(key, out _);

    /// <summary>The nested object, or null when it is absent or null. Its mistakes are counted here.</summary>
    public ConfigReader? Object(string key)
    {
        if (!TryGet(key, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.Object)
            return new(value, _place, _prefix + key + ".", _mistakes);
        Mistake(key, value, "an object");
        return null;
    }

    /// <summary>A whole number; <paramref name="default"/> when absent or null, a mistake when that is null.</summary>
    public int Int(string key, int min, int max, int? @default = null)
    {
        if (!TryGet(key, out _) && @default is null)
            Missing(key, $"a whole number from {min} to {max}");
        return OptionalInt(key, min, max) ?? @default ?? min;
    }

    /// <summary>A whole number, or null when absent or null.</summary>
    public int? OptionalInt(string key, int min, int max)
    {
        if (!TryGet(key, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= min && number <= max)
            return number;
        Mistake(key, value, $"a whole number from {min} to {max}");
        return null;
    }

    /// <summary>A number within the range, bounds included; <paramref name="default"/> when absent or null.</summary>
    public double Number(string key, double min, double max, double @default) => OptionalNumber(key, min, max) ?? @default;

    /// <summary>A number within the range, bounds included, or null when absent or null.</summary>
    public double? OptionalNumber(string key, double min, double max)
    {
        if (!TryGet(key, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= min && number <= max)
            return number;
        Mistake(key, value, $"a number from {Show(min)} to {Show(max)}");
        return null;
    }

    /// <summary>A truth value; <paramref name="default"/> when absent or null.</summary>
    public bool Bool(string key, bool @default)
    {
        if (!TryGet(key, out var value))
            return @default;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return value.GetBoolean();
        Mistake(key, value, "true or false");
        return @default;
    }

    /// <summary>A string, or null when absent or null.</summary>
    public string? Text(string key)
    {
        if (!TryGet(key, out var value))
            return null;
        if (value.ValueKind == JsonValueKind.String)
            return value.GetString();
        Mistake(key, value, "a string");
        return null;
    }

    /// <summary>One of the names of <paramref name="choices"/>; <paramref name="default"/> when absent or null.</summary>
    public T Choice<T>(string key, IReadOnlyList<(string Name, T Value)> choices, T @default)
    {
        if (!TryGet(key, out var value))
            return @default;
        var text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        foreach (var (name, result) in choices)
        {
            if (name == text)
                return result;
        }

        Mistake(key, value, string.Join(", ", choices.Select(x => x.Name)));
        return @default;
    }

    /// <summary>A list of numbers, or null when absent or null.</summary>
    public double[]? Numbers(string key, double min, double max, int maxCount) =>
        List(key, maxCount, $"a list of up to {maxCount} numbers from {Show(min)} to {Show(max)}", (JsonElement x, out double result) =>
        {
            result = 0;
            return x.ValueKind == JsonValueKind.Number && x.TryGetDouble(out result) && result >= min && result <= max;
        });

    /// <summary>A list of strings, or null when absent or null.</summary>
    public string[]? Texts(string key, int maxCount) =>
        List(key, maxCount, $"a list of up to {maxCount} strings", (JsonElement x, out string result) =>
        {
            result = x.ValueKind == JsonValueKind.String ? x.GetString()! : "";
            return x.ValueKind == JsonValueKind.String;
        });

    /// <summary>Token ids given as one number or as a list; empty when absent or null. -1 means none.</summary>
    public int[] TokenIds(string key)
    {
        if (TryGet(key, out var value) && value.ValueKind == JsonValueKind.Array)
        {
            return List(key, 1000, "a token id or a list of up to 1000 of them", (JsonElement x, out int result) =>
            {
                result = 0;
                return x.ValueKind == JsonValueKind.Number && x.TryGetInt32(out result) && result >= 0;
            }) ?? [];
        }

        return TokenId(key) is { } id ? [id] : [];
    }

    /// <summary>A token id, or null when absent, null or -1.</summary>
    public int? TokenId(string key) => OptionalInt(key, -1, int.MaxValue) is { } id and >= 0 ? id : null;

    /// <summary>Notes a wrong value that is there.</summary>
    public void Mistake(string key, string accepted)
    {
        if (TryGet(key, out var value))
            Mistake(key, value, accepted);
        else
            Missing(key, accepted);
    }

    /// <summary>Notes a key that must be there.</summary>
    public void Missing(string key, string accepted)
    {
        _wrongKeys.Add(key);
        _mistakes.Add($"{_prefix}{key} is missing; accepted: {accepted}");
    }

    /// <summary>Notes every key that is not one of <paramref name="known"/>, with the nearest one.</summary>
    public void RefuseUnknown(params IReadOnlyList<string> known)
    {
        foreach (JsonProperty property in _object.EnumerateObject())
        {
            if (known.Contains(property.Name)) continue;
            string hint = Spelling.Nearest(property.Name, known) is { } nearest ? $"did you mean {nearest}?" : $"known are {string.Join(", ", known)}";
            _mistakes.Add($"{_prefix}{property.Name} is not a key of this object; {hint}");
        }
    }

    /// <summary>Notes values that do not fit each other, unless one of them is wrong by itself.</summary>
    public void Conflict(string message, params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
            if (_wrongKeys.Contains(key)) return;
        _mistakes.Add(_prefix + message);
    }

    /// <summary>Throws when there was a mistake, with all of them.</summary>
    public void ThrowIfMistaken()
    {
        if (_mistakes.Count == 1)
            throw new TandemException($"{_place}: {_mistakes[0]}");
        if (_mistakes.Count > 1)
            throw new TandemException($"{_place}: {_mistakes.Count} mistakes\n  {string.Join("\n  ", _mistakes)}");
    }

    public static string Show<T>(T number)
        where T : INumber<T> => number.ToString("G", CultureInfo.InvariantCulture);

    private delegate bool Reader<T>(JsonElement element, out T result);

    private T[]? List<T>(string key, int maxCount, string accepted, Reader<T> read)
    {
        if (!TryGet(key, out var value))
            return null;
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > maxCount)
        {
            Mistake(key, value, accepted);
            return null;
        }

        var results = new T[value.GetArrayLength()];
        var i = 0;
        foreach (var element in value.EnumerateArray())
        {
            if (!read(element, out results[i++]))
            {
                Mistake($"{key}[{i - 1}]", element, accepted);
                return null;
            }
        }

        return results;
    }

    private bool TryGet(string key, out JsonElement value)
    {
        _keysRead.Add(key);
        return _object.TryGetProperty(key, out value) && value.ValueKind != JsonValueKind.Null;
    }

    private void Mistake(string key, JsonElement value, string accepted)
    {
        _wrongKeys.Add(key);
        var text = value.ValueKind is JsonValueKind.Object ? "an object" : value.ValueKind is JsonValueKind.Array ? "a list" : value.GetRawText();
        _mistakes.Add($"{_prefix}{key}: {(text.Length <= 60 ? text : text[..60] + "...")}; accepted: {accepted}");
    }
}
