using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>How tokens become text again: a chain of parts, each making other tokens of those it is given, whose texts are put together at last.</summary>
internal abstract class Decoder
{
    private const string Supported = "ByteLevel, WordPiece, Metaspace, BPEDecoder, CTC, ByteFallback, Fuse, Strip, Replace, Sequence";

    private JsonElement _source;

    /// <summary>Whether each token has bytes of its own, so that the text is the UTF-8 of the bytes one after another.</summary>
    public virtual bool IsBytes => false;

    /// <summary>Whether the part takes a token in several parts, without waiting for its end.</summary>
    public virtual bool TakesParts => false;

    /// <summary>The bytes that a token stands for by itself.</summary>
    public virtual byte[] Bytes(string token) => ByteFallbackDecoder.TryByte(token, out byte b) ? [b] : Encoding.UTF8.GetBytes(token);

    /// <summary>Starts on the tokens of one text.</summary>
    /// <param name="next">What takes the tokens that this part makes.</param>
    /// <param name="parts">Whether that takes tokens in parts.</param>
    /// <param name="streaming">Whether a text is to be shown as early as it is sure, or as the whole of the tokens says.</param>
    public abstract DecoderRun Start(DecoderRun next, bool parts, bool streaming);

    /// <summary>Writes the part as in <c>tokenizer.json</c>.</summary>
    public virtual void Write(Utf8JsonWriter json) => _source.WriteTo(json);

    /// <summary>The text of tokens.</summary>
    public string Decode(IEnumerable<string> tokens)
    {
        var text = new StringBuilder();
        DecoderRun run = Start(new TextRun(text), parts: true, streaming: false);
        foreach (string token in tokens) run.Push(token, begins: true);
        run.End();
        return text.ToString();
    }

    /// <summary>Reads the part; null is none.</summary>
    public static Decoder? Read(JsonElement part, string place)
    {
        if (part.ValueKind == JsonValueKind.Null) return null;
        string kind = PartJson.Type(part, place);
        Decoder decoder = kind switch
        {
            "ByteLevel" => new ByteLevelDecoder(),
            "WordPiece" => new WordPieceDecoder(PartJson.Text(part, place, "prefix", "##"), PartJson.Bool(part, place, "cleanup", true)),
            "Metaspace" => MetaspaceDecoder.Parse(part, place),
            "BPEDecoder" => new BpeDecoder(PartJson.Text(part, place, "suffix", "</w>")),
            "CTC" => new CtcDecoder(PartJson.Text(part, place, "pad_token", "<pad>"), PartJson.Text(part, place, "word_delimiter_token", "|"), PartJson.Bool(part, place, "cleanup", true)),
            "ByteFallback" => new ByteFallbackDecoder(),
            "Fuse" => new FuseDecoder(),
            "Strip" => StripDecoder.Parse(part, place),
            "Replace" => ReplaceDecoder.Parse(part, place),
            "Sequence" => new SequenceDecoder([.. PartJson.Items(part, place, "decoders").Select(d => Member(d.Item, d.Place))]),
            _ => throw PartJson.Unsupported(place, kind, Supported),
        };
        decoder._source = part.Clone();
        return decoder;
    }

    private static Decoder Member(JsonElement part, string place) => Read(part, place) ?? throw new TandemException($"{place}: null, wanted one of {Supported}");
}
