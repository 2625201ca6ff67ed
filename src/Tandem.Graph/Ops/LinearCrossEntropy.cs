namespace Tandem.Graph.Ops;

/// <summary>
/// The sum over tokens of the cross entropy of softmax(x W^T) with the labels; a negative label is not counted. Computed in chunks of rows,
/// so that logits of all tokens never exist. Gives the sum (f64) and, per token, the loss and the log-sum of the softmax.
/// </summary>
/// <param name="LabelSmoothing">Share of the target spread evenly over the vocabulary.</param>
/// <param name="ZLoss">Coefficient of lse^2, added to each counted token's loss.</param>
public sealed record LinearCrossEntropy(float LabelSmoothing = 0, float ZLoss = 0) : Op
{
    /// <inheritdoc/>
    public override string Name => "linear-cross-entropy";

    /// <inheritdoc/>
    public override bool IsCheapToRepeat => false;

    /// <inheritdoc/>
    public override Layout? WantedLayout(int input) => input == 1 ? Layout.Panel16 : null;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 3);
        TensorType x = inputs[0].Type, w = inputs[1].Type;
        Require(x.Dims.Length == 1 && w.Dims.Length == 2 && x.Dims[0] == w.Dims[1], $"x {x} does not fit W {w}, wanted [T, K] and [V, K]");
        Require(inputs[2].Type == new TensorType(DType.I32, x.Rows), $"labels {inputs[2].Type}, wanted i32[T]");
        return LossTypes(x.Rows);
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value x = node.Inputs[0], w = node.Inputs[1], labels = node.Inputs[2];
        Value? dx = null;
        var op = new LinearCrossEntropyGrad(this) { TrainsWeight = grad.Needs(w) };
        if (op.TrainsWeight)
        {
            grad.AccumulateParameter(w, acc =>
            {
                IReadOnlyList<Value> outputs = grad.Graph.ApplyAll(op, node.Name + ".grad", x, w, labels, acc);
                dx = outputs[0];
                return outputs[4];
            });
        }
        else
        {
            dx = grad.Graph.ApplyAll(op, node.Name + ".grad", x, w, labels)[0];
        }

        grad.Add(x, node.Name + ".dx", dx!);
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => 2 * sizes.Of(node.Inputs[0].Type.Rows) * node.Inputs[1].Type.Width;

    /// <inheritdoc/>
    public override string Describe() => Name + (LabelSmoothing > 0 ? $" smoothing={LabelSmoothing}" : "") + (ZLoss > 0 ? $" z={ZLoss}" : "");

    internal static TensorType[] LossTypes(RowSymbol rows) =>
        [new TensorType(DType.F64, RowSymbol.None, 1), new TensorType(DType.F32, rows), new TensorType(DType.F32, rows)];
}

/// <summary>
/// dx and dW of <see cref="LinearCrossEntropy"/>, chunk by chunk, and on the way the losses themselves: where both are wanted the forward op is redundant,
/// which <see cref="Passes.ShareLossHead"/> uses.
/// </summary>
/// <param name="Forward">The op whose gradient this is.</param>
public sealed record LinearCrossEntropyGrad(LinearCrossEntropy Forward) : Op
{
    /// <inheritdoc/>
    public override string Name => "linear-cross-entropy-grad";

    /// <summary>Whether the fourth operand is the accumulator of dW.</summary>
    public bool TrainsWeight { get; init; }

    /// <summary>Whether the last operand, f32[1], multiplies the gradient of the logits.</summary>
    public bool ScalesGradient { get; init; }

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => output == 4 ? 3 : -1;

    /// <inheritdoc/>
    public override Layout? WantedLayout(int input) => input == 1 || (input == 3 && TrainsWeight) ? Layout.Panel16 : null;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 3 + (TrainsWeight ? 1 : 0) + (ScalesGradient ? 1 : 0));
        Require(!ScalesGradient || inputs[^1].Type == new TensorType(DType.F32, RowSymbol.None, 1), $"loss scale {inputs[^1].Type}, wanted f32[1]");
        TensorType[] losses = LinearCrossEntropy.LossTypes(inputs[0].Type.Rows);
        return TrainsWeight ? [inputs[0].Type, .. losses, inputs[3].Type] : [inputs[0].Type, .. losses];
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => 3 * Forward.Flops(node, sizes);
}
