using System.Buffers;

namespace Tandem.Inference;

/// <summary>
/// Chooses a token from a row of logits: repetition penalty, temperature, top-k, top-p, min-p, then the draw.
/// The random number is keyed by seed and position, so that neither batch nor thread matters; ties break by token id.
/// </summary>
internal static class Sampler
{
    private static readonly ulong Stream = Philox.HashName("sample");

    /// <summary>Chooses; <paramref name="logits"/> are changed.</summary>
    /// <param name="logits">One row, overwritten with what the chain leaves.</param>
    /// <param name="options">The request's options.</param>
    /// <param name="history">Prompt and generated tokens, for the penalty.</param>
    /// <param name="position">Position of the token to choose.</param>
    public static int Sample(Span<float> logits, SamplingOptions options, ReadOnlySpan<int> history, int position)
    {
        if (options.RepetitionPenalty != 1) Penalize(logits, history, options.RepetitionPenalty);
        if (options.Temperature == 0) return ArgMax(logits);

        int count = logits.Length;
        int[] ids = ArrayPool<int>.Shared.Rent(count);
        float[] keys = ArrayPool<float>.Shared.Rent(count);
        try
        {
            for (int i = 0; i < count; i++)
            {
                ids[i] = i;
                keys[i] = -logits[i] / options.Temperature;
            }

            // Array.Sort is not stable; equal keys are put in order of ids afterwards.
            Array.Sort(keys, ids, 0, count);
            OrderTies(keys, ids, count);
            int kept = options.TopK > 0 ? Math.Min(options.TopK, count) : count;
            float max = -keys[0];
            double total = 0;
            for (int i = 0; i < kept; i++) total += Math.Exp(-keys[i] - max);
            kept = TopP(keys, kept, max, total, options.TopP);
            kept = MinP(keys, kept, max, options.MinP);
            total = 0;
            for (int i = 0; i < kept; i++) total += Math.Exp(-keys[i] - max);
            double target = Philox.Stream(options.Seed, Stream, (ulong)position).Uniform(0) * total;
            double sum = 0;
            for (int i = 0; i < kept; i++)
            {
                sum += Math.Exp(-keys[i] - max);
                if (sum > target) return ids[i];
            }

            return ids[kept - 1];
        }
        finally
        {
            ArrayPool<int>.Shared.Return(ids);
            ArrayPool<float>.Shared.Return(keys);
        }
    }

    /// <summary>The largest logit's id, the smallest id among equals.</summary>
    public static int ArgMax(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best]) best = i;
        return best;
    }

    private static void Penalize(Span<float> logits, ReadOnlySpan<int> history, float penalty)
    {
        byte[] seen = ArrayPool<byte>.Shared.Rent(logits.Length);
        Array.Clear(seen, 0, logits.Length);
        foreach (int id in history)
        {
            if (seen[id]++ != 0) continue;
            logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
        }

        ArrayPool<byte>.Shared.Return(seen);
    }

    private static void OrderTies(float[] keys, int[] ids, int count)
    {
        for (int start = 0; start < count;)
        {
            int end = start + 1;
            while (end < count && keys[end] == keys[start]) end++;
            if (end - start > 1) Array.Sort(ids, start, end - start);
            start = end;
        }
    }

    // The token that crosses the threshold is kept, and always the first.
    private static int TopP(float[] keys, int kept, float max, double total, float topP)
    {
        if (topP >= 1) return kept;
        double sum = 0;
        for (int i = 0; i < kept; i++)
        {
            sum += Math.Exp(-keys[i] - max) / total;
            if (sum >= topP) return i + 1;
        }

        return kept;
    }

    private static int MinP(float[] keys, int kept, float max, float minP)
    {
        if (minP <= 0) return kept;
        int i = 1;
        while (i < kept && Math.Exp(-keys[i] - max) >= minP) i++;
        return i;
    }
}
