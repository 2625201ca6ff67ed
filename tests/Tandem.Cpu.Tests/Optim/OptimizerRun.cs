using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;

namespace Tandem.Cpu.Tests;

/// <summary>Parameters, their gradients and an optimizer as a graph of their own, run on the processor; tensors go in and come out in row-major order.</summary>
internal sealed unsafe class OptimizerRun : IDisposable
{
    private static readonly StepSizes s_sizes = new(1, 1, 1, 1);

    private readonly CpuInstance _instance;
    private readonly ThreadTeam _team;

    public OptimizerRun(OptimizerOp optimizer, IReadOnlyDictionary<string, TensorType> parameters, UpdateOptions? options = null, int threads = 2)
    {
        var builder = new GraphBuilder("optimizer");
        foreach ((string name, TensorType type) in parameters)
        {
            builder.Parameter(name, type);
            builder.State(GradientBuilder.AccumulatorName(name), type.With(DType.F32));
        }

        Graph = AddOptimizer.Run(builder.Build(), optimizer, options ?? new UpdateOptions { Groups = [] });
        _team = new ThreadTeam(threads);
        _instance = new CpuInstance(Plan.Compile(Graph, s_sizes, CpuBackend.Instance, threads), _team);
        Hyper = (double*)_instance[AddOptimizer.Hyper];
    }

    /// <summary>The graph.</summary>
    public ModelGraph Graph { get; }

    /// <summary>The hyper-parameters.</summary>
    public double* Hyper { get; }

    /// <summary>Memory of a parameter or state.</summary>
    public byte* this[string name] => _instance[name];

    /// <summary>Sets a parameter or state, and with a parameter the copies that start from it.</summary>
    public void Set(string name, ReadOnlySpan<float> rows)
    {
        Pack(name, rows);
        foreach (string copy in (string[])[AddOptimizer.MasterName(name), AddOptimizer.AverageName(name)])
            if (Graph.States.Any(s => s.Name == copy)) Pack(copy, rows);
    }

    /// <summary>A parameter or state.</summary>
    public float[] Get(string name)
    {
        TensorType type = Graph.Find(name).Type;
        var rows = new float[type.Width];
        fixed (float* to = rows) Layouts.Unpack(type, _instance[name], to);
        return rows;
    }

    /// <summary>All bytes of a parameter or state, padding included.</summary>
    public byte[] Bytes(string name) => new ReadOnlySpan<byte>(_instance[name], (int)Graph.Find(name).Type.RowBytes).ToArray();

    /// <summary>One step with these gradients.</summary>
    public void Step(double lr, long t, IReadOnlyDictionary<string, float[]> gradients, double scale = 1)
    {
        foreach ((string name, float[] rows) in gradients) Pack(GradientBuilder.AccumulatorName(name), rows);
        Step(lr, t, scale);
    }

    /// <summary>One step with the gradients that are there.</summary>
    public void Step(double lr, long t, double scale = 1)
    {
        Hyper[OptimizerOp.LearningRate] = lr;
        Hyper[OptimizerOp.GradientScale] = scale;
        Hyper[OptimizerOp.StepNumber] = t;
        _instance.Run(Stage.Update, default, s_sizes);
    }

    public void Dispose()
    {
        _instance.Dispose();
        _team.Dispose();
    }

    private void Pack(string name, ReadOnlySpan<float> rows)
    {
        fixed (float* from = rows) Layouts.Pack(Graph.Find(name).Type, from, _instance[name]);
    }
}
