namespace Tandem.Graph.Ops;

/// <summary>
/// Adds two complete subtrees of logical data shards: for each pair of operands (sum of the right subtree, sum of the left one) the right becomes left + right.
/// </summary>
public sealed record MergeShards : Op
{
    /// <inheritdoc/>
    public override string Name => "merge-shards";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => 2 * output;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs) => [.. ShardPairs.Check(this, inputs).Select(v => v.Type)];

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => node.Outputs.Sum(v => v.Type.Width);
}

/// <summary>Puts the sum of a complete subtree aside: for each pair of operands (accumulator, place) the place takes the accumulator's value, and the accumulator zero.</summary>
public sealed record ParkShards : Op
{
    /// <inheritdoc/>
    public override string Name => "park-shards";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => output;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        ShardPairs.Check(this, inputs);
        return [.. inputs.Select(v => v.Type)];
    }
}

/// <summary>
/// Adds the gradient of another use of a weight (an output head that is the embedding table): for each pair of operands (accumulator, other use's accumulator) the first
/// becomes their sum and the second zero. Each use has a chain over tokens of its own, so that the sum does not depend on how tokens are cut into microbatches.
/// </summary>
public sealed record SumUses : Op
{
    /// <inheritdoc/>
    public override string Name => "sum-uses";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => output;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        ShardPairs.Check(this, inputs);
        return [.. inputs.Select(v => v.Type)];
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) => node.Outputs.Sum(v => v.Type.Width) / 2;
}

internal static class ShardPairs
{
    /// <summary>The first of each pair, after a check that both have one type.</summary>
    public static IEnumerable<Value> Check(Op op, IReadOnlyList<Value> inputs)
    {
        for (int i = 0; i < inputs.Count; i += 2)
        {
            if (i + 1 == inputs.Count || inputs[i].Type != inputs[i + 1].Type) throw new GraphException($"{op.Name}: operand {i} has no partner of its type");
        }

        return inputs.Where((_, i) => i % 2 == 0);
    }
}
