using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// A weight matrix W [N, K] of a linear layer as the products read it: panels of 16 outputs, [N/16][K][16], in f32, bf16 or f16, or block-quantized.
/// Both <see cref="Layout.Panel16"/> and <see cref="Layout.Panel16Transposed"/> are this memory.
/// </summary>
internal readonly unsafe struct PanelWeight
{
    private PanelWeight(byte* pointer, DType type, int n, int k)
    {
        Pointer = pointer;
        Type = type;
        N = n;
        K = k;
    }

    /// <summary>First element.</summary>
    public byte* Pointer { get; }

    /// <summary>Element type.</summary>
    public DType Type { get; }

    /// <summary>Outputs.</summary>
    public int N { get; }

    /// <summary>Inputs.</summary>
    public int K { get; }

    /// <summary>The weight of that type at <paramref name="pointer"/>.</summary>
    public static PanelWeight Of(TensorType type, void* pointer) => type.Layout switch
    {
        Layout.Panel16 => new((byte*)pointer, type.DType, type.Dims[0], type.Dims[1]),
        Layout.Panel16Transposed => new((byte*)pointer, type.DType, type.Dims[1], type.Dims[0]),
        _ => throw new InvalidOperationException($"weight {type} does not lie in panels: a bug of the pass that assigns layouts"),
    };

    /// <summary>The error for a weight whose element type has no kernels.</summary>
    public InvalidOperationException NoKernel() => new($"no matrix product reads weights of {Type.Name()}; there are f32, bf16, f16 and the block-quantized types");
}
