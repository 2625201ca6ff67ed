using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>An optimizer's step on one weight, or a moving average of one, as a graph of one op.</summary>
internal sealed unsafe class OptimizerRunner : IDisposable
{
    private const string WeightName = "w", GradientName = "g", AverageName = "average", HyperName = "hyper";
    private const string SquaredNorm = "squared_norm", FirstBad = "first_bad";

    private readonly CpuInstance _instance;

    /// <summary>Compiles an optimizer's step, with the test for gradients that are not finite before it.</summary>
    public OptimizerRunner(OptimizerOp op, int[] shape, ThreadTeam team)
    {
        Type = new TensorType(DType.F32, RowSymbol.None, shape);
        var builder = new GraphBuilder("optimizer") { Fragment = Stage.Reduce };
        Value gradient = builder.State(GradientName, Type);
        IReadOnlyList<Value> norm = builder.ApplyAll(new GlobalNorm(), "norm", gradient);
        builder.Output(SquaredNorm, norm[0]);
        builder.Output(FirstBad, norm[1]);
        builder.Fragment = Stage.Update;
        Value hyper = builder.Input(HyperName, OptimizerOp.HyperType), weight = builder.Parameter(WeightName, Type);
        builder.ApplyAll(op, "step", [hyper, weight, gradient, .. op.StatesOf(Type).Select(s => builder.State(s.Kind, s.Type))]);
        _instance = Bind(builder, team);
    }

    /// <summary>Compiles the step of a moving average.</summary>
    public OptimizerRunner(Ema op, int[] shape, ThreadTeam team)
    {
        Type = new TensorType(DType.F32, RowSymbol.None, shape);
        var builder = new GraphBuilder("average") { Fragment = Stage.Update };
        builder.ApplyAll(op, "step", builder.Input(HyperName, OptimizerOp.HyperType), builder.Parameter(WeightName, Type), builder.State(AverageName, Type));
        _instance = Bind(builder, team);
    }

    /// <summary>Type of the weight.</summary>
    public TensorType Type { get; }

    /// <summary>The weight.</summary>
    public Span<float> Weight => State(WeightName);

    /// <summary>The gradient; a step leaves it at zero.</summary>
    public Span<float> Gradient => State(GradientName);

    /// <summary>The moving average.</summary>
    public Span<float> Average => State(AverageName);

    /// <summary>State of that name.</summary>
    public Span<float> State(string name)
    {
        Value value = _instance.Plan.Graph.Find(name);
        return new Span<float>(_instance[value], (int)value.Type.Width);
    }

    /// <summary>Whether the gradient is finite, as a trainer finds out before it steps.</summary>
    public bool GradientIsFinite()
    {
        _instance.Run(Stage.Reduce, default, default);
        return *(int*)_instance.Output(FirstBad) < 0;
    }

    /// <summary>A step with number <paramref name="step"/>, from 1.</summary>
    public void Step(double learningRate, double gradientScale, long step)
    {
        double* hyper = (double*)_instance[HyperName];
        hyper[OptimizerOp.LearningRate] = learningRate;
        hyper[OptimizerOp.GradientScale] = gradientScale;
        hyper[OptimizerOp.StepNumber] = step;
        _instance.Run(Stage.Update, default, default);
    }

    /// <inheritdoc/>
    public void Dispose() => _instance.Dispose();

    private static CpuInstance Bind(GraphBuilder builder, ThreadTeam team) =>
        new(Plan.Compile(builder.Build(), new StepSizes(1, 1, 1, 1), CpuBackend.Instance, team.Workers), team);
}
