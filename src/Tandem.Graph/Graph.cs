namespace Tandem.Graph;

/// <summary>
/// A model, or a training step of one: nodes in an order in which they can run. Immutable; passes make new graphs.
/// </summary>
public sealed class ModelGraph
{
    internal ModelGraph(string name, IReadOnlyList<Node> nodes, IReadOnlyList<Value> values, IReadOnlyDictionary<string, Value> outputs)
    {
        Name = name;
        Nodes = nodes;
        Values = values;
        Outputs = outputs;
    }

    /// <summary>What the graph computes.</summary>
    public string Name { get; }

    /// <summary>The nodes in order of execution.</summary>
    public IReadOnlyList<Node> Nodes { get; }

    /// <summary>All values; a value's id is its index.</summary>
    public IReadOnlyList<Value> Values { get; }

    /// <summary>Results by name; they are kept until the end of the step.</summary>
    public IReadOnlyDictionary<string, Value> Outputs { get; }

    /// <summary>The weights, in order of declaration.</summary>
    public IEnumerable<Value> Parameters => Values.Where(v => v.Kind == ValueKind.Parameter);

    /// <summary>The state, in order of declaration.</summary>
    public IEnumerable<Value> States => Values.Where(v => v.Kind == ValueKind.State);

    /// <summary>The inputs of a step, in order of declaration.</summary>
    public IEnumerable<Value> Inputs => Values.Where(v => v.Kind == ValueKind.Input);

    /// <summary>The input, parameter or state of that name.</summary>
    /// <exception cref="GraphException">There is none.</exception>
    public Value Find(string name) =>
        Values.FirstOrDefault(v => v.Kind != ValueKind.Computed && v.Name == name)
        ?? throw new GraphException($"graph '{Name}' has no input, parameter or state '{name}'");

    /// <summary>One line a node, as <c>tandem plan</c> prints it.</summary>
    public override string ToString() => string.Join('\n', Nodes.Select(n => $"{n.Id,5} {n.Fragment,-8} {n}"));
}
