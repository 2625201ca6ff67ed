using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>The register tiles of quantized products: for each type those of all vector widths, of which the widest that this processor has is taken.</summary>
internal static unsafe class QuantizedTiles
{
    private static readonly Kernel?[] Chosen = [.. DTypes.All.Select(t => All(t).Select(k => k.Kernel).FirstOrDefault())];

    /// <summary>c[i, 0..15] = row i times a panel, for <paramref name="rows"/> (1 to 8) rows of <paramref name="blocks"/> blocks.</summary>
    public delegate void Kernel(byte* a, long rowBytes, byte* panel, int blocks, float* c, long ldc, int rows);

    /// <summary>The tile for a type of weights, or null.</summary>
    public static Kernel? Of(DType weight) => Chosen[(int)weight];

    /// <summary>Plain arithmetic for a type of weights, or null.</summary>
    public static Kernel? Scalar(DType weight) => KernelsOf(weight)?.Scalar;

    /// <summary>Those that this processor can run, the best first.</summary>
    public static IEnumerable<(string Name, Kernel Kernel)> All(DType weight)
    {
        if (KernelsOf(weight) is not { } kernels) yield break;
        if (Avx512BW.IsSupported && Vector512.IsHardwareAccelerated) yield return ("512", kernels.Wide);
        if (Avx2.IsSupported) yield return ("256", kernels.Narrow);
        yield return ("scalar", kernels.Scalar);
    }

    private static Kernels? KernelsOf(DType weight) => weight switch
    {
        DType.Q4_0 => Small<Q4_0Panel>(),
        DType.Q4_1 => Small<Q4_1Panel>(),
        DType.Q5_0 => Small<Q5_0Panel>(),
        DType.Q5_1 => Small<Q5_1Panel>(),
        DType.Q8_0 => Small<Q8_0Panel>(),
        DType.IQ4_NL => Small<IQ4_NLPanel>(),
        DType.MXFP4 => Small<MXFP4Panel>(),
        DType.Q2_K => Large<Q2_KPanel>(),
        DType.Q3_K => Large<Q3_KPanel>(),
        DType.Q4_K => Large<Q4_KPanel>(),
        DType.Q5_K => Large<Q5_KPanel>(),
        DType.Q6_K => Large<Q6_KPanel>(),
        DType.IQ4_XS => Large<IQ4_XSPanel>(),
        _ => null,
    };

    private static Kernels Small<T>()
        where T : struct, ISmallPanel => new(SmallTiles512.Run<T>, SmallTiles256.Run<T>, QuantizedScalar.Small<T>);

    private static Kernels Large<T>()
        where T : struct, ILargePanel => new(LargeTiles512.Run<T>, LargeTiles256.Run<T>, QuantizedScalar.Large<T>);

    private sealed record Kernels(Kernel Wide, Kernel Narrow, Kernel Scalar);
}
