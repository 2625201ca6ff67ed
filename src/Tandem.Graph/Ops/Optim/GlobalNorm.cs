namespace Tandem.Graph.Ops;

/// <summary>The sum of squares over all gradients, f64[1], and the index of the first that is not finite (-1: none), in fixed tiles added as a tree.</summary>
public sealed record GlobalNorm : Op
{
    /// <inheritdoc/>
    public override string Name => "global-norm";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs) =>
        [new TensorType(DType.F64, RowSymbol.None, 1), new TensorType(DType.I32, RowSymbol.None, 1)];
}
