namespace Tandem.Graph.Passes;

/// <summary>The tool passes are made of: copies a graph node by node into a new one, with chances to leave out, replace or retype.</summary>
public sealed class GraphCopy
{
    private readonly Dictionary<Value, Value> _map = [];
    private readonly Func<Value, TensorType>? _retype;

    /// <summary>Starts a copy; inputs, parameters and state are declared at once, in their order, with the type that <paramref name="retype"/> gives.</summary>
    public GraphCopy(ModelGraph source, Func<Value, TensorType>? retype = null)
    {
        Source = source;
        _retype = retype;
        Builder = new GraphBuilder(source.Name);
        foreach (Value value in source.Values)
        {
            TensorType type = _retype?.Invoke(value) ?? value.Type;
            if (value.Kind == ValueKind.Input) _map[value] = Builder.Input(value.Name, type);
            else if (value.Kind == ValueKind.Parameter) _map[value] = Builder.Parameter(value.Name, type);
            else if (value.Kind == ValueKind.State) _map[value] = Builder.State(value.Name, type);
        }
    }

    /// <summary>The graph that is copied.</summary>
    public ModelGraph Source { get; }

    /// <summary>The graph that is built.</summary>
    public GraphBuilder Builder { get; }

    /// <summary>The copy of a value of the source.</summary>
    public Value this[Value source]
    {
        get => _map[source];
        set => _map[source] = value;
    }

    /// <summary>Copies one node.</summary>
    public void Copy(Node node) => Replace(node, node.Op, node.Inputs);

    /// <summary>Puts another op in a node's place; its results take over those of the node, in order.</summary>
    /// <param name="node">The node of the source.</param>
    /// <param name="op">The op in its place.</param>
    /// <param name="inputs">Operands: values of the source, or of the copy.</param>
    public void Replace(Node node, Op op, IReadOnlyList<Value> inputs)
    {
        IReadOnlyList<Value> outputs = Apply(node, node.Fragment, node.Name, op, inputs);
        for (int i = 0; i < Math.Min(outputs.Count, node.Outputs.Count); i++) _map[node.Outputs[i]] = outputs[i];
    }

    /// <summary>Adds a node once more, in another fragment and on other operands; readers of its results stay where they are.</summary>
    public IReadOnlyList<Value> Repeat(Node node, Fragment fragment, IReadOnlyList<Value> inputs) => Apply(node, fragment, node.Name, node.Op, inputs);

    /// <summary>Adds another op in the place of a node, without taking over its results.</summary>
    public IReadOnlyList<Value> Insert(Node place, string name, Op op, IReadOnlyList<Value> inputs) => Apply(place, place.Fragment, name, op, inputs);

    private IReadOnlyList<Value> Apply(Node node, Fragment fragment, string name, Op op, IReadOnlyList<Value> inputs)
    {
        Builder.Fragment = fragment;
        Builder.CurrentBlock = node.Block;
        return Builder.ApplyAll(op, name, [.. inputs.Select(v => _map.GetValueOrDefault(v, v))]);
    }

    /// <summary>Copies the nodes for which <paramref name="keep"/> holds, then ends.</summary>
    public ModelGraph CopyAll(Func<Node, bool>? keep = null)
    {
        foreach (Node node in Source.Nodes)
            if (keep?.Invoke(node) ?? true) Copy(node);
        return Finish();
    }

    /// <summary>Names the outputs as in the source and builds.</summary>
    public ModelGraph Finish()
    {
        foreach ((string name, Value value) in Source.Outputs) Builder.Output(name, _map[value]);
        return Builder.Build();
    }
}
