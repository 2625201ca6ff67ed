namespace Tandem.Inference;

/// <summary>A token of a completion.</summary>
/// <param name="Id">Token id.</param>
/// <param name="Text">Its text alone; bytes that are no whole character show as U+FFFD.</param>
/// <param name="LogProb">Natural logarithm of its probability under the model itself, before any sampling option.</param>
/// <param name="Alternatives">The most likely tokens at its place, best first; empty unless asked for.</param>
public sealed record CompletionToken(int Id, string Text, float LogProb, IReadOnlyList<TokenLogProb> Alternatives);

/// <summary>What a model wrote after a prompt.</summary>
public sealed record Completion
{
    /// <summary>The prompt.</summary>
    public required string Prompt { get; init; }

    /// <summary>The text, without the stop text that ended it.</summary>
    public required string Text { get; init; }

    /// <summary>Why it ended.</summary>
    public required FinishReason Finish { get; init; }

    /// <summary>What went wrong, if it ended with <see cref="FinishReason.Error"/>.</summary>
    public string? Error { get; init; }

    /// <summary>All generated tokens, those of an end-of-text or stop text included.</summary>
    public IReadOnlyList<CompletionToken> Tokens { get; init; } = [];

    /// <summary>Ids of the prompt's tokens.</summary>
    public IReadOnlyList<int> PromptTokens { get; init; } = [];

    /// <summary>Log-probability of each token of the prompt but the first; empty unless asked for.</summary>
    public IReadOnlyList<float> PromptLogProbs { get; init; } = [];

    /// <summary>From submission to the first token; zero if there was none.</summary>
    public TimeSpan TimeToFirstToken { get; init; }

    /// <summary>From submission to the end.</summary>
    public TimeSpan Time { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Text;
}
