using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>Reads and writes <c>tokenizer.json</c> of byte-level BPE with GPT-2's words; other kinds are refused by name.</summary>
public static class TokenizerJson
{
    /// <summary>Name of the file in a model directory.</summary>
    public const string FileName = "tokenizer.json";

    /// <summary>Reads a tokenizer.</summary>
    /// <exception cref="TandemException">The file is missing or malformed, or of another kind.</exception>
    public static Tokenizer Load(string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            return Parse(document.RootElement);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new TandemException($"{path}: {e.Message}", e);
        }
        catch (TandemException e)
        {
            throw new TandemException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>Writes a tokenizer, beside its place first.</summary>
    public static void Save(Tokenizer tokenizer, string path) => AtomicFile.WriteAllBytes(path, Write(tokenizer));

    private static Tokenizer Parse(JsonElement root)
    {
        JsonElement model = root.GetProperty("model");
        RequireKind(model, "model", "BPE");
        RequireKind(root.GetProperty("pre_tokenizer"), "pre_tokenizer", "ByteLevel");
        if (root.TryGetProperty("normalizer", out JsonElement normalizer) && normalizer.ValueKind != JsonValueKind.Null)
            throw new TandemException("normalizer: is not supported here, wanted null");
        if (root.GetProperty("pre_tokenizer").TryGetProperty("add_prefix_space", out JsonElement prefix) && prefix.GetBoolean())
            throw new TandemException("pre_tokenizer.add_prefix_space: true is not supported, wanted false");

        var special = new Dictionary<int, string>();
        var byId = new SortedDictionary<int, string>();
        foreach (JsonProperty token in model.GetProperty("vocab").EnumerateObject()) AddToken(byId, token.Value.GetInt32(), token.Name);
        if (root.TryGetProperty("added_tokens", out JsonElement added))
        {
            foreach (JsonElement token in added.EnumerateArray())
            {
                (int id, string content) = (token.GetProperty("id").GetInt32(), token.GetProperty("content").GetString()!);
                if (!byId.TryGetValue(id, out string? known)) AddToken(byId, id, content);
                else if (known != content) throw new TandemException($"added_tokens: token {id} is '{content}' here and '{known}' in the vocabulary");
                special[id] = content;
            }
        }

        if (byId.Count > 0 && byId.Keys.Last() != byId.Count - 1) throw new TandemException($"model.vocab: {byId.Count} tokens with ids up to {byId.Keys.Last()}, wanted ids without gaps from 0");
        return new Tokenizer([.. byId.Values], [.. model.GetProperty("merges").EnumerateArray().Select(Merge)], special);
    }

    private static (string, string) Merge(JsonElement merge, int rank)
    {
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2) return (merge[0].GetString()!, merge[1].GetString()!);
        string text = merge.ValueKind == JsonValueKind.String ? merge.GetString()! : "";
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 ? (text[..space], text[(space + 1)..]) : throw new TandemException($"model.merges[{rank}]: '{merge}', wanted two tokens");
    }

    private static void AddToken(SortedDictionary<int, string> byId, int id, string token)
    {
        if (id < 0 || !byId.TryAdd(id, token)) throw new TandemException($"model.vocab: '{token}' has id {id}, which is negative or taken");
    }

    private static void RequireKind(JsonElement element, string place, string wanted)
    {
        string? kind = element.ValueKind == JsonValueKind.Object && element.TryGetProperty("type", out JsonElement type) ? type.GetString() : null;
        if (kind != wanted) throw new TandemException($"{place}.type: '{kind}' is not supported, wanted '{wanted}'");
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
            foreach ((int id, string content) in tokenizer.Special.OrderBy(s => s.Key))
            {
                json.WriteStartObject();
                json.WriteNumber("id", id);
                json.WriteString("content", content);
                foreach (string flag in (string[])["single_word", "lstrip", "rstrip", "normalized"]) json.WriteBoolean(flag, false);
                json.WriteBoolean("special", true);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNull("normalizer");
            foreach (string part in (string[])["pre_tokenizer", "post_processor", "decoder"])
            {
                json.WriteStartObject(part);
                json.WriteString("type", "ByteLevel");
                json.WriteBoolean("add_prefix_space", false);
                json.WriteBoolean("trim_offsets", true);
                json.WriteBoolean("use_regex", true);
                json.WriteEndObject();
            }

            json.WriteStartObject("model");
            json.WriteString("type", "BPE");
            foreach (string none in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"]) json.WriteNull(none);
            foreach (string off in (string[])["fuse_unk", "byte_fallback", "ignore_merges"]) json.WriteBoolean(off, false);
            json.WriteStartObject("vocab");
            for (int i = 0; i < tokenizer.VocabSize; i++) json.WriteNumber(tokenizer.TokenText(i), i);
            json.WriteEndObject();
            json.WriteStartArray("merges");
            foreach ((string left, string right) in tokenizer.Merges)
            {
                json.WriteStartArray();
                json.WriteStringValue(left);
                json.WriteStringValue(right);
                json.WriteEndArray();
            }

            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndObject();
        }

        stream.Write(Encoding.UTF8.GetBytes("\n"));
        return stream.ToArray();
    }
}
