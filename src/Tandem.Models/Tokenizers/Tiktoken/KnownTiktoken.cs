namespace Tandem.Models;

/// <summary>The published rank files whose names say how they cut words and which special tokens go with them.</summary>
internal sealed record KnownTiktoken(string Name, string Pattern, IReadOnlyDictionary<string, int> Special)
{
    private const string EndOfText = "<|endoftext|>", Cl100k = @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";

    private static readonly Dictionary<string, int> Fill = new() { ["<|fim_prefix|>"] = 100258, ["<|fim_middle|>"] = 100259, ["<|fim_suffix|>"] = 100260 };

    private static readonly KnownTiktoken[] All =
    [
        new("gpt2", Gpt2Pattern.Instance.Source, new Dictionary<string, int> { [EndOfText] = 50256 }),
        new("r50k_base", Gpt2Pattern.Instance.Source, new Dictionary<string, int> { [EndOfText] = 50256 }),
        new("p50k_base", Gpt2Pattern.Instance.Source, new Dictionary<string, int> { [EndOfText] = 50256 }),
        new("p50k_edit", Gpt2Pattern.Instance.Source, new Dictionary<string, int> { [EndOfText] = 50256, ["<|fim_prefix|>"] = 50281, ["<|fim_middle|>"] = 50282, ["<|fim_suffix|>"] = 50283 }),
        new("cl100k_base", Cl100k, new Dictionary<string, int>(Fill) { [EndOfText] = 100257, ["<|endofprompt|>"] = 100276 }),
        new("o200k_base", GgufPreTokenizers.O200kWords, new Dictionary<string, int> { [EndOfText] = 199999, ["<|endofprompt|>"] = 200018 }),
    ];

    /// <summary>The names.</summary>
    public static string Names => string.Join(", ", All.Select(k => k.Name));

    /// <summary>The one of a name, or null.</summary>
    public static KnownTiktoken? Find(string name) => All.FirstOrDefault(k => k.Name == name);
}
