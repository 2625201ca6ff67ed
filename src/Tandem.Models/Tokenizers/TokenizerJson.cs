using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// Reads and writes <c>tokenizer.json</c>. Kinds that are not built are refused by name, with the place and the list of what there is.
/// </summary>
public static class TokenizerJson
{
    /// <summary>Name of the file in a model directory.</summary>
    public const string FileName = "tokenizer.json";

    private const int MaxFileBytes = 256 << 20;

    /// <summary>Reads a tokenizer.</summary>
    /// <exception cref="TandemException">The file is missing or malformed, or of another kind.</exception>
    public static Tokenizer Load(string path)
    {
        using JsonDocument document = BoundedJson.ReadFile(path, MaxFileBytes);
        return Read(document, path);
    }

    /// <summary>Writes a tokenizer, beside its place first.</summary>
    public static void Save(Tokenizer tokenizer, string path) => AtomicFile.WriteAllBytes(path, Write(tokenizer));

    /// <summary>Reads a tokenizer from the bytes of such a file.</summary>
    /// <exception cref="TandemException">They are malformed, or of another kind.</exception>
    internal static Tokenizer Parse(ReadOnlyMemory<byte> utf8, string place)
    {
        using JsonDocument document = BoundedJson.Parse(utf8, place);
        return Read(document, place);
    }

    private static Tokenizer Read(JsonDocument document, string place)
    {
        try
        {
            return Read(document.RootElement);
        }
        catch (TandemException e)
        {
            throw new TandemException($"{place}: {e.Message}", e);
        }
    }

    private static Tokenizer Read(JsonElement root)
    {
        var parts = new TokenizerParts
        {
            AddedTokens = root.TryGetProperty("added_tokens", out JsonElement added) && added.ValueKind != JsonValueKind.Null
                ? [.. PartJson.Items(root, "", "added_tokens").Select(t => AddedToken.Read(t.Item, t.Place))]
                : [],
            Truncation = Truncation.Read(root),
            Padding = Padding.Read(root),
            Normalizer = Part(root, "normalizer", Normalizer.Read),
            PreTokenizer = Part(root, "pre_tokenizer", PreTokenizer.Read),
            PostProcessor = Part(root, "post_processor", PostProcessor.Read),
            Decoder = Part(root, "decoder", Decoder.Read) ?? new JoinDecoder(),
        };
        TokenModel model = ModelJson.Read(PartJson.Need(root, "", "model"), parts.PreTokenizer?.TakesBytes == true);
        if (model is not (ByteLevelBpe or CharacterBpe)) parts.PreTokenizer?.WriteBytes();
        return new Tokenizer(model, parts);
    }

    private static T? Part<T>(JsonElement root, string name, Func<JsonElement, string, T?> read)
        where T : class => root.TryGetProperty(name, out JsonElement part) ? read(part, name) : null;

    private static byte[] Write(Tokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            WritePart(json, "truncation", tokenizer.Truncation, (p, j) => p.Write(j));
            WritePart(json, "padding", tokenizer.Padding, (p, j) => p.Write(j));
            json.WriteStartArray("added_tokens");
            foreach (AddedToken token in tokenizer.AddedTokens) token.Write(json);
            json.WriteEndArray();
            WritePart(json, "normalizer", tokenizer.Parts.Normalizer, (p, j) => p.Write(j));
            WritePart(json, "pre_tokenizer", tokenizer.Parts.PreTokenizer, (p, j) => p.Write(j));
            WritePart(json, "post_processor", tokenizer.Parts.PostProcessor, (p, j) => p.Write(j));
            WritePart(json, "decoder", tokenizer.Parts.Decoder, (p, j) => p.Write(j));
            json.WritePropertyName("model");
            tokenizer.Model.Write(json);
            json.WriteEndObject();
        }

        stream.Write("\n"u8);
        return stream.ToArray();
    }

    private static void WritePart<T>(Utf8JsonWriter json, string name, T? part, Action<T, Utf8JsonWriter> write)
        where T : class
    {
        json.WritePropertyName(name);
        if (part == null) json.WriteNullValue();
        else write(part, json);
    }
}
