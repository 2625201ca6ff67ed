namespace Tandem.Cpu;

/// <summary>Row functions that callers outside of a plan share with its kernels, so that the bits are the same.</summary>
public static unsafe class CpuMath
{
    /// <summary>Natural logarithm of the softmax of logits[n] at <paramref name="id"/>: the bits of the loss's own.</summary>
    public static float LogProb(float* logits, int n, int id) => SoftmaxKernel.LogProb(logits, n, id);

    /// <summary>The same at <paramref name="count"/> ids of one row.</summary>
    public static void LogProbs(float* logits, int n, int* ids, int count, float* logProbs) => SoftmaxKernel.LogProbs(logits, n, ids, count, logProbs);

    /// <summary>Index of the largest of values[n], the first of equals; -1 if any is NaN or the largest is not finite.</summary>
    public static int ArgMax(float* values, int n) => RowReduce.ArgMax(values, n);
}
