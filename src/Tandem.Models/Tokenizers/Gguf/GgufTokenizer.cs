using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tandem.Models;

/// <summary>Makes the tokenizer that the metadata of a GGUF file describe.</summary>
internal static class GgufTokenizer
{
    private const string Keys = GgufVocabulary.Keys;

    // BERT's words are split however long they are.
    private const int LongestWord = (1 << 22) - 1;

    /// <summary>Reads the metadata of a file.</summary>
    /// <exception cref="TandemException">They are malformed, or of a kind that is not built.</exception>
    public static Tokenizer Load(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        try
        {
            return Read(file);
        }
        catch (TandemException e) when (e is not GgufException)
        {
            throw new TandemException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>Makes the tokenizer of an open file.</summary>
    /// <exception cref="TandemException">Its metadata are malformed, or of a kind that is not built.</exception>
    public static Tokenizer Read(GgufFile file)
    {
        string model = file.String(Keys + "model");
        Func<GgufVocabulary, Tokenizer> make = model switch
        {
            "gpt2" => ByteLevel,
            "llama" => Llama,
            "bert" => Bert,
            "t5" => T5,
            _ => throw PartJson.Unsupported(Keys + "model", model, "gpt2, llama, bert, t5"),
        };
        return make(new GgufVocabulary(file));
    }

    private static Tokenizer ByteLevel(GgufVocabulary vocabulary)
    {
        string name = vocabulary.Text("pre") is { Length: > 0 } pre ? pre : "default";
        GgufPreTokenizer preTokenizer = GgufPreTokenizers.Find(name, Keys + "pre");
        (string Left, string Right)[] merges = Merges(vocabulary);

        // Special tokens are no words; but where merges name one it takes part in them.
        HashSet<string> named = [.. merges.SelectMany(m => (string[])[m.Left, m.Right, m.Left + m.Right])];
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
            if (vocabulary.Types[id] is not (PieceType.Control or PieceType.Unknown) || named.Contains(vocabulary.Tokens[id])) ids.Add(vocabulary.Tokens[id], id);
        if (ByteLevelBpe.FirstMissing(ids) is { } missing) throw new TandemException($"{Keys}tokens: byte {missing} ('{ByteAlphabet.Characters[missing]}') has no token, wanted one for each byte of ordinary text");
        return new Tokenizer(new ByteLevelBpe(ids, merges, preTokenizer.IgnoreMerges), new TokenizerParts
        {
            AddedTokens = vocabulary.AddedTokens(name),
            PreTokenizer = PatternSequence.Make(preTokenizer.Expressions, $"{Keys}pre: '{name}'"),
            PostProcessor = BosEosTemplate.Make(
                vocabulary.Added("add_bos_token", preTokenizer.AddBos, "bos"),
                vocabulary.Added("add_eos_token", false, "eos"),
                vocabulary.Flag("add_sep_token", preTokenizer.AddSep) ? vocabulary.Special("seperator") : null),
        });
    }

    // Two tokens with a space between them; the first may begin with a space itself.
    private static (string Left, string Right)[] Merges(GgufVocabulary vocabulary)
    {
        IReadOnlyList<string> texts = vocabulary.Texts("merges");
        var merges = new (string, string)[texts.Count];
        for (int i = 0; i < merges.Length; i++)
        {
            int space = texts[i].Length > 1 ? texts[i].IndexOf(' ', 1) : -1;
            if (space < 0 || space == texts[i].Length - 1) throw new TandemException($"{Keys}merges[{i}]: {CheckpointException.Quote(texts[i])}, wanted two tokens with a space between them");
            merges[i] = (texts[i][..space], texts[i][(space + 1)..]);
            foreach (string token in (string[])[merges[i].Item1, merges[i].Item2, merges[i].Item1 + merges[i].Item2])
                if (!vocabulary.Ids.ContainsKey(token)) throw new TandemException($"{Keys}merges[{i}]: the token {CheckpointException.Quote(token)} is not in {Keys}tokens");
        }

        return merges;
    }

    private static Tokenizer Llama(GgufVocabulary vocabulary)
    {
        bool prefix = vocabulary.Flag("add_space_prefix", true), bytes = vocabulary.Types.Contains(PieceType.Byte);
        var table = new PieceTable(vocabulary.Pieces(), Unknown(vocabulary, 0), bytes, Keys + "tokens");
        JsonObject replace = new() { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = " " }, ["content"] = "\u2581" };
        JsonArray normalizers = prefix ? [new JsonObject { ["type"] = "Prepend", ["prepend"] = "\u2581" }, replace] : [replace];
        JsonArray decoders =
        [
            new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = "\u2581" }, ["content"] = " " },
            new JsonObject { ["type"] = "ByteFallback" },
            new JsonObject { ["type"] = "Fuse" },
        ];
        if (prefix) decoders.Add((JsonNode)new JsonObject { ["type"] = "Strip", ["content"] = " ", ["start"] = 1, ["stop"] = 0 });
        return new Tokenizer(new SentencePieceBpe(table, Keys + "tokens"), new TokenizerParts
        {
            AddedTokens = vocabulary.AddedTokens(""),
            Normalizer = Normalizer.Read(Element(new JsonObject { ["type"] = "Sequence", ["normalizers"] = normalizers }), "normalizer"),
            PostProcessor = BosEosTemplate.Make(vocabulary.Added("add_bos_token", true, "bos", 1), vocabulary.Added("add_eos_token", false, "eos", 2)),
            Decoder = Decoder.Read(Element(new JsonObject { ["type"] = "Sequence", ["decoders"] = decoders }), "decoder")!,
        });
    }

    private static Tokenizer Bert(GgufVocabulary vocabulary)
    {
        Dictionary<string, int> ids = WordPieces(vocabulary);
        (string Text, int Id)? cls = vocabulary.Special("bos") ?? vocabulary.Special("cls", 101), sep = vocabulary.Special("seperator", 102);
        bool lower = vocabulary.Flag("normalizer.lowercase", true);
        JsonObject normalizer = new()
        {
            ["type"] = "BertNormalizer",
            ["clean_text"] = true,
            ["handle_chinese_chars"] = true,
            ["strip_accents"] = vocabulary.Flag("normalizer.strip_accents", lower),
            ["lowercase"] = lower,
        };
        return new Tokenizer(new WordPieceModel(ids, vocabulary.Tokens[Unknown(vocabulary, 100)], "##", LongestWord), new TokenizerParts
        {
            AddedTokens = vocabulary.AddedTokens(""),
            Normalizer = Normalizer.Read(Element(normalizer), "normalizer"),
            PreTokenizer = PreTokenizer.Read(Element(new JsonObject { ["type"] = "BertPreTokenizer" }), "pre_tokenizer"),
            PostProcessor = new BertPostProcessor(
                cls ?? throw new TandemException($"there is no {Keys}bos_token_id and no {Keys}cls_token_id"), sep ?? throw new TandemException($"there is no {Keys}seperator_token_id")),
            Decoder = Decoder.Read(Element(new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true }), "decoder")!,
        });
    }

    // Converted vocabularies mark what begins words, where BERT's own mark what does not; names in brackets are left as they are.
    private static Dictionary<string, int> WordPieces(GgufVocabulary vocabulary)
    {
        bool converted = vocabulary.Tokens.Any(t => t[0] == SentencePieceNormalizer.Space);
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < vocabulary.Tokens.Count; id++)
        {
            string token = vocabulary.Tokens[id];
            if (converted && vocabulary.Types[id] is not (PieceType.Control or PieceType.Unknown or PieceType.UserDefined) && !(token[0] == '[' && token[^1] == ']'))
                token = token[0] == SentencePieceNormalizer.Space ? token[1..] : "##" + token;
            if (!ids.TryAdd(token, id)) throw new TandemException($"{Keys}tokens[{id}]: {CheckpointException.Quote(token)} is there twice, first as {ids[token]}");
        }

        return ids;
    }

    private static Tokenizer T5(GgufVocabulary vocabulary)
    {
        int unknown = Unknown(vocabulary, 2);
        var table = new PieceTable(vocabulary.Pieces(), unknown, byteFallback: false, Keys + "tokens");
        byte[] rules = vocabulary.Bytes("precompiled_charsmap");
        bool remove = vocabulary.Flag("remove_extra_whitespaces", false), prefix = vocabulary.Flag("add_space_prefix", false) || remove;
        var options = new SentencePieceNormalizerOptions
        {
            Rules = rules.Length == 0 ? null : CompiledRules.Of(rules, Keys + "precompiled_charsmap"),
            AddDummyPrefix = prefix,
            RemoveExtraWhitespaces = remove,
            EscapeWhitespaces = vocabulary.Flag("escape_whitespaces", true),
            WhitespaceAsSuffix = vocabulary.Flag("treat_whitespace_as_suffix", false),
        };
        return new Tokenizer(new SentencePieceUnigram(table, ScoreSums.Double), new TokenizerParts
        {
            AddedTokens = vocabulary.AddedTokens(""),
            Normalizer = new SentencePieceNormalizer(options, new PieceTrie(table.Of(PieceType.UserDefined))),
            PostProcessor = BosEosTemplate.Make(vocabulary.Added("add_bos_token", false, "bos"), vocabulary.Added("add_eos_token", true, "eos", 1)),
            Decoder = new SentencePieceDecoder(table[unknown].Text, " \u2047 ", prefix, remove),
        });
    }

    private static int Unknown(GgufVocabulary vocabulary, int usual) =>
        (vocabulary.Special("unknown", usual) ?? throw new TandemException($"there is no {Keys}unknown_token_id")).Id;

    private static JsonElement Element(JsonObject part)
    {
        using JsonDocument json = JsonDocument.Parse(part.ToJsonString());
        return json.RootElement.Clone();
    }
}
