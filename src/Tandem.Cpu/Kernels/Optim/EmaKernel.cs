using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>Moving averages: e = d e + (1 - d) p over elements [first, first + count), elementwise, with one rounded product and one fused multiply-add.</summary>
internal static unsafe class EmaKernel
{
    /// <summary>Averages f32 weights.</summary>
    internal static void Run(float decay, float take, long first, long count, float* weights, float* averages)
    {
        Vector256<float> d = Vector256.Create(decay), t = Vector256.Create(take);
        long i = first, end = first + count;
        for (; i <= end - 8; i += 8)
            Vector256.FusedMultiplyAdd(d, Vector256.Load(averages + i), t * Vector256.Load(weights + i)).Store(averages + i);

        RunScalar(decay, take, i, end - i, weights, averages);
    }

    /// <summary>Scalar twin of <see cref="Run"/>.</summary>
    internal static void RunScalar(float decay, float take, long first, long count, float* weights, float* averages)
    {
        for (long i = first; i < first + count; i++)
            averages[i] = MathF.FusedMultiplyAdd(decay, averages[i], take * weights[i]);
    }

    /// <summary>Averages bf16 weights that have no f32 copy.</summary>
    internal static void RunBF16(float decay, float take, long first, long count, ushort* weights, float* averages)
    {
        for (long i = first; i < first + count; i++)
            averages[i] = MathF.FusedMultiplyAdd(decay, averages[i], take * StoredBF16.Load(weights + i));
    }
}
