using System.Text.Json;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>The options that a case gives to an optimizer or a schedule.</summary>
internal sealed class OptimizerOptions(JsonElement options)
{
    /// <summary>The options that are set; a false is not.</summary>
    public IEnumerable<string> Names =>
        options.EnumerateObject().Where(o => o.Value.ValueKind is not (JsonValueKind.False or JsonValueKind.Null)).Select(o => o.Name);

    /// <summary>A number; 0 if it is absent.</summary>
    public double this[string name] => Number(name, 0);

    /// <summary>A number, or what holds if it is absent.</summary>
    public double Number(string name, double otherwise) =>
        options.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : otherwise;

    /// <summary>One of a list of numbers.</summary>
    public double At(string name, int index) => options.GetProperty(name)[index].GetDouble();

    /// <summary>A truth value; false if it is absent.</summary>
    public bool Flag(string name) => options.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    /// <summary>A text; null if it is absent.</summary>
    public string? Text(string name) => options.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;
}
