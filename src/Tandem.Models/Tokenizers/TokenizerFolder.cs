using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tandem.Models;

/// <summary>
/// The files of a model directory that has no <c>tokenizer.json</c>: what <c>tokenizer_config.json</c> and <c>added_tokens.json</c> say goes with a
/// SentencePiece model, a rank file, or a vocabulary in <c>vocab.json</c> with <c>merges.txt</c> or in <c>vocab.txt</c>.
/// </summary>
internal sealed class TokenizerFolder
{
    /// <summary>The vocabularies that are looked for.</summary>
    public const string VocabularyNames = "vocab.json with merges.txt, vocab.txt";

    private const string ConfigName = "tokenizer_config.json", AddedName = "added_tokens.json";
    private const int MaxFileBytes = 64 << 20;

    private static readonly string[] TokenNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    private readonly string _folder;
    private readonly Dictionary<string, string> _named = new(StringComparer.Ordinal);
    private readonly SortedDictionary<int, AddedToken> _added = [];
    private JsonElement _config;

    private TokenizerFolder(string folder) => _folder = folder;

    /// <summary>Whether there is a vocabulary of the directory's own.</summary>
    public bool HasVocabulary => (Has("vocab.json") && Has("merges.txt")) || Has("vocab.txt");

    /// <summary>Reads what the directory says about its tokenizer.</summary>
    /// <exception cref="TandemException">A file is malformed.</exception>
    public static TokenizerFolder Read(string folder)
    {
        var read = new TokenizerFolder(folder);
        read._config = read.Json(ConfigName) ?? JsonDocument.Parse("{}").RootElement;
        if (read._config.TryGetProperty("added_tokens_decoder", out JsonElement decoder) && decoder.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty token in decoder.EnumerateObject())
            {
                string place = $"{ConfigName}: added_tokens_decoder['{token.Name}']";
                if (!int.TryParse(token.Name, System.Globalization.CultureInfo.InvariantCulture, out int id) || token.Value.ValueKind != JsonValueKind.Object) throw new TandemException($"{place}: wanted an id and an object");
                JsonObject with = JsonObject.Create(token.Value)!;
                with["id"] = id;
                using JsonDocument json = JsonDocument.Parse(with.ToJsonString());
                read._added[id] = AddedToken.Read(json.RootElement, place);
            }
        }

        foreach (JsonProperty token in read.Json(AddedName)?.EnumerateObject().ToArray() ?? [])
        {
            int id = PartJson.Id(token.Value, $"{AddedName}: ['{token.Name}']");
            if (token.Name.Length > 0) read._added.TryAdd(id, new AddedToken(id, token.Name));
        }

        foreach (string name in TokenNames)
        {
            if (!read._config.TryGetProperty(name, out JsonElement token)) continue;
            if (token.ValueKind == JsonValueKind.Object && token.TryGetProperty("content", out JsonElement content)) token = content;
            if (token.ValueKind == JsonValueKind.String) read._named[name] = token.GetString()!;
        }

