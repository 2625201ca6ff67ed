namespace Tandem.Graph.Ops;

/// <summary>Which of the two published programs' formulas an <see cref="Adafactor"/> follows.</summary>
public enum AdafactorForm : byte
{
    /// <summary>As in transformers (and fairseq), close to the paper.</summary>
    Transformers,

    /// <summary>As in PyTorch: always scaled by the weight's root mean square, decoupled decay by the given rate, eps as floors.</summary>
    Torch,
}

/// <summary>
/// Adafactor (Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018): of a matrix's second moments only the means of rows and of
/// columns are kept. With t counted from 1, b = 1 - t^decay, rms(x) the root mean square over a tensor, R and C the running means of q by row and by column:
/// <list type="bullet">
/// <item><see cref="AdafactorForm.Transformers"/>: q = g^2 + eps1; R, C (vectors: V) = b old + (1 - b) new; u = g / sqrt(R / mean(R)) / sqrt(C) (vectors: g / sqrt(V));
/// u = u / max(1, rms(u) / clip); rate = lr, or min(1e-2, or 1e-6 t while warming up, 1 / sqrt(t)) when relative; times max(eps2, rms(p)) when scaled by the weight;
/// u = rate u, smoothed by m = b1 m + (1 - b1) u if there is b1; p = p - decay rate p - u.</item>
/// <item><see cref="AdafactorForm.Torch"/>: q = g^2; R, C (V) likewise; rate = max(eps2, rms(p)) min(lr, 1 / sqrt(t)); p = p (1 - lr decay); V = R C / max(mean(R), eps1);
/// u = g / sqrt(max(V, eps1^2)); p = p - rate u / max(1, rms(u) / clip).</item>
/// </list>
/// Sums run over logical rows and columns in f64, in ascending order, whatever the layout.
/// </summary>
/// <param name="DecayRate">Exponent of t, negative.</param>
/// <param name="Eps1">Against division by zero.</param>
/// <param name="Eps2">Smallest root mean square of a weight that counts.</param>
/// <param name="ClipThreshold">Largest root mean square of an update.</param>
/// <param name="WeightDecay">Decoupled decay of this group.</param>
public sealed record Adafactor(double DecayRate, double Eps1, double Eps2, double ClipThreshold, double WeightDecay) : OptimizerOp
{
    /// <inheritdoc/>
    public override string Name => "adafactor";

    /// <summary>Which formulas.</summary>
    public AdafactorForm Form { get; init; }

    /// <summary>Decay of the smoothed update; 0 keeps none.</summary>
    public double Beta1 { get; init; }

    /// <summary>Whether the rate depends on the step alone instead of on the learning rate.</summary>
    public bool RelativeStep { get; init; }

    /// <summary>Whether a relative rate rises from 1e-6 in steps of 1e-6.</summary>
    public bool WarmupInit { get; init; }

    /// <summary>Whether the rate is multiplied by the weight's root mean square.</summary>
    public bool ScaleParameter { get; init; }

    /// <inheritdoc/>
    public override double WeightDecay { get; init; } = WeightDecay;

    /// <inheritdoc/>
    public override bool TakesSeveral => false;

    /// <inheritdoc/>
    public override IReadOnlyList<OptimizerState> StatesOf(TensorType weight)
    {
        var states = new List<OptimizerState>(3);
        if (weight.Dims.Length == 2)
        {
            states.Add(new("row", new TensorType(DType.F32, RowSymbol.None, weight.Dims[0])));
            states.Add(new("column", new TensorType(DType.F32, RowSymbol.None, weight.Dims[1])));
        }
        else
        {
            states.Add(new("v", weight.With(DType.F32)));
        }

        if (Beta1 > 0) states.Add(new("m", weight.With(DType.F32)));
        return states;
    }

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        TensorType[] types = base.Infer(inputs);
        Require(inputs[1].Type.Dims.Length is 1 or 2, $"{inputs[1]}, wanted a vector or a matrix");
        Require(Form == AdafactorForm.Transformers || (Beta1 == 0 && !RelativeStep && !WarmupInit && !ScaleParameter), "PyTorch's form has no beta1, relative step, warm-up or scale of its own");
        return types;
    }

    /// <inheritdoc/>
    protected override string DescribeOptions()
    {
        string form = Form == AdafactorForm.Torch ? " torch" : $" relative={RelativeStep} scaled={ScaleParameter} beta1={Beta1}";
        return $"decay-rate={DecayRate} eps=({Eps1}, {Eps2}) clip={ClipThreshold}{form}";
    }
}
