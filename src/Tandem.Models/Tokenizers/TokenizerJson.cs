using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// Reads and writes <c>tokenizer.json</c> of byte-level BPE. Kinds that are not built are refused by name, with the place and the list of what there is.
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
        try
        {
            return Read(document.RootElement);
        }
        catch (TandemException e)
        {
            throw new TandemException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>Writes a tokenizer, beside its place first.</summary>
    public static void Save(Tokenizer tokenizer, string path) => AtomicFile.WriteAllBytes(path, Write(tokenizer));

    private static Tokenizer Read(JsonElement root)
    {
        ByteLevelBpe model = ReadModel(PartJson.Need(root, "", "model"));
        var parts = new TokenizerParts
        {
            AddedTokens = root.TryGetProperty("added_tokens", out JsonElement added) && added.ValueKind != JsonValueKind.Null
                ? [.. PartJson.Items(root, "", "added_tokens").Select(t => AddedToken.Read(t.Item, t.Place))]
                : [],
            Normalizer = Part(root, "normalizer", Normalizer.Read),
            PreTokenizer = Part(root, "pre_tokenizer", PreTokenizer.Read),
            PostProcessor = Part(root, "post_processor", PostProcessor.Read),
            Decoder = Decoder.Read(PartJson.Need(root, "", "decoder"), "decoder"),
        };
        return new Tokenizer(model, parts);
    }

    private static T? Part<T>(JsonElement root, string name, Func<JsonElement, string, T?> read)
        where T : class => root.TryGetProperty(name, out JsonElement part) ? read(part, name) : null;

    private static ByteLevelBpe ReadModel(JsonElement model)
    {
        // Old files of BPE have no type.
        string kind = model.ValueKind == JsonValueKind.Object && !model.TryGetProperty("type", out _) && model.TryGetProperty("merges", out _) ? "BPE" : PartJson.Type(model, "model");
        if (kind != "BPE") throw PartJson.Unsupported("model", kind, "BPE over bytes");
        foreach (string off in (string[])["dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"])
            if (!PartJson.IsOff(model, off)) throw new TandemException($"model.{off}: {PartJson.Short(model.GetProperty(off))} is not supported, wanted none");

        JsonElement vocabulary = PartJson.Need(model, "model", "vocab");
        if (vocabulary.ValueKind != JsonValueKind.Object) throw new TandemException($"model.vocab: {PartJson.Short(vocabulary)}, wanted an object of tokens and ids");
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (JsonProperty token in vocabulary.EnumerateObject()) ids.Add(token.Name, PartJson.Id(token.Value, $"model.vocab['{token.Name}']"));

        (string, string)[] merges = [.. PartJson.Items(model, "model", "merges").Select(m => Merge(m.Item, m.Place))];
        return new ByteLevelBpe(ids, merges, PartJson.Bool(model, "model", "ignore_merges", false));
    }

    private static (string, string) Merge(JsonElement merge, string place)
    {
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2) return (PartJson.String(merge[0], place), PartJson.String(merge[1], place));
        string text = merge.ValueKind == JsonValueKind.String ? merge.GetString()! : "";
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 ? (text[..space], text[(space + 1)..]) : throw new TandemException($"{place}: {PartJson.Short(merge)}, wanted two tokens");
    }

    private static byte[] Write(Tokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            json.WriteStartArray("added_tokens");
            foreach (AddedToken token in tokenizer.AddedTokens) token.Write(json);
            json.WriteEndArray();
            WritePart(json, "normalizer", tokenizer.Parts.Normalizer, (p, j) => p.Write(j));
            WritePart(json, "pre_tokenizer", tokenizer.Parts.PreTokenizer, (p, j) => p.Write(j));
            WritePart(json, "post_processor", tokenizer.Parts.PostProcessor, (p, j) => p.Write(j));
            WritePart(json, "decoder", tokenizer.Parts.Decoder, (p, j) => p.Write(j));
            WriteModel(json, tokenizer.Model);
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

    private static void WriteModel(Utf8JsonWriter json, ByteLevelBpe model)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (string none in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"]) json.WriteNull(none);
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", model.IgnoreMerges);
        json.WriteStartObject("vocab");
        foreach ((string token, int id) in model.Vocabulary.OrderBy(t => t.Value)) json.WriteNumber(token, id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach ((string left, string right) in model.Merges)
        {
            json.WriteStartArray();
            json.WriteStringValue(left);
            json.WriteStringValue(right);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
