namespace Tandem.Graph.Ops;

/// <summary>
/// Each row in 8-bit blocks, for the integer products of quantized weights: scale = max |x| / 127, q = round(x * (127 / max |x|)), ties to even, and the sums of q that
/// weights with a zero point or a minimum need.
/// </summary>
/// <param name="Type"><see cref="DType.Q8_F"/> (blocks of 32) or <see cref="DType.Q8_K"/> (blocks of 256).</param>
public sealed record QuantizeRows(DType Type) : Op
{
    /// <inheritdoc/>
    public override string Name => "quantize-rows";

    /// <summary>What the integer product with weights of a type reads; null where there is none, and the weights meet f32 rows.</summary>
    public static DType? TypeFor(DType weight) => weight switch
    {
        DType.Q4_0 or DType.Q4_1 or DType.Q5_0 or DType.Q5_1 or DType.Q8_0 or DType.IQ4_NL or DType.MXFP4 => DType.Q8_F,
        DType.Q2_K or DType.Q3_K or DType.Q4_K or DType.Q5_K or DType.Q6_K or DType.IQ4_XS => DType.Q8_K,
        _ => null,
    };

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 1);
        TensorType x = inputs[0].Type;
        Require(Type is DType.Q8_F or DType.Q8_K, $"rows of {Type.Name()}, wanted q8_f or q8_k");
        Require(x.DType == DType.F32 && x.Dims.Length == 1, $"x {x}, wanted f32[T, K]");
        Require(x.Dims[0] % Type.BlockElements() == 0, $"rows of {x.Dims[0]} elements are no whole blocks of {Type.BlockElements()}");
        return [new TensorType(Type, x.Rows, x.Dims[0])];
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} {Type.Name()}";
}
