namespace Tandem.Graph;

/// <summary>Where a value comes from.</summary>
public enum ValueKind : byte
{
    /// <summary>Written by a node.</summary>
    Computed,

    /// <summary>Handed in for every step (token ids, labels, hyper-parameters).</summary>
    Input,

    /// <summary>A weight, with a logical name and shape as in a checkpoint.</summary>
    Parameter,

    /// <summary>Memory that lives from step to step: gradients, moments, key/value caches, tables.</summary>
    State,
}

/// <summary>
/// An edge of the graph, written once. An op that works in place gives a new value whose <see cref="Storage"/> is that of its input.
/// </summary>
public sealed class Value
{
    internal Value(int id, string name, TensorType type, ValueKind kind, Node? producer, Value? storage)
    {
        Id = id;
        Name = name;
        Type = type;
        Kind = kind;
        Producer = producer;
        Storage = storage?.Storage ?? this;
    }

    /// <summary>Number of the value in its graph.</summary>
    public int Id { get; }

    /// <summary>Logical name.</summary>
    public string Name { get; }

    /// <summary>Element type, shape, layout.</summary>
    public TensorType Type { get; }

    /// <summary>Where it comes from.</summary>
    public ValueKind Kind { get; }

    /// <summary>The node that writes it; null for inputs, parameters and state.</summary>
    public Node? Producer { get; }

    /// <summary>The value whose memory this one occupies; itself unless written in place.</summary>
    public Value Storage { get; }

    /// <inheritdoc/>
    public override string ToString() => $"%{Id}:{Name} {Type}";
}

/// <summary>One op applied to values.</summary>
public sealed class Node
{
    internal Node(int id, Op op, string name, Fragment fragment, int block, Value[] inputs)
    {
        Id = id;
        Op = op;
        Name = name;
        Fragment = fragment;
        Block = block;
        Inputs = inputs;
    }

    /// <summary>Number of the node in its graph; also its place in the order of execution.</summary>
    public int Id { get; }

    /// <summary>What is computed.</summary>
    public Op Op { get; }

    /// <summary>Logical name, for example <c>layers.3.mlp.down</c>.</summary>
    public string Name { get; }

    /// <summary>Part of the step that the step table runs as a whole.</summary>
    public Fragment Fragment { get; }

    /// <summary>Stage of the fragment.</summary>
    public Stage Stage => Fragment.Stage;

    /// <summary>Which of the model's repeated blocks (layers) the node belongs to; -1 if none. Gradients belong to the block of what they are gradients of.</summary>
    public int Block { get; }

    /// <summary>Operands, in the op's order.</summary>
    public IReadOnlyList<Value> Inputs { get; }

    /// <summary>Results, in the op's order.</summary>
    public IReadOnlyList<Value> Outputs { get; internal set; } = [];

    /// <inheritdoc/>
    public override string ToString() =>
        $"{string.Join(", ", Outputs)} = {Op.Describe()}({string.Join(", ", Inputs.Select(v => "%" + v.Id + ":" + v.Name))})";
}
