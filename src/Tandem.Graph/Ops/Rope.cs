namespace Tandem.Graph.Ops;

/// <summary>
/// Rotary position embedding (Su et al., 2021) of x [T, heads * HeadDim] by the positions of the rows; the first RotaryDim of each head turn.
/// The operand after x is the table of cosines and sines, [positions, RotaryDim / 2] each, one after the other.
/// </summary>
/// <param name="HeadDim">Size of a head.</param>
/// <param name="RotaryDim">Turned dimensions of a head.</param>
/// <param name="Interleaved">Pairs are (2i, 2i+1) instead of (i, i + RotaryDim/2).</param>
/// <param name="Inverse">Turns back: the gradient.</param>
public sealed record Rope(int HeadDim, int RotaryDim, bool Interleaved = false, bool Inverse = false) : Op
{
    /// <inheritdoc/>
    public override string Name => Inverse ? "rope-back" : "rope";

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 0;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2);
        Require(inputs[0].Type.Width % HeadDim == 0, $"{inputs[0].Type} is not made of heads of {HeadDim}");
        TensorType table = inputs[1].Type;
        Require(table.Dims.Length == 3 && table.Dims[0] == 2 && table.Dims[2] == RotaryDim / 2, $"table {table}, wanted [2, positions, {RotaryDim / 2}]");
        return [inputs[0].Type];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value dy = grad.Of(node.Outputs[0])!;
        grad.Add(node.Inputs[0], node.Name + ".dx", grad.Graph.Apply(this with { Inverse = !Inverse }, node.Name + ".dx", dy, node.Inputs[1]));
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} {(Interleaved ? "interleaved" : "half")} {RotaryDim}/{HeadDim}";
}
