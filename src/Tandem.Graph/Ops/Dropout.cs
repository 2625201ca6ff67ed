namespace Tandem.Graph.Ops;

/// <summary>
/// y = x / (1 - Rate) where an element is kept, 0 where it is dropped, with probability Rate each (Srivastava et al., 2014). The operand after x is
/// <see cref="RandomType"/>: seed and step. What is dropped is a function of (seed, stream, step, sample, position, channel) alone, so it depends
/// neither on the batch nor on threads, and the gradient computes it again instead of keeping it.
/// </summary>
/// <param name="Rate">Probability of dropping an element, below 1.</param>
public sealed record Dropout(float Rate) : Op
{
    /// <summary>Type of the operand with seed and step.</summary>
    public static TensorType RandomType { get; } = new(DType.I64, RowSymbol.None, 2);

    /// <inheritdoc/>
    public override string Name => "dropout";

    /// <summary>Name of the stream of random numbers where it is not the node's: the gradient has that of the op it belongs to.</summary>
    public string? Stream { get; init; }

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 0;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2);
        Require(Rate is >= 0 and < 1, $"rate {Rate}, wanted 0 to below 1");
        Require(inputs[0].Type.Rows == RowSymbol.Tokens, $"{inputs[0].Type} has no token rows");
        Require(inputs[1].Type == RandomType, $"seed and step are {inputs[1].Type}, wanted {RandomType}");
        return [inputs[0].Type];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        var op = this with { Stream = StreamOf(node) };
        grad.Add(node.Inputs[0], node.Name + ".dx", grad.Graph.Apply(op, node.Name + ".dx", grad.Of(node.Outputs[0])!, node.Inputs[1]));
    }

    /// <summary>The stream of a node with this op.</summary>
    public string StreamOf(Node node) => Stream ?? node.Name;

    /// <summary>Random words below this drop their element: Rate * 2^32.</summary>
    public uint Threshold => (uint)Math.Min(Math.Round(Rate * 4294967296.0), uint.MaxValue);

    /// <inheritdoc/>
    public override string Describe() => $"{Name} rate={Rate}";
}
