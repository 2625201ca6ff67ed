namespace Tandem.Models;

/// <summary>Keys of the vocabulary in GGUF files.</summary>
internal static class GgufTokens
{
    /// <summary>Kind of the vocabulary: gpt2 is byte-level BPE, llama SentencePiece's BPE.</summary>
    public const string Model = "tokenizer.ggml.model";

    /// <summary>Name of the rule that splits texts into words.</summary>
    public const string Pre = "tokenizer.ggml.pre";

    /// <summary>The tokens' texts.</summary>
    public const string Tokens = "tokenizer.ggml.tokens";

    /// <summary>What each token is: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 a byte.</summary>
    public const string Types = "tokenizer.ggml.token_type";

    /// <summary>The tokens' scores.</summary>
    public const string Scores = "tokenizer.ggml.scores";

    /// <summary>The pairs that are joined, best first.</summary>
    public const string Merges = "tokenizer.ggml.merges";

    /// <summary>The token before a text.</summary>
    public const string Bos = "tokenizer.ggml.bos_token_id";

    /// <summary>The token behind a text.</summary>
    public const string Eos = "tokenizer.ggml.eos_token_id";

    /// <summary>The padding token.</summary>
    public const string Padding = "tokenizer.ggml.padding_token_id";

    /// <summary>The token for what is not in the vocabulary.</summary>
    public const string Unknown = "tokenizer.ggml.unknown_token_id";

    /// <summary>Whether a text gets <see cref="Bos"/>.</summary>
    public const string AddBos = "tokenizer.ggml.add_bos_token";

    /// <summary>Whether a text gets <see cref="Eos"/>.</summary>
    public const string AddEos = "tokenizer.ggml.add_eos_token";

    /// <summary>Whether a text gets a space before it.</summary>
    public const string AddSpacePrefix = "tokenizer.ggml.add_space_prefix";

    /// <summary>The chat template.</summary>
    public const string ChatTemplate = "tokenizer.chat_template";

    /// <summary>Keys of the tokens that end a text.</summary>
    public static IReadOnlyList<string> Ends { get; } = [Eos, "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
}
