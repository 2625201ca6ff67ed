namespace Tandem.Graph.Ops;

/// <summary>Memory that an optimizer keeps for a weight from step to step.</summary>
/// <param name="Kind">What it is, for example <c>m</c>; the state of weight w is named <c>optim.m.w</c>.</param>
/// <param name="Type">Its type.</param>
public readonly record struct OptimizerState(string Kind, TensorType Type);

/// <summary>
/// An optimizer's step over a group of weights, in place and in one pass over memory: the gradient is multiplied by a scale (clip / count), the weight and its
/// state are updated, and the gradient is left at zero for the next step. Operands are the hyper-parameters, then for each weight: weight, gradient,
/// states in the order of <see cref="StatesOf"/>, and the f32 master copy if the weight is bf16 or f16 (<see cref="KeepsMaster"/>): then the master is updated
/// and the weight is it, rounded to nearest even. All weights of one op have one element type and the same kinds of state.
/// </summary>
public abstract record OptimizerOp : Op
{
    /// <summary>Index of the learning rate in the hyper-parameters.</summary>
    public const int LearningRate = 0;

    /// <summary>Index of the gradients' scale in the hyper-parameters.</summary>
    public const int GradientScale = 1;

    /// <summary>Index of the step number, counted from 1, in the hyper-parameters.</summary>
    public const int StepNumber = 2;

    /// <summary>Type of the hyper-parameters.</summary>
    public static TensorType HyperType => new(DType.F64, RowSymbol.None, 8);

    /// <summary>Decay of this group: decoupled, or L2, as the optimizer defines it.</summary>
    public abstract double WeightDecay { get; init; }

    /// <summary>Factor of this group on the step's learning rate.</summary>
    public double LearningRateFactor { get; init; } = 1;

    /// <summary>
    /// Seed of stochastic rounding: bf16 weights then have no master copy, each new weight is rounded up or down at random without bias, keyed by
    /// (seed, name, step, element). Null keeps a master copy.
    /// </summary>
    public ulong? StochasticRounding { get; init; }

    /// <summary>Whether weights do not influence each other, so that any number of tensors makes one op; otherwise it takes one.</summary>
    public virtual bool TakesSeveral => true;

    /// <summary>The states of a weight.</summary>
    public abstract IReadOnlyList<OptimizerState> StatesOf(TensorType weight);

    /// <summary>The optimizer for a weight that this one is not meant for; itself by default.</summary>
    /// <param name="weight">Type of the weight.</param>
    /// <param name="isTokenTable">Whether it is an embedding or an output head: a row a token.</param>
    public virtual OptimizerOp For(TensorType weight, bool isTokenTable) => this;

    /// <summary>Whether a weight has an f32 copy that is updated in its place.</summary>
    public bool KeepsMaster(TensorType weight) => weight.DType != DType.F32 && StochasticRounding == null;

    /// <summary>Operands for each weight.</summary>
    public int OperandsOf(TensorType weight) => 2 + StatesOf(weight).Count + (KeepsMaster(weight) ? 1 : 0);

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => output + 1;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        Require(inputs.Count > 1 && inputs[0].Type == HyperType, "wanted hyper-parameters, then for each weight its gradient, states and master copy");
        TensorType first = inputs[1].Type;
        int stride = OperandsOf(first);
        Require((inputs.Count - 1) % stride == 0, $"{inputs.Count - 1} operands of weights, wanted a multiple of {stride}");
        Require(TakesSeveral || inputs.Count == stride + 1, "takes one weight");
        for (int i = 1; i < inputs.Count; i += stride)
        {
            TensorType weight = inputs[i].Type;
            Require(weight.Rows == RowSymbol.None && weight.DType is DType.F32 or DType.BF16 or DType.F16, $"{inputs[i]} is no weight");
            Require(weight.DType == first.DType, $"{inputs[i]} beside {inputs[1]}: one op updates weights of one element type");
            Require(StochasticRounding == null || weight.DType != DType.F16, $"{inputs[i]}: stochastic rounding is for bf16");
            RequireType(inputs[i + 1], weight.With(DType.F32), inputs[i]);
            IReadOnlyList<OptimizerState> states = StatesOf(weight);
            for (int j = 0; j < states.Count; j++) RequireType(inputs[i + 2 + j], states[j].Type, inputs[i]);
            if (KeepsMaster(weight)) RequireType(inputs[i + stride - 1], weight.With(DType.F32), inputs[i]);
        }

        return [.. inputs.Skip(1).Select(v => v.Type)];
    }

    /// <inheritdoc/>
    public sealed override string Describe()
    {
        string text = $"{Name} {DescribeOptions()} decay={WeightDecay}";
        if (LearningRateFactor != 1) text += $" lr-factor={LearningRateFactor}";
        return StochasticRounding is { } seed ? $"{text} stochastic-rounding={seed}" : text;
    }

    /// <summary>The optimizer's own attributes, as printed.</summary>
    protected abstract string DescribeOptions();

    private void RequireType(Value value, TensorType type, Value weight) => Require(value.Type == type, $"{value} does not fit {weight}, wanted {type}");
}
