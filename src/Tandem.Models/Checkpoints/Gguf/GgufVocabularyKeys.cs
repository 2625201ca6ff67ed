using System.Text.Json;

namespace Tandem.Models;

/// <summary>The vocabulary and chat template of a Hugging Face directory as keys of a GGUF file.</summary>
internal static class GgufVocabularyKeys
{
    private const int MaxFileBytes = 256 << 20;
    private const int Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6;

    private const string AnyDigit = @"\p{N}";

    /// <summary>The keys; none for a directory without tokenizer.json and without template.</summary>
    /// <exception cref="TandemException">The tokenizer is of a kind that files have no place for.</exception>
    public static List<KeyValuePair<string, GgufValue>> Of(string folder, ModelConfig config)
    {
        var keys = new List<KeyValuePair<string, GgufValue>>();
        string path = Path.Combine(folder, TokenizerJson.FileName);
        if (File.Exists(path))
        {
            using JsonDocument json = BoundedJson.ReadFile(path, MaxFileBytes);
            try
            {
                AddTokenizer(keys, json.RootElement, config);
            }
            catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
            {
                throw new TandemException($"'{path}' is no tokenizer: {e.Message}", e);
            }
            catch (TandemException e)
            {
                throw new TandemException($"'{path}': {e.Message}", e);
            }
        }

        // Small models often keep the ids that their family's vocabulary has by default.
        if (config.BosTokenId < config.VocabSize) AddId(keys, GgufTokens.Bos, config.BosTokenId);
        foreach ((string key, int id) in GgufTokens.Ends.Zip(config.EosTokenIds.Where(id => id < config.VocabSize))) AddId(keys, key, id);
        AddId(keys, GgufTokens.Padding, config.PadTokenId);
        foreach ((string name, string source) in ModelTemplates.Load(folder).Sources)
            keys.Add(new(name == ModelTemplates.DefaultName ? GgufTokens.ChatTemplate : $"{GgufTokens.ChatTemplate}.{name}", GgufValue.Of(source)));
        return keys;
    }

    private static void AddTokenizer(List<KeyValuePair<string, GgufValue>> keys, JsonElement root, ModelConfig config)
    {
        JsonElement model = root.GetProperty("model");
        string kind = model.TryGetProperty("type", out JsonElement type) ? type.GetString()! : "BPE";
        if (kind != "BPE") throw new TandemException($"model {kind} is not written to GGUF files; accepted: BPE");
        bool isSentencePiece = model.TryGetProperty("byte_fallback", out JsonElement fallback) && fallback.ValueKind == JsonValueKind.True;
        keys.Add(new(GgufTokens.Model, GgufValue.Of(isSentencePiece ? "llama" : "gpt2")));
        keys.Add(new(GgufTokens.Pre, GgufValue.Of(isSentencePiece ? "default" : PreName(root))));
        (string[] tokens, int[] types) = Tokens(root, model, config.VocabSize);
        string[] merges = [.. model.GetProperty("merges").EnumerateArray().Select(m => m.ValueKind == JsonValueKind.String ? m.GetString()! : $"{m[0].GetString()} {m[1].GetString()}")];
        keys.Add(new(GgufTokens.Tokens, GgufValue.Of(tokens)));
        if (isSentencePiece)
        {
            MarkPieces(tokens, types, model);
            keys.Add(new(GgufTokens.Scores, GgufValue.Of(Scores(tokens, merges))));
            if (Array.IndexOf(types, Unknown) is >= 0 and var unknown) AddId(keys, GgufTokens.Unknown, unknown);
        }

        keys.Add(new(GgufTokens.Types, GgufValue.Of(types)));
        if (!isSentencePiece) keys.Add(new(GgufTokens.Merges, GgufValue.Of(merges)));
        (bool before, bool behind) = Around(root);
        keys.Add(new(GgufTokens.AddBos, GgufValue.Of(before)));
        keys.Add(new(GgufTokens.AddEos, GgufValue.Of(behind)));
        if (isSentencePiece) keys.Add(new(GgufTokens.AddSpacePrefix, GgufValue.Of(root.GetProperty("normalizer").ToString().Contains("\"Prepend\"", StringComparison.Ordinal) || root.GetProperty("pre_tokenizer").ToString().Contains("\"Metaspace\"", StringComparison.Ordinal))));
    }

