using Tandem.Cpu;

namespace Tandem.Inference;

/// <summary>A token that could be generated.</summary>
/// <param name="Id">Token id.</param>
/// <param name="LogProb">Natural logarithm of its probability under the model itself, before any sampling option.</param>
public readonly record struct TokenLogProb(int Id, float LogProb);

/// <summary>Log-probabilities of a row of logits, by the same kernel as the trainer's loss and so with the same bits.</summary>
public static unsafe class LogProbs
{
    /// <summary>Natural logarithm of the softmax of <paramref name="logits"/> at <paramref name="id"/>.</summary>
    public static float Of(ReadOnlySpan<float> logits, int id)
    {
        fixed (float* row = logits) return CpuMath.LogProb(row, logits.Length, id);
    }

    /// <summary>The most likely tokens, best first, the smaller id first among equals.</summary>
    public static void Top(ReadOnlySpan<float> logits, Span<TokenLogProb> top)
    {
        Span<int> ids = stackalloc int[SamplingOptions.MaxLogProbs];
        Span<float> values = stackalloc float[SamplingOptions.MaxLogProbs];
        int count = 0, wanted = Math.Min(top.Length, logits.Length);
        for (int i = 0; i < logits.Length; i++)
        {
            if (count == wanted && (count == 0 || !(logits[i] > values[count - 1]))) continue;
            int at = count < wanted ? count++ : count - 1;
            for (; at > 0 && logits[i] > values[at - 1]; at--) (ids[at], values[at]) = (ids[at - 1], values[at - 1]);
            (ids[at], values[at]) = (i, logits[i]);
        }

        fixed (float* row = logits, value = values)
        fixed (int* id = ids) CpuMath.LogProbs(row, logits.Length, id, count, value);
        for (int i = 0; i < count; i++) top[i] = new TokenLogProb(ids[i], values[i]);
    }
}
