using System.Collections.Immutable;

namespace Tandem.Graph.Ops;

/// <summary>x [T, sum of widths] as several results, [T, width] each, in order: queries, keys and values out of one product.</summary>
/// <param name="Widths">Columns of each result.</param>
public sealed record SplitColumns(ImmutableArray<int> Widths) : Op
{
    /// <inheritdoc/>
    public override string Name => "split-columns";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 1);
        TensorType x = inputs[0].Type;
        Require(x.Width == Widths.Sum(w => (long)w), $"{x} is not columns of {string.Join(" + ", Widths)}");
        return [.. Widths.Select(w => new TensorType(x.DType, x.Rows, w))];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value[] parts = [.. node.Outputs.Select(o => grad.Of(o) ?? throw new GraphException($"{node.Name}: nothing depends on {o.Name}, so the whole has no gradient"))];
        grad.Add(node.Inputs[0], node.Name + ".dx", grad.Graph.Apply(new JoinColumns(), node.Name + ".dx", parts));
    }

    /// <summary>Equality of the widths.</summary>
    public bool Equals(SplitColumns? other) => other is not null && Widths.AsSpan().SequenceEqual(other.Widths.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => Widths.Aggregate(Widths.Length, HashCode.Combine);

    /// <inheritdoc/>
    public override string Describe() => $"{Name} {string.Join('+', Widths)}";
}

/// <summary>The operands' columns beside each other: the inverse, and the gradient, of <see cref="SplitColumns"/>.</summary>
public sealed record JoinColumns : Op
{
    /// <inheritdoc/>
    public override string Name => "join-columns";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 1, int.MaxValue);
        TensorType first = inputs[0].Type;
        Require(inputs.All(v => v.Type.Rows == first.Rows && v.Type.DType == first.DType && v.Type.Dims.Length == 1), "operands differ in rows or element type, or are no matrices");
        return [new TensorType(first.DType, first.Rows, checked((int)inputs.Sum(v => v.Type.Width)))];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        var split = new SplitColumns([.. node.Inputs.Select(v => v.Type.Dims[0])]);
        IReadOnlyList<Value> parts = grad.Graph.ApplyAll(split, node.Name + ".grad", grad.Of(node.Outputs[0])!);
        for (int i = 0; i < parts.Count; i++) grad.Add(node.Inputs[i], $"{node.Name}.d{i}", parts[i]);
    }
}
