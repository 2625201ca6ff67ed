namespace Tandem.Graph.Ops;

/// <summary>
/// y = (x - mean) / sqrt(var + eps) * w (+ b) over the last dimension, var of the population (Ba, Kiros and Hinton, 2016);
/// also gives mean and rstd, one number a row each.
/// </summary>
/// <param name="Eps">Added to the variance.</param>
public sealed record LayerNorm(float Eps) : Op
{
    /// <inheritdoc/>
    public override string Name => "layer-norm";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2, 3);
        TensorType x = inputs[0].Type;
        for (int i = 1; i < inputs.Count; i++)
            Require(inputs[i].Type.Width == x.Width, $"{inputs[i]} does not have one element a column of {x}");
        var perRow = new TensorType(DType.F32, x.Rows);
        return [x, perRow, perRow];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value x = node.Inputs[0], w = node.Inputs[1], mean = node.Outputs[1], rstd = node.Outputs[2], dy = grad.Of(node.Outputs[0])!;
        grad.AccumulateParameter(w, acc => grad.Graph.Apply(new LayerNormWeightGrad(), node.Name + ".dw", dy, x, mean, rstd, acc));
        if (node.Inputs.Count == 3)
            grad.AccumulateParameter(node.Inputs[2], acc => grad.Graph.Apply(new BiasGrad(), node.Name + ".db", dy, acc));
        grad.Accumulate(x, soFar => soFar == null
            ? grad.Graph.Apply(new LayerNormGrad(), node.Name + ".dx", dy, x, w, mean, rstd)
            : grad.Graph.Apply(new LayerNormGrad(), node.Name + ".dx", dy, x, w, mean, rstd, soFar));
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} eps={Eps}";
}

/// <summary>dx of <see cref="LayerNorm"/> from dy, x, w, mean and rstd, added to an earlier gradient where one is given.</summary>
public sealed record LayerNormGrad : Op
{
    /// <inheritdoc/>
    public override string Name => "layer-norm-dx";

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 5;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 5, 6);
        Require(inputs.Count == 5 || inputs[5].Type == inputs[1].Type, "the gradient to continue has another type");
        return [inputs[1].Type];
    }
}

/// <summary>dw of <see cref="LayerNorm"/>: per column the sum of dy * (x - mean) * rstd, token by token, continuing the accumulator.</summary>
public sealed record LayerNormWeightGrad : Op
{
    /// <inheritdoc/>
    public override string Name => "layer-norm-dw";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => 4;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 5);
        return [inputs[4].Type];
    }
}
