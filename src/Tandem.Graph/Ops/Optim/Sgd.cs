namespace Tandem.Graph.Ops;

/// <summary>
/// Stochastic gradient descent with momentum (Polyak, 1964; Nesterov, 1983, in the form of Sutskever, Martens, Dahl and Hinton, 2013). With t counted from 1:
/// g = g + decay p; without momentum p = p - lr g; otherwise m = g at the first step and mu m + (1 - dampening) g afterwards,
/// p = p - lr m, or p - lr (g + mu m) for Nesterov.
/// </summary>
/// <param name="Momentum">mu; 0 keeps no state.</param>
/// <param name="Nesterov">Whether the step looks ahead by the momentum.</param>
/// <param name="Dampening">Share of the gradient that does not enter the momentum.</param>
/// <param name="WeightDecay">L2 decay of this group, added to the gradient.</param>
public sealed record Sgd(double Momentum, bool Nesterov, double Dampening, double WeightDecay) : OptimizerOp
{
    /// <inheritdoc/>
    public override string Name => "sgd";

    /// <inheritdoc/>
    public override double WeightDecay { get; init; } = WeightDecay;

    /// <inheritdoc/>
    public override IReadOnlyList<OptimizerState> StatesOf(TensorType weight) => Momentum == 0 ? [] : [new("m", weight.With(DType.F32))];

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        Require(!Nesterov || (Momentum > 0 && Dampening == 0), $"Nesterov with momentum {Momentum} and dampening {Dampening}, wanted momentum above 0 and no dampening");
        return base.Infer(inputs);
    }

    /// <inheritdoc/>
    protected override string DescribeOptions() => $"momentum={Momentum}{(Nesterov ? " nesterov" : "")} dampening={Dampening}";
}
