namespace Tandem.Graph.Ops;

/// <summary>y = x / sqrt(mean(x^2) + eps) * (offset + w) over the last dimension (Zhang and Sennrich, 2019); also gives rstd, one number a row.</summary>
/// <param name="Eps">Added to the mean of squares.</param>
/// <param name="Offset">Added to the weight: 0, or 1 as in Gemma.</param>
public sealed record RmsNorm(float Eps, float Offset = 0) : Op
{
    /// <inheritdoc/>
    public override string Name => "rms-norm";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2);
        int width = (int)inputs[1].Type.Width;
        Require(inputs[0].Type.Width % width == 0, $"rows of {inputs[0].Type} are no multiple of the weight's {width}");
        return [inputs[0].Type, new TensorType(DType.F32, inputs[0].Type.Rows, (int)(inputs[0].Type.Width / width))];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value x = node.Inputs[0], w = node.Inputs[1], rstd = node.Outputs[1], dy = grad.Of(node.Outputs[0])!;
        grad.AccumulateParameter(w, acc => grad.Graph.Apply(new RmsNormWeightGrad(), node.Name + ".dw", dy, x, rstd, acc));
        grad.Accumulate(x, soFar => soFar == null
            ? grad.Graph.Apply(new RmsNormGrad(Offset), node.Name + ".dx", dy, x, w, rstd)
            : grad.Graph.Apply(new RmsNormGrad(Offset), node.Name + ".dx", dy, x, w, rstd, soFar));
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} eps={Eps}{(Offset == 0 ? "" : $" offset={Offset}")}";
}

/// <summary>dx of <see cref="RmsNorm"/>, added to an earlier gradient where one is given.</summary>
/// <param name="Offset">As in the norm.</param>
public sealed record RmsNormGrad(float Offset) : Op
{
    /// <inheritdoc/>
    public override string Name => "rms-norm-dx";

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 4;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 4, 5);
        return [inputs[1].Type];
    }
}

/// <summary>dw of <see cref="RmsNorm"/>: per column the sum of dy * x * rstd, token by token, continuing the accumulator.</summary>
public sealed record RmsNormWeightGrad : Op
{
    /// <inheritdoc/>
    public override string Name => "rms-norm-dw";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => 3;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 4);
        return [inputs[3].Type];
    }
}
