namespace Tandem.Graph.Ops;

/// <summary>y = a + b, elementwise: residual connections and sums of gradients.</summary>
public sealed record Add : Op
{
    /// <inheritdoc/>
    public override string Name => "add";

    /// <inheritdoc/>
    public override bool IsElementwise => true;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2);
        Require(inputs[0].Type == inputs[1].Type, $"operands differ: {inputs[0].Type} and {inputs[1].Type}");
        return [inputs[0].Type];
    }

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 0;

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value dy = grad.Of(node.Outputs[0])!;
        grad.Add(node.Inputs[0], node.Name + ".da", dy);
        grad.Add(node.Inputs[1], node.Name + ".db", dy);
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => sizes.Elements(node.Outputs[0].Type);
}
