using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// How tokens become text again. All kinds so far give each token bytes of its own, so that the text is the UTF-8 of the bytes one after another.
/// </summary>
internal abstract class Decoder
{
    /// <summary>The bytes of a token.</summary>
    public abstract byte[] Bytes(string token);

    /// <summary>Writes the part as in <c>tokenizer.json</c>.</summary>
    public abstract void Write(Utf8JsonWriter json);

    /// <summary>Reads the part.</summary>
    public static Decoder Read(JsonElement part, string place)
    {
        string kind = PartJson.Type(part, place);
        return kind == "ByteLevel" ? new ByteLevelDecoder() : throw PartJson.Unsupported(place, kind, "ByteLevel");
    }
}
