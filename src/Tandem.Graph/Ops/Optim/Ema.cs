namespace Tandem.Graph.Ops;

/// <summary>
/// Exponential moving averages of weights (Polyak and Juditsky, 1992): e = d e + (1 - d) p after the optimizer's step, with d = min(decay, (1 + t) / (10 + t))
/// while warming up. Operands are the hyper-parameters, then weight (or its master copy), average for each; the averages are f32.
/// </summary>
/// <param name="Decay">d.</param>
/// <param name="Warmup">Whether d starts small.</param>
public sealed record Ema(double Decay, bool Warmup = false) : Op
{
    /// <inheritdoc/>
    public override string Name => "ema";

    /// <summary>d at step <paramref name="t"/>, counted from 1.</summary>
    public double DecayAt(long t) => Warmup ? Math.Min(Decay, (1.0 + t) / (10.0 + t)) : Decay;

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => 2 + (2 * output);

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        Require(inputs.Count % 2 == 1 && inputs[0].Type == OptimizerOp.HyperType, "wanted hyper-parameters, then weight and average for each");
        Require(Decay is >= 0 and <= 1, $"decay {Decay}, wanted 0 to 1");
        for (int i = 1; i < inputs.Count; i += 2)
            Require(inputs[i + 1].Type == inputs[i].Type.With(DType.F32), $"{inputs[i + 1]} is no average of {inputs[i]}");
        return [.. Enumerable.Range(0, inputs.Count / 2).Select(i => inputs[2 + (2 * i)].Type)];
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} decay={Decay}{(Warmup ? " warm-up" : "")}";
}
