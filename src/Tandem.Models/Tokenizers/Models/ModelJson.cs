using System.Text.Json;

namespace Tandem.Models;

/// <summary>Reads the model of a <c>tokenizer.json</c>.</summary>
internal static class ModelJson
{
    private const string Place = "model", Supported = "BPE, Unigram, WordPiece, WordLevel";

    /// <summary>Reads the model.</summary>
    /// <param name="model">The part.</param>
    /// <param name="bytes">Whether the words are bytes, as the pre-tokenizer says.</param>
    public static TokenModel Read(JsonElement model, bool bytes)
    {
        string kind = Kind(model);
        return kind switch
        {
            "BPE" => ReadBpe(model, bytes),
            "Unigram" => ReadUnigram(model),
            "WordPiece" => new WordPieceModel(
                Vocabulary(model),
                Text(model, "unk_token") ?? "[UNK]",
                Text(model, "continuing_subword_prefix") ?? "##",
                model.TryGetProperty("max_input_chars_per_word", out JsonElement most) ? PartJson.Id(most, $"{Place}.max_input_chars_per_word") : 100),
            "WordLevel" => new WordLevelModel(Vocabulary(model), Text(model, "unk_token") ?? "<unk>"),
            _ => throw PartJson.Unsupported(Place, kind, Supported),
        };
    }

    // Old files have no type; what they have tells the kinds apart.
    private static string Kind(JsonElement model)
    {
        if (model.ValueKind != JsonValueKind.Object || model.TryGetProperty("type", out _) || !model.TryGetProperty("vocab", out JsonElement vocabulary)) return PartJson.Type(model, Place);
        if (model.TryGetProperty("merges", out _)) return "BPE";
        if (vocabulary.ValueKind == JsonValueKind.Array) return "Unigram";
        return model.TryGetProperty("max_input_chars_per_word", out _) ? "WordPiece" : "WordLevel";
    }

    private static TokenModel ReadBpe(JsonElement model, bool bytes)
    {
        if (!PartJson.IsOff(model, "dropout")) throw new TandemException($"model.dropout: {PartJson.Short(model.GetProperty("dropout"))} is not supported, wanted none");
        Dictionary<string, int> ids = Vocabulary(model);
        (string, string)[] merges = [.. PartJson.Items(model, Place, "merges").Select(m => Merge(m.Item, m.Place))];
        bool ignoreMerges = PartJson.Bool(model, Place, "ignore_merges", false);
        var options = new CharacterBpeOptions
        {
            UnkToken = Text(model, "unk_token"),
            ContinuingSubwordPrefix = Text(model, "continuing_subword_prefix") ?? "",
            EndOfWordSuffix = Text(model, "end_of_word_suffix") ?? "",
            FuseUnk = PartJson.Bool(model, Place, "fuse_unk", false),
            ByteFallback = PartJson.Bool(model, Place, "byte_fallback", false),
            IgnoreMerges = ignoreMerges,
            Bytes = bytes,
        };
        bool plain = bytes && !options.ByteFallback && options.ContinuingSubwordPrefix.Length == 0 && options.EndOfWordSuffix.Length == 0;
        return plain ? new ByteLevelBpe(ids, merges, ignoreMerges) : new CharacterBpe(ids, merges, options);
    }

    private static UnigramModel ReadUnigram(JsonElement model)
    {
        var pieces = new List<(string, double)>();
        foreach ((JsonElement item, string place) in PartJson.Items(model, Place, "vocab"))
        {
            if (item.ValueKind != JsonValueKind.Array || item.GetArrayLength() != 2 || item[1].ValueKind != JsonValueKind.Number)
                throw new TandemException($"{place}: {PartJson.Short(item)}, wanted a token and its score");
            pieces.Add((PartJson.String(item[0], place), UnigramScore.Parse(item[1].GetRawText())));
        }

        int? unknown = PartJson.IsNull(model, "unk_id") ? null : PartJson.Id(model.GetProperty("unk_id"), $"{Place}.unk_id");
        return new UnigramModel(pieces, unknown, PartJson.Bool(model, Place, "byte_fallback", false));
    }

    private static Dictionary<string, int> Vocabulary(JsonElement model)
    {
        JsonElement vocabulary = PartJson.Need(model, Place, "vocab");
        if (vocabulary.ValueKind != JsonValueKind.Object) throw new TandemException($"model.vocab: {PartJson.Short(vocabulary)}, wanted an object of tokens and ids");
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (JsonProperty token in vocabulary.EnumerateObject()) ids.Add(token.Name, PartJson.Id(token.Value, $"model.vocab['{token.Name}']"));
        return ids;
    }

    private static string? Text(JsonElement model, string name) => PartJson.IsNull(model, name) ? null : PartJson.String(model.GetProperty(name), $"{Place}.{name}");

    private static (string, string) Merge(JsonElement merge, string place)
    {
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2) return (PartJson.String(merge[0], place), PartJson.String(merge[1], place));
        string text = merge.ValueKind == JsonValueKind.String ? merge.GetString()! : "";
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 ? (text[..space], text[(space + 1)..]) : throw new TandemException($"{place}: {PartJson.Short(merge)}, wanted two tokens");
    }
}
