namespace Tandem.Graph.Ops;

/// <summary>h = act(gate) * up (Shazeer, 2020): SwiGLU, GeGLU.</summary>
/// <param name="Kind">The gate's nonlinearity.</param>
public sealed record GatedActivation(ActivationKind Kind) : Op
{
    /// <inheritdoc/>
    public override string Name => "gated-activation";

    /// <inheritdoc/>
    public override bool IsElementwise => true;

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 0;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2);
        Require(inputs[0].Type == inputs[1].Type, $"gate {inputs[0].Type} and up {inputs[1].Type} differ");
        return [inputs[0].Type];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        IReadOnlyList<Value> d = grad.Graph.ApplyAll(
            new GatedActivationGrad(Kind), node.Name + ".grad", grad.Of(node.Outputs[0])!, node.Inputs[0], node.Inputs[1]);
        grad.Add(node.Inputs[0], node.Name + ".dgate", d[0]);
        grad.Add(node.Inputs[1], node.Name + ".dup", d[1]);
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} {Kind}";
}

/// <summary>dgate and dup of <see cref="GatedActivation"/> from dh, gate and up.</summary>
/// <param name="Kind">The gate's nonlinearity.</param>
public sealed record GatedActivationGrad(ActivationKind Kind) : Op
{
    /// <inheritdoc/>
    public override string Name => "gated-activation-grad";

    /// <inheritdoc/>
    public override bool IsElementwise => true;

    /// <inheritdoc/>
    public override int ReusableInput(int output) => output + 1;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 3);
        return [inputs[1].Type, inputs[2].Type];
    }
}
