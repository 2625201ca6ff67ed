namespace Tandem.Graph.Ops;

/// <summary>
/// Adam (Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015) with L2 decay. With t counted from 1:
/// g = g + decay p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p = p - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
/// </summary>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Eps">Added to the root of the corrected second moment.</param>
/// <param name="WeightDecay">L2 decay of this group, added to the gradient.</param>
public sealed record Adam(double Beta1, double Beta2, double Eps, double WeightDecay) : OptimizerOp
{
    /// <inheritdoc/>
    public override string Name => "adam";

    /// <inheritdoc/>
    public override double WeightDecay { get; init; } = WeightDecay;

    /// <inheritdoc/>
    public override IReadOnlyList<OptimizerState> StatesOf(TensorType weight) => [new("m", weight.With(DType.F32)), new("v", weight.With(DType.F32))];

    /// <inheritdoc/>
    protected override string DescribeOptions() => $"beta=({Beta1}, {Beta2}) eps={Eps}";
}
