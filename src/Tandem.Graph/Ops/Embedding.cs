namespace Tandem.Graph.Ops;

/// <summary>y[t] = table[ids[t]]: token or learned position embeddings. The table [V, H] may lie in panels, as a tied head wants it.</summary>
public sealed record Embedding : Op
{
    /// <inheritdoc/>
    public override string Name => "embedding";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2);
        Require(inputs[0].Type.Dims.Length == 2, $"table {inputs[0].Type}, wanted [V, H]");
        Require(inputs[1].Type.DType == DType.I32 && inputs[1].Type.Width == 1, $"ids {inputs[1].Type}, wanted i32[T]");
        return [new TensorType(DType.F32, inputs[1].Type.Rows, inputs[0].Type.Dims[1])];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value dy = grad.Of(node.Outputs[0])!;
        grad.AccumulateParameter(node.Inputs[0], acc => grad.Graph.Apply(new EmbeddingGrad(), node.Name + ".dtable", dy, node.Inputs[1], acc));
    }
}

/// <summary>dtable[ids[t]] += dy[t], in the order of tokens.</summary>
public sealed record EmbeddingGrad : Op
{
    /// <inheritdoc/>
    public override string Name => "embedding-grad";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => 2;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 3);
        Require(inputs[2].Type.Dims[1] == inputs[0].Type.Dims[0], $"dy {inputs[0].Type} does not fit table {inputs[2].Type}");
        return [inputs[2].Type];
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => sizes.Elements(node.Inputs[0].Type);
}
