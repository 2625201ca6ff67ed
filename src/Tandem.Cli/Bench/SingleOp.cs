using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Passes;

namespace Tandem.Cli.Bench;

/// <summary>A graph of an op or two, compiled as models are, with random operands and one document of rows.</summary>
internal sealed unsafe class SingleOp : IDisposable
{
    private readonly CpuInstance _instance;
    private readonly Batch _batch;

    /// <summary>Compiles what <paramref name="build"/> adds.</summary>
    /// <exception cref="GraphException">The backend has no kernel for it.</exception>
    public SingleOp(Action<GraphBuilder> build, int rows, ThreadTeam team, DType weightType = DType.F32)
    {
        var builder = new GraphBuilder("bench");
        build(builder);
        ModelGraph graph = AssignLayouts.Run(SetWeightType.Run(builder.Build(), weightType));
        var bounds = StepSizes.ForTraining(rows, 1);
        Plan = Plan.Compile(graph, bounds, CpuBackend.Instance, team.Workers);
        _batch = Batch.ForTraining(bounds);
        var tokens = new int[rows];
        _batch.AddDocument(tokens, tokens);
        _instance = new CpuInstance(Plan, team);
        foreach (Value value in graph.Inputs.Concat(graph.Parameters))
            RandomFill.Fill(value.Type.DType, _instance[value], bounds.Bytes(value.Type) / value.Type.DType.Size(), seed: (uint)value.Id + 1);
    }

    /// <summary>The compiled graph.</summary>
    public Plan Plan { get; }

    /// <summary>Memory of the output of that name.</summary>
    public byte* Output(string name) => _instance.Output(name);

    /// <summary>Runs one stage.</summary>
    public void Run(Stage stage = Stage.Forward) => _instance.Run(stage, _batch.View, _batch.Sizes);

    public void Dispose()
    {
        _instance.Dispose();
        _batch.Dispose();
    }
}
