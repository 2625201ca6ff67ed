namespace Tandem.Inference;

/// <summary>How far a model's distributions are from another's.</summary>
/// <param name="Scored">Rows that were compared.</param>
/// <param name="Mean">Mean of KL(reference || model), in nats.</param>
/// <param name="Percentile99">Its 99th percentile: the nearest rank.</param>
/// <param name="Max">Its largest value.</param>
/// <param name="TopAgreement">Share of rows whose most likely token is the same.</param>
public sealed record DivergenceResult(long Scored, double Mean, double Percentile99, double Max, double TopAgreement);

/// <summary>Kullback-Leibler divergence of a model's next-token distributions from a reference model's, over the tokens of a text in windows.</summary>
public static unsafe class Divergence
{
    /// <summary>Compares two engines, whose models have one vocabulary.</summary>
    /// <param name="reference">The model that is taken for right.</param>
    /// <param name="engine">The model that is measured.</param>
    /// <param name="tokens">The text.</param>
    /// <param name="windows">How it is cut.</param>
    /// <param name="onWindow">Called after each window with how many are done, and of how many.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="TandemException">The vocabularies differ; a size is out of range; or the logits are not finite.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static DivergenceResult Run(Engine reference, Engine engine, ReadOnlySpan<int> tokens, EvaluationWindows windows, Action<int, int>? onWindow = null, CancellationToken cancel = default)
    {
        int vocabulary = reference.Model.Config.VocabSize;
        if (engine.Model.Config.VocabSize != vocabulary) throw new TandemException($"the model has a vocabulary of {engine.Model.Config.VocabSize}, the reference one of {vocabulary}; wanted the same");
        IReadOnlyList<(int First, int FirstScored)> cuts = windows.Cut(tokens.Length);
        using var rows = new NativeBuffer((long)windows.Length * vocabulary * sizeof(float));
        var divergences = new List<double>();
        int agreed = 0;
        for (int i = 0; i < cuts.Count; i++)
        {
            (int first, int firstScored) = cuts[i];
            int skipped = firstScored - first - 1;
            Perplexity.Score(reference, tokens.Slice(first, windows.Length), (row, logits) => logits.CopyTo(Row(row)), cancel);
            Perplexity.Score(engine, tokens.Slice(first, windows.Length), Compare, cancel);
            onWindow?.Invoke(i + 1, cuts.Count);

            void Compare(int row, ReadOnlySpan<float> logits)
            {
                if (row < skipped) return;
                divergences.Add(Of(Row(row), logits, out bool sameTop));
                if (sameTop) agreed++;
            }
        }

        divergences.Sort();
        int rank = (int)Math.Ceiling(0.99 * divergences.Count) - 1;
        return new DivergenceResult(divergences.Count, divergences.Average(), divergences[rank], divergences[^1], (double)agreed / divergences.Count);

        Span<float> Row(int row) => new((float*)rows.Pointer + ((long)row * vocabulary), vocabulary);
    }

    /// <summary>KL(p || q) of two rows of logits, in f64.</summary>
    internal static double Of(ReadOnlySpan<float> p, ReadOnlySpan<float> q, out bool sameTop)
    {
        double sumP = SumExp(p, out int topP), sumQ = SumExp(q, out int topQ), logP = p[topP] + Math.Log(sumP), logQ = q[topQ] + Math.Log(sumQ);
        sameTop = topP == topQ;
        double divergence = 0;
        for (int i = 0; i < p.Length; i++)
        {
            double log = p[i] - logP;

            // exp(-60) of probability adds nothing that a double would keep.
            if (log > -60) divergence += Math.Exp(log) * (log - (q[i] - logQ));
        }

        return Math.Max(0, divergence);
    }

    private static double SumExp(ReadOnlySpan<float> logits, out int top)
    {
        top = 0;
        for (int i = 1; i < logits.Length; i++)
            if (logits[i] > logits[top]) top = i;
        double sum = 0, greatest = logits[top];
        foreach (float logit in logits) sum += Math.Exp(logit - greatest);
        return sum;
    }
}
