namespace Tandem.Graph;

/// <summary>Builds a graph node by node. Names nest: inside <see cref="Scope"/> they get a prefix, as in a checkpoint.</summary>
public sealed class GraphBuilder
{
    private readonly List<Node> _nodes = [];
    private readonly List<Value> _values = [];
    private readonly Dictionary<string, Value> _named = [];
    private readonly Dictionary<string, Value> _outputs = [];
    private readonly string _graphName;
    private string _prefix = "";
    private int _numBlocks;

    /// <summary>Starts an empty graph.</summary>
    public GraphBuilder(string name) => _graphName = name;

    /// <summary>The fragment of nodes added from now on.</summary>
    public Fragment Fragment { get; set; } = Stage.Forward;

    /// <summary>The block of nodes added from now on; -1 outside of blocks.</summary>
    public int CurrentBlock { get; set; } = -1;

    /// <summary>The nodes so far.</summary>
    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>The results so far.</summary>
    public IReadOnlyDictionary<string, Value> Outputs => _outputs;

    /// <summary>Puts <paramref name="name"/> and a dot before all names until the result is disposed.</summary>
    public NameScope Scope(string name)
    {
        var before = new NameScope(this, _prefix, CurrentBlock);
        _prefix += name + ".";
        return before;
    }

    /// <summary>A scope that is also the next of the model's repeated blocks: the unit of recomputation and of pipeline stages.</summary>
    public NameScope Block(string name)
    {
        NameScope before = Scope(name);
        CurrentBlock = _numBlocks++;
        return before;
    }

    /// <summary>Declares a weight under its checkpoint name; the same name twice gives the same weight.</summary>
    public Value Parameter(string name, TensorType type) => Declare(_prefix + name, type, ValueKind.Parameter);

    /// <summary>Declares an input of every step.</summary>
    public Value Input(string name, TensorType type) => Declare(name, type, ValueKind.Input);

    /// <summary>Declares memory that lives from step to step.</summary>
    public Value State(string name, TensorType type) => Declare(name, type, ValueKind.State);

    /// <summary>Applies an op with one result.</summary>
    public Value Apply(Op op, string name, params ReadOnlySpan<Value> inputs)
    {
        IReadOnlyList<Value> outputs = ApplyAll(op, name, inputs);
        return outputs[0];
    }

    /// <summary>Applies an op and gives all its results.</summary>
    public IReadOnlyList<Value> ApplyAll(Op op, string name, params ReadOnlySpan<Value> inputs)
    {
        Value[] operands = inputs.ToArray();
        TensorType[] types;
        try
        {
            types = op.Infer(operands);
        }
        catch (GraphException e)
        {
            throw new GraphException($"{_prefix}{name}: {e.Message}; operands: {string.Join(", ", operands.Select(v => v.ToString()))}");
        }

        var node = new Node(_nodes.Count, op, _prefix + name, Fragment, CurrentBlock, operands);
        var outputs = new Value[types.Length];
        for (int i = 0; i < types.Length; i++)
        {
            int inPlace = op.InPlaceInput(i);
            string outputName = types.Length == 1 ? node.Name : $"{node.Name}#{i}";
            outputs[i] = New(outputName, types[i], ValueKind.Computed, node, inPlace < 0 ? null : operands[inPlace]);
        }

        node.Outputs = outputs;
        _nodes.Add(node);
        return outputs;
    }

    /// <summary>Names a result of the graph.</summary>
    public void Output(string name, Value value) => _outputs[name] = value;

    /// <summary>Ends the building.</summary>
    public ModelGraph Build() => new(_graphName, _nodes.ToArray(), _values.ToArray(), new Dictionary<string, Value>(_outputs));

    private Value Declare(string name, TensorType type, ValueKind kind)
    {
        if (_named.TryGetValue(name, out Value? known))
        {
            return known.Type == type && known.Kind == kind
                ? known
                : throw new GraphException($"'{name}' is declared as {kind} {type} and as {known.Kind} {known.Type}");
        }

        return _named[name] = New(name, type, kind, null, null);
    }

    private Value New(string name, TensorType type, ValueKind kind, Node? producer, Value? storage)
    {
        var value = new Value(_values.Count, name, type, kind, producer, storage);
        _values.Add(value);
        return value;
    }

    /// <summary>Ends a name scope when disposed.</summary>
    public readonly struct NameScope : IDisposable
    {
        private readonly GraphBuilder _builder;
        private readonly string _prefix;
        private readonly int _block;

        internal NameScope(GraphBuilder builder, string prefix, int block)
        {
            _builder = builder;
            _prefix = prefix;
            _block = block;
        }

        /// <inheritdoc/>
        public void Dispose() => (_builder._prefix, _builder.CurrentBlock) = (_prefix, _block);
    }
}
