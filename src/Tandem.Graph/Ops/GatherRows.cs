namespace Tandem.Graph.Ops;

/// <summary>Keeps the sampled rows of x [T, H]: nobody computes logits of rows that nobody samples.</summary>
public sealed record GatherRows : Op
{
    /// <inheritdoc/>
    public override string Name => "gather-rows";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 1);
        Require(inputs[0].Type.Rows == RowSymbol.Tokens, $"{inputs[0].Type} has no token rows");
        return [new TensorType(inputs[0].Type.DType, RowSymbol.Sampled, inputs[0].Type.Dims.AsSpan())];
    }
}