        return read;
    }

    /// <summary>Loads a rank file: its pattern and special tokens come from a JSON file of its name, from the directory's configuration, or from its name itself.</summary>
    public static Tokenizer LoadRanks(string path)
    {
        byte[]?[] ranks = TiktokenFile.Load(path);
        string own = Path.ChangeExtension(path, ".json"), folder = Path.GetDirectoryName(path) is { Length: > 0 } name ? name : ".";
        if (File.Exists(own))
        {
            using JsonDocument json = BoundedJson.ReadFile(own, MaxFileBytes);
            JsonElement special = PartJson.Need(json.RootElement, own, "special_tokens");
            if (special.ValueKind != JsonValueKind.Object) throw new TandemException($"{own}: special_tokens: {PartJson.Short(special)}, wanted an object of tokens and ids");
            Dictionary<string, int> ids = special.EnumerateObject().ToDictionary(t => t.Name, t => PartJson.Id(t.Value, $"{own}: special_tokens['{t.Name}']"));
            return TiktokenTokenizer.Make(ranks, PartJson.String(PartJson.Need(json.RootElement, own, "pattern"), $"{own}: pattern"), ids, $"{own}: pattern");
        }

        if (KnownTiktoken.Find(Path.GetFileNameWithoutExtension(path)) is { } known) return TiktokenTokenizer.Make(ranks, known.Pattern, known.Special, known.Name);
        TokenizerFolder config = Read(folder);
        if (config._config.TryGetProperty("pattern", out JsonElement pattern) || config._config.TryGetProperty("pat_str", out pattern))
            return TiktokenTokenizer.Make(ranks, PartJson.String(pattern, $"{ConfigName}: pattern"), config._added.Values.ToDictionary(t => t.Content, t => t.Id), $"{ConfigName}: pattern");
        throw new TandemException($"'{path}': the expression that cuts words is not known; looked for {Path.GetFileName(own)} with pattern and special_tokens, for pattern in {ConfigName}, and for the names {KnownTiktoken.Names}");
    }

    /// <summary>Loads a SentencePiece model with what the configuration adds to it.</summary>
    public Tokenizer LoadSentencePiece(string path)
    {
        SentencePieceFile file = SentencePieceFile.Load(path);
        AddedToken[] beyond = [.. _added.Values.Where(t => t.Id >= file.Pieces.Count)];
        AddedToken? wrong = _added.Values.FirstOrDefault(t => t.Id < file.Pieces.Count && file.Pieces[t.Id].Text != t.Content);
        if (wrong != null) throw new TandemException($"{ConfigName}: the added token '{wrong.Content}' has the id {wrong.Id} of the piece '{file.Pieces[wrong.Id].Text}'");
        return SentencePieceTokenizer.Make(file, PartJson.Bool(_config, ConfigName, "add_bos_token", true), PartJson.Bool(_config, ConfigName, "add_eos_token", false), beyond);
    }

    /// <summary>Loads the directory's own vocabulary.</summary>
    public Tokenizer LoadVocabulary() => Has("vocab.txt") ? LoadWordPiece() : LoadMerges();

    private Tokenizer LoadWordPiece()
    {
        Kind("BertTokenizer", "BertTokenizer");
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        string[] lines = Lines("vocab.txt");
        for (int i = 0; i < lines.Length; i++)
            if (!ids.TryAdd(lines[i], i)) throw new TandemException($"vocab.txt line {i + 1}: '{lines[i]}' is there twice, first in line {ids[lines[i]] + 1}");
        string unknown = _named.GetValueOrDefault("unk_token", "[UNK]"), cls = _named.GetValueOrDefault("cls_token", "[CLS]"), sep = _named.GetValueOrDefault("sep_token", "[SEP]");
        foreach (string token in (string[])[cls, sep])
            if (!ids.ContainsKey(token)) throw new TandemException($"vocab.txt: there is no '{token}'");
        bool lower = PartJson.Bool(_config, ConfigName, "do_lower_case", true);
        bool strip = PartJson.IsNull(_config, "strip_accents") ? lower : PartJson.Bool(_config, ConfigName, "strip_accents", lower);
        JsonObject normalizer = new()
        {
            ["type"] = "BertNormalizer",
            ["clean_text"] = true,
            ["handle_chinese_chars"] = PartJson.Bool(_config, ConfigName, "tokenize_chinese_chars", true),
            ["strip_accents"] = strip,
            ["lowercase"] = lower,
        };
        return Parts(ids, new JsonObject
        {
            ["normalizer"] = normalizer,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "BertPreTokenizer" },
            ["post_processor"] = new JsonObject { ["type"] = "BertProcessing", ["sep"] = new JsonArray(sep, ids[sep]), ["cls"] = new JsonArray(cls, ids[cls]) },
            ["decoder"] = new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
            ["model"] = new JsonObject { ["type"] = "WordPiece", ["unk_token"] = unknown, ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100 },
        });
    }

    private Tokenizer LoadMerges()
    {
        string kind = Kind("GPT2Tokenizer", "GPT2Tokenizer", "Qwen2Tokenizer", "RobertaTokenizer");
        JsonElement vocabulary = Json("vocab.json")!.Value;
        Dictionary<string, int> ids = vocabulary.EnumerateObject().ToDictionary(t => t.Name, t => PartJson.Id(t.Value, $"vocab.json: ['{t.Name}']"));
        bool prefix = PartJson.Bool(_config, ConfigName, "add_prefix_space", false);
        JsonObject bytes = new() { ["type"] = "ByteLevel", ["add_prefix_space"] = prefix, ["trim_offsets"] = true, ["use_regex"] = kind != "Qwen2Tokenizer" };
        JsonObject parts = new() { ["pre_tokenizer"] = bytes, ["decoder"] = new JsonObject { ["type"] = "ByteLevel" } };
        if (kind == "Qwen2Tokenizer")
        {
            parts["normalizer"] = new JsonObject { ["type"] = "NFC" };
            JsonObject split = new() { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = GgufPreTokenizers.Qwen2Words }, ["behavior"] = "Isolated", ["invert"] = false };
            parts["pre_tokenizer"] = new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(split, bytes.DeepClone()) };
        }
        else if (kind == "RobertaTokenizer")
        {
            string cls = _named.GetValueOrDefault("cls_token", "<s>"), sep = _named.GetValueOrDefault("sep_token", "</s>");
            if (!ids.TryGetValue(cls, out int clsId) || !ids.TryGetValue(sep, out int sepId)) throw new TandemException($"vocab.json: there is no '{cls}' or no '{sep}'");
            parts["post_processor"] = new JsonObject
            {
                ["type"] = "RobertaProcessing",
                ["sep"] = new JsonArray(sep, sepId),
                ["cls"] = new JsonArray(cls, clsId),
                ["trim_offsets"] = true,
                ["add_prefix_space"] = prefix,
            };
        }

        var merges = new JsonArray();
        foreach (string line in Lines("merges.txt").SkipWhile(l => l.StartsWith("#version", StringComparison.Ordinal))) merges.Add((JsonNode)line);
        parts["model"] = new JsonObject { ["type"] = "BPE", ["merges"] = merges };
        return Parts(ids, parts);
    }

    // A tokenizer.json of the parts, with the special tokens of the configuration among the added ones.
    private Tokenizer Parts(Dictionary<string, int> ids, JsonObject parts)
    {
        foreach (string token in _named.Values)
            if (ids.TryGetValue(token, out int id)) _added.TryAdd(id, new AddedToken(id, token) { Special = true });
        var vocabulary = new JsonObject();
        foreach ((string token, int id) in ids) vocabulary.Add(token, id);
        parts["model"]!["vocab"] = vocabulary;
        var added = new JsonArray();
        foreach (AddedToken token in _added.Values)
        {
            JsonNode node = new JsonObject
            {
                ["id"] = token.Id,
                ["content"] = token.Content,
                ["single_word"] = token.SingleWord,
                ["lstrip"] = token.LeftStrip,
                ["rstrip"] = token.RightStrip,
                ["normalized"] = token.Normalized,
                ["special"] = token.Special,
            };
            added.Add(node);
        }

        parts["added_tokens"] = added;
        return TokenizerJson.Parse(Encoding.UTF8.GetBytes(parts.ToJsonString()), _folder);
    }

    // The tokenizer's class, whose fast twin has the same files.
    private string Kind(string missing, params string[] supported)
    {
        string kind = PartJson.IsNull(_config, "tokenizer_class") ? missing : PartJson.String(_config.GetProperty("tokenizer_class"), $"{ConfigName}: tokenizer_class");
        if (kind.EndsWith("Fast", StringComparison.Ordinal)) kind = kind[..^"Fast".Length];
        return supported.Contains(kind) ? kind : throw PartJson.Unsupported($"{ConfigName}: tokenizer_class", kind, string.Join(", ", supported));
    }

    private bool Has(string name) => File.Exists(Path.Combine(_folder, name));

    private JsonElement? Json(string name)
    {
        if (!Has(name)) return null;
        using JsonDocument json = BoundedJson.ReadFile(Path.Combine(_folder, name), MaxFileBytes);
        return json.RootElement.Clone();
    }

    private string[] Lines(string name)
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(BoundedFile.ReadAllBytes(Path.Combine(_folder, name), MaxFileBytes));
        }
        catch (DecoderFallbackException)
        {
            throw new TandemException($"{name} is not UTF-8");
        }

        string[] lines = text.Split('\n');
        if (lines[^1].Length == 0) lines = lines[..^1];
        return [.. lines.Select(l => l.TrimEnd('\r'))];
    }
}
