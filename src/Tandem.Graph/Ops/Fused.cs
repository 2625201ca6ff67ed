using System.Collections.Immutable;

namespace Tandem.Graph.Ops;

/// <summary>How the parts of a <see cref="Fused"/> op run together.</summary>
public enum FusionKind
{
    /// <summary>Parts that do not depend on each other, side by side: one dispatch over several weights.</summary>
    Parallel,

    /// <summary>Products of equal shape, each finished rectangle followed at once by elementwise parts over the same rectangle.</summary>
    Tiles,

    /// <summary>Parts whose rows depend on the same rows only, one after another for a few rows at a time.</summary>
    Rows,
}

/// <summary>One node inside a <see cref="Fused"/> op.</summary>
/// <param name="Node">The node as it was, with the types of its operands and results.</param>
/// <param name="Operands">Where each operand comes from: an operand of the fused op, or (from the number of its operands on) a result of an earlier part.</param>
/// <param name="FirstResult">Index of the part's first result among those of the fused op.</param>
public readonly record struct FusedPart(Node Node, ImmutableArray<int> Operands, int FirstResult);

/// <summary>
/// Several nodes that run as one. It computes what they compute, in the same order of summation and with the same roundings; what it saves is barriers and ways through memory.
/// Its results are those of all parts, in order.
/// </summary>
/// <param name="Kind">How the parts run together.</param>
/// <param name="Parts">The parts, in an order in which they can run.</param>
/// <param name="NumOperands">Number of operands.</param>
public sealed record Fused(FusionKind Kind, ImmutableArray<FusedPart> Parts, int NumOperands) : Op
{
    /// <inheritdoc/>
    public override string Name => "fused";

    /// <inheritdoc/>
    public override bool IsCheapToRepeat => Parts.All(p => p.Node.Op.IsCheapToRepeat);

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, NumOperands);
        foreach (FusedPart part in Parts)
        {
            for (int i = 0; i < part.Operands.Length; i++)
            {
                int from = part.Operands[i];
                Require(from >= NumOperands || inputs[from].Type == part.Node.Inputs[i].Type, $"operand {i} of {part.Node.Name} has another type than before the fusion");
            }
        }

        return [.. Parts.SelectMany(p => p.Node.Outputs).Select(v => v.Type)];
    }

    /// <inheritdoc/>
    public override int InPlaceInput(int output)
    {
        FusedPart part = PartOf(output);
        int input = part.Node.Op.InPlaceInput(output - part.FirstResult);
        return input < 0 ? -1 : part.Operands[input];
    }

    /// <summary>An operand, or (from the number of operands on) an earlier result, whose memory the result may take over.</summary>
    public override int ReusableInput(int output)
    {
        FusedPart part = PartOf(output);
        int result = output - part.FirstResult;

        // An elementwise part rather goes on where a product has just written than over an operand from afar.
        if (part.Node.Op.IsElementwise && part.Node.Outputs.Count == 1)
        {
            for (int i = 0; i < part.Operands.Length; i++)
            {
                if (part.Operands[i] >= NumOperands && part.Node.Inputs[i].Type == part.Node.Outputs[result].Type && MayReuse(part, i)) return part.Operands[i];
            }
        }

        int input = part.Node.Op.ReusableInput(result);
        return input >= 0 && input < part.Operands.Length && MayReuse(part, input) ? part.Operands[input] : -1;
    }

    /// <inheritdoc/>
    public override Layout? WantedLayout(int input)
    {
        foreach (FusedPart part in Parts)
        {
            int operand = part.Operands.IndexOf(input);
            if (operand >= 0 && part.Node.Op.WantedLayout(operand) is { } layout) return layout;
        }

        return null;
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => Parts.Sum(p => p.Node.Op.Flops(p.Node, sizes));

    /// <inheritdoc/>
    public override string Describe() => $"fused {Kind.ToString().ToLowerInvariant()} [{string.Join(" | ", Parts.Select(p => p.Node.Op.Describe()))}]";

    private FusedPart PartOf(int output) => Parts.Last(p => p.FirstResult <= output);

    // Nobody else may read what is written over: neither other parts, nor two results of one part.
    private bool MayReuse(FusedPart part, int input)
    {
        int from = part.Operands[input];
        return part.Operands.Count(o => o == from) == 1 && Parts.All(p => p.Node == part.Node || !p.Operands.Contains(from));
    }
}
