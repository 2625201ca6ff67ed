namespace Tandem.Inference;

/// <summary>How windows are cut from a text.</summary>
/// <param name="Length">Tokens of a window.</param>
/// <param name="Stride">Tokens from one window to the next; what a window shares with the one before is context only.</param>
public sealed record EvaluationWindows(int Length = 512, int Stride = 512)
{
    /// <summary>Most windows; 0 is all.</summary>
    public int Limit { get; init; }

    /// <summary>First token and first scored token of each window of a text, both counted in the text. The first token of a window is never scored.</summary>
    /// <exception cref="TandemException">A size is out of range, or the text is shorter than a window.</exception>
    public IReadOnlyList<(int First, int FirstScored)> Cut(int tokens)
    {
        if (Length < 2) throw new TandemException($"window {Length}, wanted 2 tokens or more");
        if (Stride < 1 || Stride > Length) throw new TandemException($"stride {Stride}, wanted 1 to the window's {Length}");
        if (tokens < Length) throw new TandemException($"the text has {tokens} tokens, wanted at least one window of {Length}");
        var windows = new List<(int, int)>();
        for (int first = 0; first + Length <= tokens && (Limit == 0 || windows.Count < Limit); first += Stride)
            windows.Add((first, first == 0 ? 1 : Math.Max(first + 1, first + Length - Stride)));
        return windows;
    }
}

/// <summary>How well a model predicts a text.</summary>
/// <param name="Scored">Tokens that were predicted.</param>
/// <param name="MeanNll">Mean negative log-likelihood of a token, in nats.</param>
/// <param name="WindowNll">The same by window.</param>
public sealed record PerplexityResult(long Scored, double MeanNll, IReadOnlyList<double> WindowNll)
{
    /// <summary>exp of the mean negative log-likelihood.</summary>
    public double Perplexity => Math.Exp(MeanNll);
}

/// <summary>Perplexity of a text in windows (Jelinek et al., 1977): exp of the mean negative log-likelihood of each token given those before it in its window.</summary>
public static class Perplexity
{
    /// <summary>An engine for scoring: one window at a time, as many rows of logits a step as rows.</summary>
    public static EngineOptions ScoringOptions(EngineOptions options, int window) => options with
    {
        MaxLength = window + 1,
        MaxRows = Math.Min(options.MaxRows, window),
        PrefillChunk = window,
        MaxSequences = Math.Min(options.MaxRows, window),
        CacheTokens = 2 * (window + BlockRoom),
    };

    private const int BlockRoom = 64;

    /// <summary>Scores a text.</summary>
    /// <param name="engine">An engine whose longest sequence is at least a window and one token.</param>
    /// <param name="tokens">The text.</param>
    /// <param name="windows">How it is cut.</param>
    /// <param name="onWindow">Called after each window with how many are done, and of how many.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="TandemException">A size is out of range; or the logits are not finite.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static PerplexityResult Run(Engine engine, ReadOnlySpan<int> tokens, EvaluationWindows windows, Action<int, int>? onWindow = null, CancellationToken cancel = default)
    {
        IReadOnlyList<(int First, int FirstScored)> cuts = windows.Cut(tokens.Length);
        var byWindow = new double[cuts.Count];
        double total = 0;
        long scored = 0;
        for (int i = 0; i < cuts.Count; i++)
        {
            (int first, int firstScored) = cuts[i];
            Request request = Score(engine, tokens.Slice(first, windows.Length), null, cancel);
            double nll = 0;
            ReadOnlySpan<float> logProbs = request.PromptLogProbs[(firstScored - first - 1)..];
            foreach (float logProb in logProbs) nll -= logProb;
            byWindow[i] = nll / logProbs.Length;
            total += nll;
            scored += logProbs.Length;
            onWindow?.Invoke(i + 1, cuts.Count);
        }

        return new PerplexityResult(scored, total / scored, byWindow);
    }

    /// <summary>Computes the log-probabilities of a window's tokens; <paramref name="onLogits"/> sees each row of logits but the last.</summary>
    internal static Request Score(Engine engine, ReadOnlySpan<int> window, PromptLogits? onLogits, CancellationToken cancel)
    {
        Request request = engine.Submit(window, new SamplingOptions { MaxTokens = 1, Temperature = 0, PromptLogProbs = true, IgnoreEos = true });
        request.OnPromptLogits = onLogits;
        while (request.Finish == FinishReason.None)
        {
            if (cancel.IsCancellationRequested)
            {
                engine.Cancel(request);
                cancel.ThrowIfCancellationRequested();
            }

            engine.Step();
        }

        return request.Error == null ? request : throw new TandemException(request.Error);
    }
}
