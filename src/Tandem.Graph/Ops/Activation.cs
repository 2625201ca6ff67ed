namespace Tandem.Graph.Ops;

/// <summary>The nonlinearity of an activation or of a gate.</summary>
public enum ActivationKind
{
    /// <summary>x / (1 + e^-x).</summary>
    Silu,

    /// <summary>0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).</summary>
    GeluTanh,

    /// <summary>0.5 x (1 + erf(x / sqrt 2)).</summary>
    GeluErf,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>max(x, 0)^2.</summary>
    Relu2,
}

/// <summary>y = act(x), elementwise.</summary>
/// <param name="Kind">The nonlinearity.</param>
public sealed record Activation(ActivationKind Kind) : Op
{
    /// <inheritdoc/>
    public override string Name => "activation";

    /// <inheritdoc/>
    public override bool IsElementwise => true;

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 0;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 1);
        return [inputs[0].Type];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value x = node.Inputs[0];
        grad.Add(x, node.Name + ".dx", grad.Graph.Apply(new ActivationGrad(Kind), node.Name + ".dx", grad.Of(node.Outputs[0])!, x));
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} {Kind}";
}

/// <summary>dx = dy * act'(x) of <see cref="Activation"/>, from dy and x.</summary>
/// <param name="Kind">The nonlinearity.</param>
public sealed record ActivationGrad(ActivationKind Kind) : Op
{
    /// <inheritdoc/>
    public override string Name => "activation-grad";

    /// <inheritdoc/>
    public override bool IsElementwise => true;

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 1;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2);
        Require(inputs[0].Type == inputs[1].Type, $"dy {inputs[0].Type} and x {inputs[1].Type} differ");
        return [inputs[1].Type];
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} {Kind}";
}
