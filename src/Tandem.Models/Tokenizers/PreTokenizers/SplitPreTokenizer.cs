using System.Text.Json;

namespace Tandem.Models;

/// <summary>Cuts where a pattern matches; matches and what lies between them are pieces.</summary>
internal sealed class SplitPreTokenizer(SplitPattern pattern) : PreTokenizer
{
    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces) => pattern.Cut(text, piece, pieces);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", pattern.Source);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
    }

    /// <summary>Reads the part.</summary>
    public static SplitPreTokenizer Parse(JsonElement part, string place)
    {
        string behavior = PartJson.String(PartJson.Need(part, place, "behavior"), $"{place}.behavior");
        if (behavior != "Isolated") throw PartJson.Unsupported($"{place}.behavior", behavior, "Isolated");
        if (PartJson.Bool(part, place, "invert", false)) throw new TandemException($"{place}.invert: true is not supported, wanted false");
        JsonElement pattern = PartJson.Need(part, place, "pattern");
        if (pattern.ValueKind != JsonValueKind.Object || !pattern.TryGetProperty("Regex", out JsonElement regex))
            throw new TandemException($"{place}.pattern: {PartJson.Short(pattern)}, wanted a Regex");
        return new SplitPreTokenizer(SplitPattern.Find(PartJson.String(regex, $"{place}.pattern.Regex"), $"{place}.pattern.Regex"));
    }
}
