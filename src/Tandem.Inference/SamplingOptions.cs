namespace Tandem.Inference;

/// <summary>How a request's tokens are chosen. The defaults sample from the model's own distribution.</summary>
public sealed record SamplingOptions
{
    /// <summary>The most alternatives a token's log-probabilities can be asked for.</summary>
    public const int MaxLogProbs = 100;

    /// <summary>Divides the logits; 0 takes the most likely token.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Keeps the k most likely tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the smallest set of most likely tokens whose probabilities reach this sum; 1 keeps all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Drops tokens less likely than this share of the most likely one; 0 keeps all.</summary>
    public float MinP { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens that occurred; 1 changes nothing (Keskar et al., 2019).</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Key of the random numbers: the same seed gives the same text, alone or in a batch.</summary>
    public ulong Seed { get; init; }

    /// <summary>Tokens to generate at the most.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>Tokens before an end-of-text token or a stop text may end the generation.</summary>
    public int MinTokens { get; init; }

    /// <summary>Texts that end the generation; they are not part of the result.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Goes on after an end-of-text token.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Most likely alternatives to report beside each generated token.</summary>
    public int LogProbs { get; init; }

    /// <summary>Whether to report the log-probability of each token of the prompt, given those before it.</summary>
    public bool PromptLogProbs { get; init; }

    /// <summary>Refuses values outside their range, all at once.</summary>
    /// <exception cref="TandemException">A value is out of range.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        if (!(Temperature >= 0 && float.IsFinite(Temperature))) problems.Add($"temperature {Temperature}, wanted 0 or more");
        if (TopK < 0) problems.Add($"top_k {TopK}, wanted 0 (all) or more");
        if (!(TopP > 0 && TopP <= 1)) problems.Add($"top_p {TopP}, wanted above 0 and at most 1");
        if (!(MinP >= 0 && MinP <= 1)) problems.Add($"min_p {MinP}, wanted 0 to 1");
        if (!(RepetitionPenalty > 0 && float.IsFinite(RepetitionPenalty))) problems.Add($"repetition_penalty {RepetitionPenalty}, wanted above 0");
        if (MaxTokens < 1) problems.Add($"max_tokens {MaxTokens}, wanted 1 or more");
        if (MinTokens < 0 || MinTokens > MaxTokens) problems.Add($"min_tokens {MinTokens}, wanted 0 to max_tokens ({MaxTokens})");
        if (LogProbs is < 0 or > MaxLogProbs) problems.Add($"logprobs {LogProbs}, wanted 0 to {MaxLogProbs}");
        if (Stop.Any(string.IsNullOrEmpty)) problems.Add("stop has an empty text, wanted at least one character");
        if (problems.Count > 0) throw new TandemException("sampling options: " + string.Join("; ", problems));
    }
}
