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

/// <summary>The part of a step a node belongs to; the step table runs stages, microbatch by microbatch.</summary>
public enum Stage : byte
{
    /// <summary>From inputs to outputs or losses.</summary>
    Forward,

    /// <summary>From losses to gradients.</summary>
    Backward,

    /// <summary>Sums over all gradients: the global norm.</summary>
    Reduce,

    /// <summary>The optimizer.</summary>
    Update,
}

/// <summary>One op applied to values.</summary>
public sealed class Node
{
    internal Node(int id, Op op, string name, Stage stage, Value[] inputs)
    {
        Id = id;
        Op = op;
        Name = name;
        Stage = stage;
        Inputs = inputs;
    }

    /// <summary>Number of the node in its graph; also its place in the order of execution.</summary>
    public int Id { get; }

    /// <summary>What is computed.</summary>
    public Op Op { get; }

    /// <summary>Logical name, for example <c>layers.3.mlp.down</c>.</summary>
    public string Name { get; }

    /// <summary>Part of the step.</summary>
    public Stage Stage { get; }

    /// <summary>Operands, in the op's order.</summary>
    public IReadOnlyList<Value> Inputs { get; }

    /// <summary>Results, in the op's order.</summary>
    public IReadOnlyList<Value> Outputs { get; internal set; } = [];

    /// <inheritdoc/>
    public override string ToString() =>
        $"{string.Join(", ", Outputs)} = {Op.Describe()}({string.Join(", ", Inputs.Select(v => "%" + v.Id + ":" + v.Name))})";
}
