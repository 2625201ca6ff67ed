namespace Tandem.Graph.Passes;

/// <summary>Gives matrices their element types: one for all, or block-quantized ones by name; vectors (norms, biases), accumulators and activations stay f32.</summary>
public static class SetWeightType
{
    /// <summary>Gives all matrices one type.</summary>
    /// <exception cref="GraphException">Not an element type of weights.</exception>
    public static ModelGraph Run(ModelGraph graph, DType type) => Run(graph, _ => type);

    /// <summary>Gives each matrix the type that <paramref name="typeOf"/> says for its name.</summary>
    /// <exception cref="GraphException">Not an element type of weights, or rows are not whole blocks.</exception>
    public static ModelGraph Run(ModelGraph graph, Func<string, DType> typeOf)
    {
        return new GraphCopy(graph, v => v.Kind == ValueKind.Parameter && v.Type.Dims.Length > 1 ? Typed(v, typeOf(v.Name)) : v.Type).CopyAll();
    }

    private static TensorType Typed(Value weight, DType type)
    {
        if (type is not (DType.F32 or DType.BF16 or DType.F16) && !type.IsBlock())
            throw new GraphException($"'{weight.Name}': weights of {type.Name()} are not supported; supported are f32, bf16, f16 and the block-quantized types");
        return weight.Type.With(type);
    }
}
