namespace Tandem.Graph.Ops;

/// <summary>How <see cref="Muon"/> adjusts the size of a step to a matrix's shape.</summary>
public enum MuonAdjust : byte
{
    /// <summary>sqrt(max(1, rows / columns)), as published.</summary>
    Original,

    /// <summary>0.2 sqrt(max(rows, columns)): the step has the root mean square that AdamW's usually has (Liu et al., Muon is Scalable for LLM Training, 2025).</summary>
    MatchAdamW,
}

/// <summary>
/// Muon (Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024): momentum, orthogonalised by a Newton-Schulz iteration.
/// m = mu m + (1 - mu) g; u = m, or (1 - mu) g + mu m for Nesterov, transposed if there are more rows than columns; X = u / max(|u|, 1e-7);
/// five times: A = X X^T, X = a X + (b A + c A A) X with (a, b, c) = (3.4445, -4.775, 2.0315); transposed back; p = p (1 - lr decay) - lr adjust X.
/// Computed in f32 on the logical matrix. Only hidden matrices: vectors, embeddings and the output head take <see cref="Others"/>.
/// </summary>
/// <param name="Momentum">mu.</param>
/// <param name="Nesterov">Whether the step looks ahead by the momentum.</param>
/// <param name="WeightDecay">Decoupled decay of this group.</param>
public sealed record Muon(double Momentum, bool Nesterov, double WeightDecay) : OptimizerOp
{
    /// <summary>Iterations of Newton and Schulz.</summary>
    public const int Iterations = 5;

    /// <summary>Coefficients of the iteration.</summary>
    public const float A = 3.4445f, B = -4.775f, C = 2.0315f;

    /// <summary>The smallest norm that is divided by.</summary>
    public const double SmallestNorm = 1e-7;

    /// <inheritdoc/>
    public override string Name => "muon";

    /// <inheritdoc/>
    public override double WeightDecay { get; init; } = WeightDecay;

    /// <summary>How a step's size depends on the shape.</summary>
    public MuonAdjust Adjust { get; init; }

    /// <summary>The optimizer of all other weights; its learning rate factor is relative to this one's learning rate.</summary>
    public OptimizerOp Others { get; init; } = new AdamW(0.9, 0.95, 1e-8, WeightDecay);

    /// <inheritdoc/>
    public override bool TakesSeveral => false;

    /// <summary>Factor of a step on a matrix of that shape.</summary>
    public double Adjustment(int rows, int columns) =>
        Adjust == MuonAdjust.Original ? Math.Sqrt(Math.Max(1, (double)rows / columns)) : 0.2 * Math.Sqrt(Math.Max(rows, columns));

    /// <inheritdoc/>
    public override IReadOnlyList<OptimizerState> StatesOf(TensorType weight) => [new("momentum", weight.With(DType.F32))];

    /// <inheritdoc/>
    public override OptimizerOp For(TensorType weight, bool isTokenTable) =>
        weight.Dims.Length == 2 && !isTokenTable ? this : Others with { StochasticRounding = StochasticRounding };

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        TensorType[] types = base.Infer(inputs);
        Require(inputs[1].Type.Dims.Length == 2, $"{inputs[1]}, wanted a matrix");
        return types;
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes)
    {
        TensorType weight = node.Inputs[1].Type;
        long small = Math.Min(weight.Dims[0], weight.Dims[1]), large = Math.Max(weight.Dims[0], weight.Dims[1]);
        return Iterations * ((4 * small * small * large) + (2 * small * small * small));
    }

    /// <inheritdoc/>
    protected override string DescribeOptions() => $"momentum={Momentum}{(Nesterov ? " nesterov" : "")} adjust={(Adjust == MuonAdjust.Original ? "original" : "match-rms-adamw")}";
}
