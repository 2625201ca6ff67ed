using System.Text.Json;

namespace Tandem.Models;

/// <summary>A side of a sequence of tokens.</summary>
public enum TokenSide
{
    /// <summary>The start.</summary>
    Left,

    /// <summary>The end.</summary>
    Right,
}

/// <summary>Which of two sequences are cut.</summary>
public enum TruncationStrategy
{
    /// <summary>The longer one down to the shorter, then both.</summary>
    LongestFirst,

    /// <summary>The first.</summary>
    OnlyFirst,

    /// <summary>The second.</summary>
    OnlySecond,
}

/// <summary>How sequences that are too long are cut, as <c>truncation</c> of <c>tokenizer.json</c> says.</summary>
/// <param name="MaxLength">Most tokens, those that a template adds included.</param>
public sealed record Truncation(int MaxLength)
{
    private const string Place = "truncation";

    /// <summary>Tokens that each overflowing part repeats of the one before.</summary>
    public int Stride { get; init; }

    /// <summary>Which of two sequences are cut.</summary>
    public TruncationStrategy Strategy { get; init; }

    /// <summary>The side that tokens are taken from.</summary>
    public TokenSide Direction { get; init; } = TokenSide.Right;

    internal static Truncation? Read(JsonElement root)
    {
        if (PartJson.IsNull(root, Place)) return null;
        JsonElement part = root.GetProperty(Place);
        return new Truncation(PartJson.Id(PartJson.Need(part, Place, "max_length"), $"{Place}.max_length"))
        {
            Stride = part.TryGetProperty("stride", out JsonElement stride) ? PartJson.Id(stride, $"{Place}.stride") : 0,
            Strategy = PartJson.Name(part, Place, "strategy", TruncationStrategy.LongestFirst),
            Direction = PartJson.Name(part, Place, "direction", TokenSide.Right),
        };
    }

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("direction", Direction.ToString());
        json.WriteNumber("max_length", MaxLength);
        json.WriteString("strategy", Strategy.ToString());
        json.WriteNumber("stride", Stride);
        json.WriteEndObject();
    }

    /// <summary>The sequence cut to a length, then what overflows, each part with <see cref="Stride"/> tokens of the one before.</summary>
    internal List<EncodedToken[]> Cut(EncodedToken[] tokens, int length)
    {
        if (tokens.Length <= length) return [tokens];
        if (length == 0) return [[], tokens];
        if (Stride >= length) throw new TandemException($"truncation: stride {Stride}, wanted less than the {length} tokens that are left of max_length {MaxLength}");
        var parts = new List<EncodedToken[]>();
        bool right = Direction == TokenSide.Right;
        for (int at = 0; ; at += length - Stride)
        {
            int start = right ? at : Math.Max(0, tokens.Length - at - length), end = right ? Math.Min(tokens.Length, at + length) : tokens.Length - at;
            parts.Add(tokens[start..end]);
            if (right ? end == tokens.Length : start == 0) return parts;
        }
    }

    /// <summary>How long two sequences may be, so that they have <paramref name="room"/> tokens together.</summary>
    internal (int First, int Second) Lengths(int first, int? second, int room)
    {
        int over = first + (second ?? 0) - room;
        if (room < 0) throw new TandemException($"truncation: max_length {MaxLength} has no room for the {MaxLength - room} special tokens");
        if (over <= 0) return (first, second ?? 0);
        if (room == 0) return (0, 0);
        switch (Strategy)
        {
            case TruncationStrategy.OnlySecond when second == null:
                throw new TandemException("truncation: strategy OnlySecond without a second sequence, wanted a pair");
            case TruncationStrategy.OnlySecond when second > over:
                return (first, second.Value - over);
            case TruncationStrategy.OnlyFirst when first > over:
                return (first - over, second ?? 0);
            case TruncationStrategy.OnlyFirst or TruncationStrategy.OnlySecond:
                throw new TandemException($"truncation: strategy {Strategy} cannot take {over} tokens of a sequence of {(Strategy == TruncationStrategy.OnlyFirst ? first : second)}, wanted a longer one");
        }

        if (second is not { } other) return (room, 0);
        int shorter = Math.Min(first, other), longer = shorter > room ? shorter : Math.Max(shorter, room - shorter);
        if (shorter + longer > room) (shorter, longer) = (room / 2, room - (room / 2));
        return first > other ? (longer, shorter) : (shorter, longer);
    }
}
