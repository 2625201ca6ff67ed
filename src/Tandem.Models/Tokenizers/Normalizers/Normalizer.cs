using System.Text.Json;

namespace Tandem.Models;

/// <summary>Changes a text before it is cut into words, keeping track of what each character stands for.</summary>
internal abstract class Normalizer
{
    private const string Supported = "NFC, Lowercase, Sequence";

    /// <summary>The normalized text; the text itself where nothing changes.</summary>
    public abstract AlignedText Apply(AlignedText text);

    /// <summary>Writes the part as in <c>tokenizer.json</c>.</summary>
    public abstract void Write(Utf8JsonWriter json);

    /// <summary>The normalized text alone.</summary>
    public string Apply(string text) => Apply(new AlignedText(text, 0)).Text.ToString();

    /// <summary>Reads the part; null is none.</summary>
    public static Normalizer? Read(JsonElement part, string place)
    {
        if (part.ValueKind == JsonValueKind.Null) return null;
        string kind = PartJson.Type(part, place);
        return kind switch
        {
            "NFC" => new NfcNormalizer(),
            "Lowercase" => new LowercaseNormalizer(),
            "Sequence" => new SequenceNormalizer([.. PartJson.Items(part, place, "normalizers").Select(n => Read(n.Item, n.Place)!)]),
            _ => throw PartJson.Unsupported(place, kind, Supported),
        };
    }
}
