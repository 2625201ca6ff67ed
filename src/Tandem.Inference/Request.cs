namespace Tandem.Inference;

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>It has not.</summary>
    None,

    /// <summary>An end-of-text token or a stop text.</summary>
    Stop,

    /// <summary>The limit of tokens, or the end of the context.</summary>
    Length,

    /// <summary>The caller cancelled it.</summary>
    Cancelled,
}

/// <summary>A generated token.</summary>
/// <param name="Id">Token id.</param>
/// <param name="LogProb">Natural logarithm of its probability under the model itself, before any sampling option.</param>
public readonly record struct GeneratedToken(int Id, float LogProb);

/// <summary>
/// A sequence in the engine: known tokens (prompt and generated), of which the first <see cref="Computed"/> have keys and values in blocks.
/// There is no prefill and no decode, only a computed length behind a known one.
/// </summary>
public sealed class Request
{
    internal Request(long id, int[] prompt, SamplingOptions options)
    {
        Id = id;
        Options = options;
        PromptLength = prompt.Length;
        Tokens.AddRange(prompt);
    }

    /// <summary>Number in order of arrival.</summary>
    public long Id { get; }

    /// <summary>Options of sampling.</summary>
    public SamplingOptions Options { get; }

    /// <summary>Tokens of the prompt.</summary>
    public int PromptLength { get; }

    /// <summary>What was generated so far.</summary>
    public IReadOnlyList<GeneratedToken> Generated => Output;

    /// <summary>Why it ended.</summary>
    public FinishReason Finish { get; internal set; }

    /// <summary>How often it was preempted and computed again.</summary>
    public int Preemptions { get; internal set; }

    internal List<int> Tokens { get; } = [];

    internal List<GeneratedToken> Output { get; } = [];

    internal List<int> Blocks { get; } = [];

    internal int Computed { get; set; }

    internal bool CancelRequested { get; set; }
}
