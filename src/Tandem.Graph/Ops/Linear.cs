namespace Tandem.Graph.Ops;

/// <summary>
/// y = x W^T (+ b) with x [T, K], W [N, K], b [N]. Every element is one ascending chain of fused multiply-adds over K; the bias is added to the rounded sum.
/// Where W is block-quantized and x comes from <see cref="QuantizeRows"/>, the terms of the chain are blocks: an exact integer sum times the product of the scales.
/// </summary>
/// <param name="Transposed">The weight has the shape [K, N], as GPT-2's checkpoints have it: y = x W (+ b). The memory the kernels read is the same.</param>
public sealed record Linear(bool Transposed = false) : Op
{
    /// <inheritdoc/>
    public override string Name => "linear";

    /// <inheritdoc/>
    public override bool IsCheapToRepeat => false;

    /// <inheritdoc/>
    public override Layout? WantedLayout(int input) => input == 1 ? WeightLayout(Transposed) : null;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2, 3);
        TensorType x = inputs[0].Type, w = inputs[1].Type;
        Require(x.Dims.Length == 1 && w.Dims.Length == 2, $"x {x} and W {w} are no matrices");
        (int n, int k) = Size(w, Transposed);
        Require(x.Dims[0] == k, $"x {x} does not fit W {w}, wanted [T, K] and {(Transposed ? "[K, N]" : "[N, K]")}");
        Require(k % w.DType.BlockElements() == 0, $"rows of W {w} are no whole blocks of {w.DType.BlockElements()}");
        Require(x.DType == DType.F32 || QuantizeRows.TypeFor(w.DType) == x.DType, $"x {x} does not fit W {w}, wanted f32{(QuantizeRows.TypeFor(w.DType) is { } q ? " or " + q.Name() : "")}");
        Require(inputs.Count == 2 || inputs[2].Type.Width == n, "bias does not have one element an output");
        return [new TensorType(DType.F32, x.Rows, n)];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value dy = grad.Of(node.Outputs[0])!, x = node.Inputs[0], w = node.Inputs[1];
        grad.AccumulateParameter(w, acc => grad.Graph.Apply(new LinearWeightGrad(Transposed), node.Name + ".dw", dy, x, acc));
        if (node.Inputs.Count == 3)
            grad.AccumulateParameter(node.Inputs[2], acc => grad.Graph.Apply(new BiasGrad(), node.Name + ".db", dy, acc));
        grad.Accumulate(x, soFar => soFar == null
            ? grad.Graph.Apply(new LinearInputGrad(Transposed), node.Name + ".dx", dy, w)
            : grad.Graph.Apply(new LinearInputGrad(Transposed), node.Name + ".dx", dy, w, soFar));
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => 2 * sizes.Of(node.Inputs[0].Type.Rows) * node.Inputs[1].Type.Width;

    /// <inheritdoc/>
    public override string Describe() => Describe(Name, Transposed);

    internal static Layout WeightLayout(bool transposed) => transposed ? Layout.Panel16Transposed : Layout.Panel16;

    internal static (int N, int K) Size(TensorType w, bool transposed) => transposed ? (w.Dims[1], w.Dims[0]) : (w.Dims[0], w.Dims[1]);

    internal static string Describe(string name, bool transposed) => transposed ? name + " transposed" : name;
}

/// <summary>dx = dy W, or dx continues an earlier gradient: each element is one ascending chain over N, started from 0 or from that gradient.</summary>
/// <param name="Transposed">As in <see cref="Linear"/>.</param>
public sealed record LinearInputGrad(bool Transposed = false) : Op
{
    /// <inheritdoc/>
    public override string Name => "linear-dx";

    /// <inheritdoc/>
    public override Layout? WantedLayout(int input) => input == 1 ? Linear.WeightLayout(Transposed) : null;

    /// <inheritdoc/>
    public override int ReusableInput(int output) => 2;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2, 3);
        (int n, int k) = Linear.Size(inputs[1].Type, Transposed);
        Require(inputs[0].Type.Dims[0] == n, $"dy {inputs[0].Type} does not fit W {inputs[1].Type}");
        var dx = new TensorType(DType.F32, inputs[0].Type.Rows, k);
        Require(inputs.Count == 2 || inputs[2].Type == dx, "the gradient to continue has another type");
        return [dx];
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => 2 * sizes.Of(node.Inputs[0].Type.Rows) * node.Inputs[1].Type.Width;

    /// <inheritdoc/>
    public override string Describe() => Linear.Describe(Name, Transposed);
}

/// <summary>dW += dy^T x: each element continues its accumulator's chain over the tokens in ascending order.</summary>
/// <param name="Transposed">As in <see cref="Linear"/>; dW has the weight's shape.</param>
public sealed record LinearWeightGrad(bool Transposed = false) : Op
{
    /// <inheritdoc/>
    public override string Name => "linear-dw";

    /// <inheritdoc/>
    public override Layout? WantedLayout(int input) => input == 2 ? Linear.WeightLayout(Transposed) : null;

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => 2;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 3);
        TensorType dy = inputs[0].Type, x = inputs[1].Type, acc = inputs[2].Type;
        Require(dy.Rows == x.Rows && Linear.Size(acc, Transposed) == (dy.Dims[0], x.Dims[0]), $"dy {dy}, x {x} and dW {acc} do not fit");
        return [acc];
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => 2 * sizes.Of(node.Inputs[0].Type.Rows) * node.Inputs[2].Type.Width;

    /// <inheritdoc/>
    public override string Describe() => Linear.Describe(Name, Transposed);
}

/// <summary>db += the column sums of dy, token by token.</summary>
public sealed record BiasGrad : Op
{
    /// <inheritdoc/>
    public override string Name => "bias-grad";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => 1;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2);
        return [inputs[1].Type];
    }
}
