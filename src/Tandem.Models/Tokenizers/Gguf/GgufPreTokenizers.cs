namespace Tandem.Models;

/// <summary>What goes with the name of a pre-tokenizer in a GGUF file.</summary>
/// <param name="Expressions">What cuts, one after another.</param>
internal sealed record GgufPreTokenizer(params IReadOnlyList<string> Expressions)
{
    /// <summary>Whether a word that is a token is taken whole.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Whether a text begins with its token unless the file says otherwise.</summary>
    public bool AddBos { get; init; }

    /// <summary>Whether two texts have a separator between them unless the file says otherwise.</summary>
    public bool AddSep { get; init; }
}

/// <summary>
/// The pre-tokenizers that GGUF files name. Names and what they cut are llama.cpp's; where it approximates a model's own expression, because its engine knows no
/// classes of letters by case, that expression stands here.
/// </summary>
internal static class GgufPreTokenizers
{
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", SpaceTail = @"\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string Number = @"\p{N}", Numbers = @"\p{N}+", UpToThree = @"\p{N}{1,3}", Lines = @"[^\n]+|[\n]+";
    private const string KanaHan = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", CommonHan = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
    private const string Clauses = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+";
    private const string SignsAndWords = @"[!\""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|" + SpaceTail;

    // Letters that have a case, as DeepSeek lists them.
    private const string CasedLetters =
        "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c"
        + "\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
        + "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3"
        + "\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
        + "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
        + "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
        + "\U000118a0-\U000118df\U0001e900-\U0001e943";

    private static readonly string Gpt2 = Gpt2Pattern.Instance.Source;
    private static readonly string Llama3 = Words(UpToThree), Qwen2 = Words(Number);

    private static readonly (string[] Names, GgufPreTokenizer PreTokenizer)[] Known =
    [
        (["default"], new(@"[\p{P}\$\+<=>\^~\|]+", Gpt2, Numbers, "[0-9][0-9][0-9]")),
        (["gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum", "modern-bert", "mpt", "olmo", "jais", "exaone4", "trillion", "granite-docling"], new(Gpt2)),
        (["jina-v1-en", "jina-v2-code", "roberta-bpe"], new(Gpt2) { AddSep = true }),
        (["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"], new(Llama3) { IgnoreMerges = true, AddBos = true }),
        (["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], new(Llama3)),
        (["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2", "megrez", "hunyuan", "grok-2", "solar-open"], new(Qwen2)),
        (["qwen35"], new($@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|{Number}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{SpaceTail}")),
        (["minicpm5"], new(UpToThree, Words(Numbers)) { IgnoreMerges = true }),
        (["laguna"], new(Lines, Qwen2)),
        (["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"], new(Number, Gpt2)),
        (["falcon"], new(@"[\p{P}\$\+<=>\^~\|`]+", Gpt2, "[0-9][0-9][0-9]")),
        (["chameleon"], new("<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", @"([\t\n]|    |  )", Number, @"[\p{P}!-/:-@\[-`{-~]", Gpt2) { AddBos = true }),
        (["deepseek-llm"], new(@"[\r\n]", $@"\s?[{CasedLetters}]+", "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", @"\s+$", CommonHan, Numbers)),
        (["deepseek-coder"], new(@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", CommonHan, Number)),
        (["deepseek-v3", "hunyuan-dense", "joyai-llm"], new(UpToThree, KanaHan, SignsAndWords)),
        (["afmoe"], new(
            @"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))",
            "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+",
            SignsAndWords)),
        (["youtu"], new(
            "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
            CasedWords(Contractions + "?", Number)) { IgnoreMerges = true }),
        (["tekken"], new(CasedWords("", Number)) { IgnoreMerges = true, AddBos = true }),
        (["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], new(CasedWords(Contractions + "?", UpToThree))),
        (["granite-embed-multi-97m"], new(CasedWords(Contractions + "?", UpToThree)) { IgnoreMerges = true }),
        (["tiny_aya", "cohere2moe"], new(@"\d{1,3}(?=(?:\d{3})*\b)", CasedWords(Contractions + "?", UpToThree))),
        (["superbpe"], new(Numbers, @"(?=(\d{3})+(?!\d))")),
        (["poro-chat", "bloom", "gpt3-finnish"], new(Clauses)),
        (["viking"], new(Clauses, Number)),
        (["bailingmoe", "bailingmoe2", "llada-moe"], new(@"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")),
        (["seed-coder"], new($@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{Number}{{1}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{SpaceTail}")),
        (["exaone-moe"], new($@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+|{Number}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+")),
        (["jais-2"], new(
            $@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{UpToThree}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|"
            + @"\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}")),
        (["kimi-k2"], new(
            @"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
            + @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
            + @"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")),
    ];

    /// <summary>Qwen2's words.</summary>
    public static string Qwen2Words => Qwen2;

    /// <summary>The words of o200k.</summary>
    public static string O200kWords => CasedWords(Contractions + "?", UpToThree);

    /// <summary>All names, in the order of the table.</summary>
    public static IEnumerable<string> Names => Known.SelectMany(k => k.Names);

    /// <summary>The pre-tokenizer of a name.</summary>
    /// <exception cref="TandemException">It is not known.</exception>
    public static GgufPreTokenizer Find(string name, string place)
    {
        foreach ((string[] names, GgufPreTokenizer preTokenizer) in Known)
            if (names.Contains(name)) return preTokenizer;
        throw PartJson.Unsupported(place, name, string.Join(", ", Names));
    }

    private static string Words(string digits) => $@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SpaceTail}";

    private static string CasedWords(string suffix, string digits) =>
        $@"[^\r\n\p{{L}}\p{{N}}]?{Upper}*{Lower}+{suffix}|[^\r\n\p{{L}}\p{{N}}]?{Upper}+{Lower}*{suffix}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SpaceTail}";
}
