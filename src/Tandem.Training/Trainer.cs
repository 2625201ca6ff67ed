using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>What one optimizer step did.</summary>
/// <param name="Step">Number of the step, from 1.</param>
/// <param name="Loss">Mean cross entropy over the step's counted tokens, in nats.</param>
/// <param name="Valid">Counted tokens.</param>
/// <param name="GradientNorm">Euclidean norm of the mean gradient before clipping.</param>
/// <param name="ClipCoefficient">Factor that clipping applied.</param>
/// <param name="LearningRate">Learning rate.</param>
/// <param name="SkippedFor">Name of the first weight whose gradient was not finite, if the step was skipped for it.</param>
public readonly record struct StepResult(long Step, double Loss, long Valid, double GradientNorm, double ClipCoefficient, double LearningRate, string? SkippedFor);

/// <summary>Coefficients of a trainer.</summary>
public sealed record TrainerOptions
{
    /// <summary>Rows of a microbatch at the most.</summary>
    public int MaxTokens { get; init; } = 2048;

    /// <summary>Documents of a microbatch at the most.</summary>
    public int MaxDocuments { get; init; } = 64;

    /// <summary>The optimizer.</summary>
    public AdamW Optimizer { get; init; } = new(0.9, 0.95, 1e-8, 0.1);

    /// <summary>The loss.</summary>
    public LinearCrossEntropy Loss { get; init; } = new();

    /// <summary>Largest gradient norm; 0 does not clip.</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>Seed of dropout.</summary>
    public ulong Seed { get; init; }
}

/// <summary>
/// Runs the step table of one process: forward and backward of each microbatch, which accumulate gradients; then the norm; then, unless something is not finite,
/// the optimizer. Gradients are sums over tokens; the division by the count of all counted tokens of the step comes after the sum.
/// </summary>
public sealed unsafe class Trainer : IDisposable
{
    private readonly CpuInstance _instance;
    private readonly double* _hyper;
    private readonly long* _random;
    private readonly (Value Parameter, Value Gradient)[] _trained;
    private double _loss;
    private long _valid;

    /// <summary>Compiles the training graph of <paramref name="model"/>, whose weights it changes.</summary>
    public Trainer(Model model, ThreadTeam team, TrainerOptions options)
    {
        Model = model;
        Options = options;
        ModelGraph graph = ModelGraphs.Train(model.Config, options.Loss, options.Optimizer, model.WeightType);
        StepSizes bounds = StepSizes.ForTraining(options.MaxTokens, options.MaxDocuments);
        Plan = Plan.Compile(graph, bounds, CpuBackend.Instance, team.Workers);
        Batch = Batch.ForTraining(bounds);
        _instance = new CpuInstance(Plan, team, model.Bindings(Batch));
        _hyper = (double*)_instance[AddAdamW.Hyper];
        _trained = [.. AddAdamW.Trained(graph)];
        if (graph.Inputs.Any(v => v.Name == DecoderInputs.Random)) _random = (long*)_instance[DecoderInputs.Random];
    }

    /// <summary>The model that is trained.</summary>
    public Model Model { get; }

    /// <summary>The coefficients.</summary>
    public TrainerOptions Options { get; }

    /// <summary>The compiled step.</summary>
    public Plan Plan { get; }

    /// <summary>The microbatch to fill before <see cref="Accumulate"/>.</summary>
    public Batch Batch { get; }

    /// <summary>Optimizer steps taken.</summary>
    public long Step { get; internal set; }

    /// <summary>Names of the state a checkpoint must hold besides the weights: the optimizer's moments.</summary>
    public IEnumerable<Value> OptimizerState => Plan.Graph.States.Where(s => s.Name.StartsWith("adam.", StringComparison.Ordinal));

    /// <summary>Memory of a state value or weight.</summary>
    public byte* this[Value value] => _instance[value];

    /// <summary>Forward and backward of the microbatch in <see cref="Batch"/>; its gradients add to those before.</summary>
    public void Accumulate()
    {
        BatchView view = Batch.View;
        if (_random != null) (_random[0], _random[1]) = ((long)Options.Seed, Step);
        _instance.Run(Stage.Forward, view, Batch.Sizes);
        _instance.Run(Stage.Backward, view, Batch.Sizes);
        _loss += *(double*)_instance.Output(ModelGraphs.Loss);
        int* labels = (int*)Batch.Labels.Pointer;
        for (int i = 0; i < view.NumRows; i++)
            if (labels[i] >= 0) _valid++;
    }

    /// <summary>Losses of the rows of the last microbatch, [T], in nats; 0 where not counted.</summary>
    public ReadOnlySpan<float> TokenLosses => new(_instance.Output(ModelGraphs.TokenLosses), Batch.NumRows);

    /// <summary>The gradient accumulated so far, a sum over tokens, in row-major order; null for a weight that has none.</summary>
    public float[]? Gradient(string parameter)
    {
        foreach ((Value p, Value g) in _trained)
        {
            if (p.Name != parameter) continue;
            var rows = new float[g.Type.Width];
            fixed (float* target = rows) Layouts.Unpack(g.Type, _instance[g], target);
            return rows;
        }

        return null;
    }

    /// <summary>Norm, clip and update with what was accumulated. A step whose gradient is not finite changes neither weights nor moments nor the count of steps.</summary>
    public StepResult Update(double learningRate)
    {
        _instance.Run(Stage.Reduce, Batch.View, Batch.Sizes);
        double count = Math.Max(1, _valid);
        double norm = Math.Sqrt(*(double*)_instance.Output(AddAdamW.SquaredNorm)) / count;
        int bad = *(int*)_instance.Output(AddAdamW.FirstBad);
        double clip = Options.MaxGradientNorm > 0 ? Math.Min(1, Options.MaxGradientNorm / (norm + 1e-6)) : 1;
        string? skippedFor = bad >= 0 ? _trained[bad].Parameter.Name : null;
        if (skippedFor == null)
        {
            Step++;
            _hyper[AdamW.LearningRate] = learningRate;
            _hyper[AdamW.GradientScale] = clip / count;
            _hyper[AdamW.StepNumber] = Step;
            _instance.Run(Stage.Update, Batch.View, Batch.Sizes);
        }
        else
        {
            foreach ((_, Value gradient) in _trained) System.Runtime.InteropServices.NativeMemory.Clear(_instance[gradient], (nuint)gradient.Type.RowBytes);
        }

        var result = new StepResult(Step, _loss / count, _valid, norm, clip, learningRate, skippedFor);
        _loss = 0;
        _valid = 0;
        return result;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _instance.Dispose();
        Batch.Dispose();
    }
}
