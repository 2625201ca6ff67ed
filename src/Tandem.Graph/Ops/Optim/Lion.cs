namespace Tandem.Graph.Ops;

/// <summary>
/// Lion (Chen et al., Symbolic Discovery of Optimization Algorithms, 2023): u = sign(b1 m + (1 - b1) g) with sign(0) = 0; p = p (1 - lr decay) - lr u;
/// then m = b2 m + (1 - b2) g.
/// </summary>
/// <param name="Beta1">Weight of the momentum in the step.</param>
/// <param name="Beta2">Decay of the momentum.</param>
/// <param name="WeightDecay">Decoupled decay of this group.</param>
public sealed record Lion(double Beta1, double Beta2, double WeightDecay) : OptimizerOp
{
    /// <inheritdoc/>
    public override string Name => "lion";

    /// <inheritdoc/>
    public override double WeightDecay { get; init; } = WeightDecay;

    /// <inheritdoc/>
    public override IReadOnlyList<OptimizerState> StatesOf(TensorType weight) => [new("m", weight.With(DType.F32))];

    /// <inheritdoc/>
    protected override string DescribeOptions() => $"beta=({Beta1}, {Beta2})";
}
