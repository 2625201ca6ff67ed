using Tandem.Cpu;

namespace Tandem.Inference;

/// <summary>Log-probabilities of a row of logits, by the same kernel as the trainer's loss and so with the same bits.</summary>
public static class LogProbs
{
    /// <summary>Natural logarithm of the softmax of <paramref name="logits"/> at <paramref name="id"/>.</summary>
    public static unsafe float Of(ReadOnlySpan<float> logits, int id)
    {
        fixed (float* row = logits) return CpuMath.LogProb(row, logits.Length, id);
    }
}
