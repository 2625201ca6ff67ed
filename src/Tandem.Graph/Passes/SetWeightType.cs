namespace Tandem.Graph.Passes;

/// <summary>Gives all matrices one element type; vectors (norms, biases), accumulators and activations stay f32.</summary>
public static class SetWeightType
{
    /// <summary>Runs the pass.</summary>
    /// <exception cref="GraphException">Not an element type of weights.</exception>
    public static ModelGraph Run(ModelGraph graph, DType type)
    {
        if (type is not (DType.F32 or DType.BF16 or DType.F16)) throw new GraphException($"weights of {type.Name()} are not supported; supported are f32, bf16, f16");
        return type == DType.F32
            ? graph
            : new GraphCopy(graph, v => v.Kind == ValueKind.Parameter && v.Type.Dims.Length > 1 ? v.Type.With(type) : v.Type).CopyAll();
    }
}
