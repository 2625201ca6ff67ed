using System.Text.Json;

namespace Tandem.Models;

/// <summary>A run of UTF-16 units of a text.</summary>
internal readonly record struct Piece(int Start, int Length);

/// <summary>Cuts a text into words; the model never joins across their borders.</summary>
internal abstract class PreTokenizer
{
    private const string Supported = "ByteLevel, Digits, Split, Sequence";

    /// <summary>Whether a text that does not start with a space is given one first.</summary>
    public virtual bool AddsPrefixSpace => false;

    /// <summary>Appends the pieces of one piece of a text, in order.</summary>
    public abstract void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces);

    /// <summary>Writes the part as in <c>tokenizer.json</c>.</summary>
    public abstract void Write(Utf8JsonWriter json);

    /// <summary>Reads the part; null is none.</summary>
    public static PreTokenizer? Read(JsonElement part, string place)
    {
        if (part.ValueKind == JsonValueKind.Null) return null;
        string kind = PartJson.Type(part, place);
        return kind switch
        {
            "ByteLevel" => ByteLevelPreTokenizer.Parse(part, place),
            "Digits" => new DigitsPreTokenizer(PartJson.Bool(part, place, "individual_digits", false)),
            "Split" => SplitPreTokenizer.Parse(part, place),
            "Sequence" => new SequencePreTokenizer([.. PartJson.Items(part, place, "pretokenizers").Select((p, i) => Member(p.Item, p.Place, i))]),
            _ => throw PartJson.Unsupported(place, kind, Supported),
        };
    }

    private static PreTokenizer Member(JsonElement part, string place, int index)
    {
        PreTokenizer member = Read(part, place) ?? throw new TandemException($"{place}: null, wanted one of {Supported}");
        return index == 0 || !member.AddsPrefixSpace ? member : throw new TandemException($"{place}.add_prefix_space: true is supported in the first place of a sequence only, wanted false");
    }
}
