using System.Text.Json;

namespace Tandem.Models;

/// <summary>Changes a text before it is cut into words, keeping track of what each character stands for.</summary>
internal abstract class Normalizer
{
    private const string Supported =
        "NFC, NFD, NFKC, NFKD, Nmt, Lowercase, StripAccents, Strip, Prepend, Replace, ByteLevel, BertNormalizer, Precompiled, Sequence";

    private JsonElement _source;

    /// <summary>The normalized text; the text itself where nothing changes.</summary>
    public abstract AlignedText Apply(AlignedText text);

    /// <summary>Writes the part as in <c>tokenizer.json</c>.</summary>
    public virtual void Write(Utf8JsonWriter json) => _source.WriteTo(json);

    /// <summary>The normalized text alone.</summary>
    public string Apply(string text) => Apply(new AlignedText(text, 0)).Text.ToString();

    /// <summary>Reads the part; null is none.</summary>
    public static Normalizer? Read(JsonElement part, string place)
    {
        if (part.ValueKind == JsonValueKind.Null) return null;
        string kind = PartJson.Type(part, place);
        Normalizer normalizer = kind switch
        {
            "NFC" => new UnicodeNormalizer(compatibility: false, compose: true),
            "NFD" => new UnicodeNormalizer(compatibility: false, compose: false),
            "NFKC" => new UnicodeNormalizer(compatibility: true, compose: true),
            "NFKD" => new UnicodeNormalizer(compatibility: true, compose: false),
            "Nmt" => new NmtNormalizer(),
            "Lowercase" => new LowercaseNormalizer(),
            "StripAccents" => new StripAccentsNormalizer(onlyNonspacing: false),
            "Strip" => new StripNormalizer(PartJson.Bool(part, place, "strip_left", true), PartJson.Bool(part, place, "strip_right", true)),
            "Prepend" => new PrependNormalizer(PartJson.String(PartJson.Need(part, place, "prepend"), $"{place}.prepend")),
            "Replace" => new ReplaceNormalizer(SplitPattern.Read(part, place), PartJson.String(PartJson.Need(part, place, "content"), $"{place}.content")),
            "ByteLevel" => new ByteLevelNormalizer(),
            "BertNormalizer" => BertNormalizer.Parse(part, place),
            "Precompiled" => PrecompiledNormalizer.Parse(part, place),
            "Sequence" => new SequenceNormalizer([.. PartJson.Items(part, place, "normalizers").Select(n => Read(n.Item, n.Place) ?? throw new TandemException($"{n.Place}: null, wanted one of {Supported}"))]),
            _ => throw PartJson.Unsupported(place, kind, Supported),
        };
        normalizer._source = part.Clone();
        return normalizer;
    }
}
