using System.Text.Json;

namespace Tandem.Models;

/// <summary>How sequences are brought to one length, as <c>padding</c> of <c>tokenizer.json</c> says.</summary>
public sealed record Padding
{
    private const string Place = "padding";

    /// <summary>The length; null is that of the longest of a batch. Longer ones stay as they are.</summary>
    public int? Length { get; init; }

    /// <summary>The side that tokens are added at.</summary>
    public TokenSide Direction { get; init; } = TokenSide.Right;

    /// <summary>Lengths are rounded up to a multiple of this; 0 leaves them.</summary>
    public int PadToMultipleOf { get; init; }

    /// <summary>Id of the token.</summary>
    public int PadId { get; init; }

    /// <summary>Its segment number.</summary>
    public int PadTypeId { get; init; }

    /// <summary>Its text.</summary>
    public string PadToken { get; init; } = "[PAD]";

    internal static Padding? Read(JsonElement root)
    {
        if (PartJson.IsNull(root, Place)) return null;
        JsonElement part = root.GetProperty(Place), strategy = PartJson.Need(part, Place, "strategy");
        bool isFixed = strategy.ValueKind == JsonValueKind.Object && strategy.TryGetProperty("Fixed", out _);
        if (!isFixed && !(strategy.ValueKind == JsonValueKind.String && strategy.GetString() == "BatchLongest"))
            throw new TandemException($"{Place}.strategy: {PartJson.Short(strategy)}, wanted \"BatchLongest\" or {{\"Fixed\": length}}");
        return new Padding
        {
            Length = isFixed ? PartJson.Id(strategy.GetProperty("Fixed"), $"{Place}.strategy.Fixed") : null,
            Direction = PartJson.Name(part, Place, "direction", TokenSide.Right),
            PadToMultipleOf = PartJson.IsNull(part, "pad_to_multiple_of") ? 0 : PartJson.Id(part.GetProperty("pad_to_multiple_of"), $"{Place}.pad_to_multiple_of"),
            PadId = part.TryGetProperty("pad_id", out JsonElement id) ? PartJson.Id(id, $"{Place}.pad_id") : 0,
            PadTypeId = part.TryGetProperty("pad_type_id", out JsonElement type) ? PartJson.Id(type, $"{Place}.pad_type_id") : 0,
            PadToken = PartJson.Text(part, Place, "pad_token", "[PAD]"),
        };
    }

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WritePropertyName("strategy");
        if (Length is { } length)
        {
            json.WriteStartObject();
            json.WriteNumber("Fixed", length);
            json.WriteEndObject();
        }
        else
        {
            json.WriteStringValue("BatchLongest");
        }

        json.WriteString("direction", Direction.ToString());
        if (PadToMultipleOf == 0) json.WriteNull("pad_to_multiple_of");
        else json.WriteNumber("pad_to_multiple_of", PadToMultipleOf);
        json.WriteNumber("pad_id", PadId);
        json.WriteNumber("pad_type_id", PadTypeId);
        json.WriteString("pad_token", PadToken);
        json.WriteEndObject();
    }

    /// <summary>The length for sequences the longest of which has this many tokens.</summary>
    internal int LengthFor(int longest)
    {
        int length = Length ?? longest;
        return PadToMultipleOf > 0 ? (length + PadToMultipleOf - 1) / PadToMultipleOf * PadToMultipleOf : length;
    }

    /// <summary>The sequence with tokens added up to a length.</summary>
    internal TokenEncoding Apply(TokenEncoding encoding, int length)
    {
        EncodedToken[] pads = [.. Enumerable.Repeat(new EncodedToken(PadId, PadToken, 0, 0, TokenEncoding.PadSequence, PadTypeId), Math.Max(0, length - encoding.Tokens.Count))];
        EncodedToken[] tokens = Direction == TokenSide.Left ? [.. pads, .. encoding.Tokens] : [.. encoding.Tokens, .. pads];
        return encoding.With(tokens, [.. encoding.Overflowing.Select(o => Apply(o, length))]);
    }
}
