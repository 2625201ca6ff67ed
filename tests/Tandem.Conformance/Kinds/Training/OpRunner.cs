using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Passes;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>
/// Runs a few ops as a graph of their own: forward, and backward from given gradients of the results. The ops are compiled and run as in a model:
/// layouts, plan, instance. Two ops of the harness stand around them while gradients are built and are taken out before compiling:
/// one behind every operand, which hands out the gradient that arrives there, and one that starts the backward pass.
/// </summary>
internal sealed unsafe class OpRunner(RunContext context, int numRows) : IDisposable
{
    private readonly List<(Value Value, float[]? Floats, int[]? Ints)> _data = [];
    private readonly List<(string Name, Value Value, Value Cotangent)> _results = [];
    private CpuInstance? _instance;
    private Batch? _batch;

    /// <summary>Where the ops are built.</summary>
    public GraphBuilder Graph { get; } = new("op");

    /// <summary>Rows of activations, f32[T, width], with a gradient.</summary>
    public Value Rows(string name, float[] data) => Operand(name, new TensorType(DType.F32, RowSymbol.Tokens, data.Length / numRows), data);

    /// <summary>A weight, f32[dims], whose gradient is accumulated by the ops that read it.</summary>
    public Value Weight(string name, float[] data, params ReadOnlySpan<int> dims)
    {
        Value value = Graph.Parameter(name, new TensorType(DType.F32, RowSymbol.None, dims));
        _data.Add((value, data, null));
        return value;
    }

    /// <summary>An integer a row.</summary>
    public Value Ints(string name, int[] data)
    {
        Value value = Graph.Input(name, new TensorType(DType.I32, RowSymbol.Tokens));
        _data.Add((value, null, data));
        return value;
    }

    /// <summary>Something without a gradient: a table, or a constant.</summary>
    public Value Constant(string name, TensorType type, float[] data)
    {
        Value value = Graph.State(name, type);
        _data.Add((value, data, null));
        return value;
    }

    /// <summary>Names a result and gives its gradient.</summary>
    public void Result(string name, Value value, float[] cotangent)
    {
        Value d = Graph.Input("cotangent." + name, value.Type);
        _data.Add((d, cotangent, null));
        _results.Add((name, value, d));
        Graph.Output(name, value);
    }

    /// <summary>Compiles and runs forward and backward.</summary>
    /// <param name="lossHead">A summed loss to start the backward pass from, instead of the results' gradients.</param>
    /// <param name="documents">Lengths of the documents the rows are; null for one.</param>
    /// <param name="positions">Positions of the rows, where they are not those of the documents.</param>
    public void Run(Value? lossHead = null, int[]? documents = null, int[]? positions = null)
    {
        Value start = lossHead ?? Graph.Apply(new Start(), "start", [.. _results.SelectMany(r => new[] { r.Value, r.Cotangent })]);
        GradientBuilder.Backward(Graph, start);
        ModelGraph graph = RemoveDeadCode.Run(AssignLayouts.Run(WithoutHarness(Graph.Build())));
        documents ??= [numRows];
        StepSizes bounds = StepSizes.ForTraining(numRows, documents.Length);
        _batch = Batch.ForTraining(bounds);
        _instance = new CpuInstance(Plan.Compile(graph, bounds, CpuBackend.Instance, context.Team.Workers), context.Team);
        foreach (int length in documents) _batch.AddDocument(new int[length], new int[length]);
        positions?.CopyTo(_batch.Positions.Span<int>());
        positions?.CopyTo(new Span<int>(_batch.View.RopeRows, positions.Length));
        foreach ((Value value, float[]? floats, int[]? ints) in _data) Fill(graph, value, floats, ints);
        _instance.Run(Stage.Forward, _batch.View, _batch.Sizes);
        _instance.Run(Stage.Backward, _batch.View, _batch.Sizes);
        _instance.Run(Stage.Close, _batch.View, _batch.Sizes);
    }

    /// <summary>A result, or the gradient of activations as <c>grad.NAME</c>.</summary>
    public float[] Output(string name)
    {
        if (!_instance!.Plan.Graph.Outputs.TryGetValue(name, out Value? value)) throw new TandemException($"no gradient has reached '{name}'");
        return Read(value);
    }

    /// <summary>A result of one f64 number.</summary>
    public double Scalar(string name) => *(double*)_instance!.Output(name);

    /// <summary>The gradient of a weight, row-major.</summary>
    public float[] WeightGradient(string name) => Read(_instance!.Plan.Graph.Find(GradientBuilder.AccumulatorName(name)));

    /// <inheritdoc/>
    public void Dispose()
    {
        _instance?.Dispose();
        _batch?.Dispose();
    }

    private Value Operand(string name, TensorType type, float[] data)
    {
        Value leaf = Graph.Parameter(name, type);
        _data.Add((leaf, data, null));
        return Graph.Apply(new Leaf(), name + ".leaf", leaf);
    }

    private float[] Read(Value value)
    {
        byte* memory = _instance![value];
        if (value.Type.Rows != RowSymbol.None) return new ReadOnlySpan<float>(memory, checked((int)_batch!.Sizes.Elements(value.Type))).ToArray();
        var rows = new float[value.Type.Width];
        fixed (float* target = rows) Layouts.Unpack(value.Type, memory, target);
        return rows;
    }

    private void Fill(ModelGraph graph, Value declared, float[]? floats, int[]? ints)
    {
        // What nobody reads after the passes has no memory.
        if (graph.Values.FirstOrDefault(v => v.Kind == declared.Kind && v.Name == declared.Name) is not { } value) return;
        byte* memory = _instance![value];
        if (ints != null)
        {
            ints.CopyTo(new Span<int>(memory, ints.Length));
        }
        else if (value.Type.Rows != RowSymbol.None || value.Type.Dims.Length > 2)
        {
            floats!.CopyTo(new Span<float>(memory, floats!.Length));
        }
        else
        {
            fixed (float* source = floats) Layouts.Pack(value.Type, source, memory);
        }
    }

    private static ModelGraph WithoutHarness(ModelGraph graph)
    {
        var copy = new GraphCopy(graph);
        foreach (Node node in graph.Nodes)
        {
            if (node.Op is Leaf) copy[node.Outputs[0]] = copy[node.Inputs[0]];
            else if (node.Op is not Start) copy.Copy(node);
        }

        return copy.Finish();
    }

    /// <summary>The operand itself; its gradient becomes an output of the graph.</summary>
    private sealed record Leaf : Op
    {
        public override string Name => "leaf";

        public override TensorType[] Infer(IReadOnlyList<Value> inputs) => [inputs[0].Type];

        public override void Gradient(Node node, GradientBuilder grad) => grad.Graph.Output("grad." + node.Inputs[0].Name, grad.Of(node.Outputs[0])!);
    }

    /// <summary>A loss whose gradients are given: operands are results and their gradients in turn.</summary>
    private sealed record Start : Op
    {
        public override string Name => "start";

        public override TensorType[] Infer(IReadOnlyList<Value> inputs) => [new TensorType(DType.F64, RowSymbol.None, 1)];

        public override void Gradient(Node node, GradientBuilder grad)
        {
            for (int i = 0; i < node.Inputs.Count; i += 2) grad.Add(node.Inputs[i], $"start.{i}", node.Inputs[i + 1]);
        }
    }
}
