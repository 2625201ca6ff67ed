namespace Tandem.Graph.Ops;

/// <summary>The sum of squares over all gradients, f64[1], and the index of the first that is not finite (-1: none), in fixed tiles added as a tree.</summary>
public sealed record GlobalNorm : Op
{
    /// <inheritdoc/>
    public override string Name => "global-norm";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs) =>
        [new TensorType(DType.F64, RowSymbol.None, 1), new TensorType(DType.I32, RowSymbol.None, 1)];
}

/// <summary>
/// AdamW (Loshchilov and Hutter, 2019) over a group of weights in one pass over memory: p, gradient, m, v of each in turn, after the operand of hyper-parameters.
/// The gradient is multiplied by a scale (clip / count) first and left at zero for the next step.
/// </summary>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Eps">Added to the root of the corrected second moment.</param>
/// <param name="WeightDecay">Decoupled decay of this group.</param>
public sealed record AdamW(double Beta1, double Beta2, double Eps, double WeightDecay) : Op
{
    /// <summary>Index of the learning rate in the hyper-parameters.</summary>
    public const int LearningRate = 0;

    /// <summary>Index of the gradients' scale in the hyper-parameters.</summary>
    public const int GradientScale = 1;

    /// <summary>Index of the step number, counted from 1, in the hyper-parameters.</summary>
    public const int StepNumber = 2;

    /// <summary>Type of the hyper-parameters.</summary>
    public static TensorType HyperType => new(DType.F64, RowSymbol.None, 8);

    /// <inheritdoc/>
    public override string Name => "adamw";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => output + 1;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        Require(inputs.Count % 4 == 1 && inputs[0].Type == HyperType, "wanted hyper-parameters, then weight, gradient and two moments for each weight");
        for (int i = 1; i < inputs.Count; i += 4)
        {
            for (int j = 1; j < 4; j++)
                Require(inputs[i + j].Type == inputs[i].Type.With(DType.F32), $"{inputs[i + j]} does not fit {inputs[i]}");
        }

        return [.. inputs.Skip(1).Select(v => v.Type)];
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} beta=({Beta1}, {Beta2}) eps={Eps} decay={WeightDecay}";
}
