using Tandem.Models;

namespace Tandem.Training;

/// <summary>Texts that the model writes now and then while it is trained.</summary>
public sealed record SamplesConfig
{
    /// <summary>The keys.</summary>
    public static IReadOnlyList<ConfigKey> Keys { get; } =
    [
        new("prompts", "array", "[]", "a list of up to 100 strings", "Texts to continue; none makes no samples"),
        new("steps", "integer", "0", "0 to 2147483647", "Steps between samples; 0 makes them at the end only"),
        new("max_tokens", "integer", "100", "1 to 1000000", "Tokens of a sample"),
        new("temperature", "number", "1", "0 to 100", "Divides the logits; 0 takes the most likely token"),
        new("top_k", "integer", "0", "0 to 2147483647", "Keeps the most likely tokens; 0 keeps all"),
        new("top_p", "number", "1", "0.000001 to 1", "Keeps the most likely tokens up to this sum"),
        new("seed", "integer", "0", "0 to 2147483647", "Seed of the samples"),
    ];

    /// <summary>Texts to continue.</summary>
    public IReadOnlyList<string> Prompts { get; init; } = [];

    /// <summary>Steps between samples; 0 makes them at the end only.</summary>
    public int Steps { get; init; }

    /// <summary>Tokens of a sample.</summary>
    public int MaxTokens { get; init; } = 100;

    /// <summary>Divides the logits; 0 takes the most likely token.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Keeps the k most likely tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the most likely tokens up to this sum.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Seed of the samples.</summary>
    public ulong Seed { get; init; }

    internal static SamplesConfig Read(ConfigReader reader) => new()
    {
        Prompts = reader.Texts("prompts", 100) ?? [],
        Steps = reader.Int("steps", 0, int.MaxValue, 0),
        MaxTokens = reader.Int("max_tokens", 1, 1_000_000, 100),
        Temperature = reader.Number("temperature", 0, 100, 1),
        TopK = reader.Int("top_k", 0, int.MaxValue, 0),
        TopP = reader.Number("top_p", 1e-6, 1, 1),
        Seed = (ulong)reader.Int("seed", 0, int.MaxValue, 0),
    };
}