    private static (string[] Tokens, int[] Types) Tokens(JsonElement root, JsonElement model, int size)
    {
        var tokens = new string[size];
        var types = new int[size];
        foreach (JsonProperty token in model.GetProperty("vocab").EnumerateObject()) Set(token.Name, token.Value.GetInt32(), Normal);
        if (root.TryGetProperty("added_tokens", out JsonElement added) && added.ValueKind == JsonValueKind.Array)
            foreach (JsonElement token in added.EnumerateArray()) Set(token.GetProperty("content").GetString()!, token.GetProperty("id").GetInt32(), token.GetProperty("special").GetBoolean() ? Control : UserDefined);

        // The embedding may have more rows than the vocabulary has tokens.
        for (int id = 0; id < size; id++)
            if (tokens[id] == null) (tokens[id], types[id]) = ($"[PAD{id}]", Unused);
        return (tokens, types);

        void Set(string text, int id, int type)
        {
            if (id < 0 || id >= size) throw new TandemException($"token {CheckpointException.Quote(text)} has the id {id}; accepted: 0 to {size - 1}, as the model's vocab_size says");
            (tokens[id], types[id]) = (text, type);
        }
    }

    private static void MarkPieces(string[] tokens, int[] types, JsonElement model)
    {
        string? unknown = model.TryGetProperty("unk_token", out JsonElement token) ? token.GetString() : null;
        for (int id = 0; id < tokens.Length; id++)
        {
            if (tokens[id] == unknown) types[id] = Unknown;
            else if (types[id] == Normal && tokens[id].Length == 6 && tokens[id].StartsWith("<0x", StringComparison.Ordinal) && tokens[id][5] == '>') types[id] = Byte;
        }
    }

    // The pair that gives the piece with the highest score is joined first: the rank of a piece's first merge. Pieces that no merge gives come last.
    private static float[] Scores(string[] tokens, string[] merges)
    {
        var ranks = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < merges.Length; i++) ranks.TryAdd(merges[i].Remove(merges[i].IndexOf(' ', 1), 1), i);
        return [.. tokens.Select((t, id) => ranks.TryGetValue(t, out int rank) ? -(float)rank : -(float)(merges.Length + id))];
    }

    private static (bool Before, bool Behind) Around(JsonElement root)
    {
        if (!root.TryGetProperty("post_processor", out JsonElement post) || post.ValueKind != JsonValueKind.Object) return (false, false);
        JsonElement[] parts = post.TryGetProperty("processors", out JsonElement list) ? [.. list.EnumerateArray()] : [post];
        JsonElement template = parts.FirstOrDefault(p => p.GetProperty("type").GetString() == "TemplateProcessing");
        if (template.ValueKind == JsonValueKind.Undefined) return (false, false);
        bool[] special = [.. template.GetProperty("single").EnumerateArray().Select(p => p.TryGetProperty("SpecialToken", out _))];
        return special.Length == 0 ? (false, false) : (special[0], special[^1] && special.Length > 1);
    }

    private static string PreName(JsonElement root)
    {
        var expressions = new List<string>();
        if (root.TryGetProperty("pre_tokenizer", out JsonElement pre) && pre.ValueKind == JsonValueKind.Object) Collect(pre, expressions);
        bool ignoreMerges = root.GetProperty("model").TryGetProperty("ignore_merges", out JsonElement ignore) && ignore.ValueKind == JsonValueKind.True;
        return GgufPreTokenizers.NameOf(expressions, ignoreMerges)
            ?? throw new TandemException($"pre_tokenizer cuts texts by {CheckpointException.Quote(string.Join("  then  ", expressions))}, which GGUF files have no name for; accepted: what {string.Join(", ", GgufPreTokenizers.Names)} cut by");
    }

    // The expressions that cut, one after another; what is no expression stands as its name, and is found in no table.
    private static void Collect(JsonElement pre, List<string> expressions)
    {
        string type = pre.GetProperty("type").GetString() ?? "";
        if (type == "Sequence")
        {
            foreach (JsonElement part in pre.GetProperty("pretokenizers").EnumerateArray()) Collect(part, expressions);
        }
        else if (type == "ByteLevel")
        {
            if (!pre.TryGetProperty("use_regex", out JsonElement regex) || regex.ValueKind != JsonValueKind.False) expressions.Add(Gpt2Pattern.Instance.Source);
        }
        else if (type == "Split" && pre.GetProperty("pattern").TryGetProperty("Regex", out JsonElement pattern))
        {
            string behavior = pre.GetProperty("behavior").GetString() ?? "";
            bool isInverted = pre.TryGetProperty("invert", out JsonElement invert) && invert.ValueKind == JsonValueKind.True;
            expressions.Add((behavior, isInverted) is ("Isolated", false) or ("Removed", true) ? pattern.GetString()! : $"{type} {behavior}");
        }
        else
        {
            expressions.Add(type == "Digits" && pre.GetProperty("individual_digits").GetBoolean() ? AnyDigit : type);
        }
    }

    private static void AddId(List<KeyValuePair<string, GgufValue>> keys, string key, int? id)
    {
        if (id is { } value) keys.Add(new(key, GgufValue.Of((uint)value)));
    }
}
