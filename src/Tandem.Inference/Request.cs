namespace Tandem.Inference;

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>It has not.</summary>
    None,

    /// <summary>An end-of-text token or a stop text.</summary>
    Stop,

    /// <summary>The limit of tokens, the end of the context, or of the cache.</summary>
    Length,

    /// <summary>The caller cancelled it.</summary>
    Cancelled,

    /// <summary>It failed; others go on.</summary>
    Error,
}

/// <summary>A row of logits that follows token <paramref name="position"/> of a prompt.</summary>
internal delegate void PromptLogits(int position, ReadOnlySpan<float> logits);

/// <summary>A generated token.</summary>
/// <param name="Id">Token id.</param>
/// <param name="LogProb">Natural logarithm of its probability under the model itself, before any sampling option.</param>
public readonly record struct GeneratedToken(int Id, float LogProb);

/// <summary>
/// A sequence in the engine: known tokens (prompt and generated), of which the first <see cref="Computed"/> have keys and values in blocks.
/// There is no prefill and no decode, only a computed length behind a known one. All lists have their room from the start.
/// </summary>
public sealed class Request
{
    private readonly TokenLogProb[] _alternatives;
    private readonly float[] _promptLogProbs;

    internal Request(long id, ReadOnlySpan<int> prompt, SamplingOptions options, int room, int blocks)
    {
        Id = id;
        Options = options;
        PromptLength = prompt.Length;
        Tokens = new List<int>(prompt.Length + room);
        Tokens.AddRange(prompt);
        Output = new List<GeneratedToken>(room);
        Blocks = new List<int>(blocks);
        Node = new LinkedListNode<Request>(this);
        GreatestLength = prompt.Length + room;
        _alternatives = new TokenLogProb[(long)room * options.LogProbs];
        _promptLogProbs = options.PromptLogProbs ? new float[prompt.Length - 1] : [];
    }

    /// <summary>Number in order of arrival.</summary>
    public long Id { get; }

    /// <summary>Options of sampling.</summary>
    public SamplingOptions Options { get; }

    /// <summary>Tokens of the prompt.</summary>
    public int PromptLength { get; }

    /// <summary>What was generated so far.</summary>
    public IReadOnlyList<GeneratedToken> Generated => Output;

    /// <summary>Log-probability of each token of the prompt but the first, as far as computed; empty unless asked for.</summary>
    public ReadOnlySpan<float> PromptLogProbs => _promptLogProbs.AsSpan(0, PromptScored);

    /// <summary>Why it ended.</summary>
    public FinishReason Finish { get; internal set; }

    /// <summary>What went wrong, if it ended with <see cref="FinishReason.Error"/>.</summary>
    public string? Error { get; internal set; }

    /// <summary>How often it was preempted and computed again.</summary>
    public int Preemptions { get; internal set; }

    /// <summary>Sees the logits of each token of the prompt but the last, in order; null sees none.</summary>
    internal PromptLogits? OnPromptLogits { get; set; }

    internal List<int> Tokens { get; }

    internal List<GeneratedToken> Output { get; }

    internal List<int> Blocks { get; }

    internal LinkedListNode<Request> Node { get; }

    /// <summary>The token of this step; its id is -1 if none could be chosen.</summary>
    internal GeneratedToken Chosen { get; set; }

    /// <summary>Tokens that it may have at most.</summary>
    internal int GreatestLength { get; }

    /// <summary>Where its own rope table begins; -1 while it has none.</summary>
    internal int FirstRopeRow { get; set; } = -1;

    internal int Computed { get; set; }

    internal int PromptScored { get; private set; }

    internal bool IsRunning { get; set; }

    internal bool IsScheduled { get; set; }

    /// <summary>The most likely tokens at generated token <paramref name="index"/>, best first; empty unless asked for.</summary>
    public ReadOnlySpan<TokenLogProb> Alternatives(int index) => AlternativesAt(index);

    internal Span<TokenLogProb> AlternativesAt(int index) => _alternatives.AsSpan(index * Options.LogProbs, Options.LogProbs);

    internal void AddPromptLogProb(float value) => _promptLogProbs[PromptScored++] = value;
}
