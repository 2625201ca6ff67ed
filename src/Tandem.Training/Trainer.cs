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
/// <param name="LossScale">Scale of the loss; 1 without a scaler.</param>
public readonly record struct StepResult(
    long Step, double Loss, long Valid, double GradientNorm, double ClipCoefficient, double LearningRate, string? SkippedFor, double LossScale = 1);

/// <summary>What a checkpoint must hold of a trainer besides weights and <see cref="Trainer.OptimizerState"/>.</summary>
/// <param name="Step">Optimizer steps taken.</param>
/// <param name="Skipped">Steps that were skipped since something was not finite; Step + Skipped is the number of batches seen.</param>
/// <param name="LossScale">State of the loss scaler; null without one.</param>
public readonly record struct TrainerState(long Step, long Skipped, LossScalerState? LossScale);

/// <summary>Coefficients of a trainer.</summary>
public sealed record TrainerOptions
{
    /// <summary>Rows of a microbatch at the most.</summary>
    public int MaxTokens { get; init; } = 2048;

    /// <summary>Documents of a microbatch at the most.</summary>
    public int MaxDocuments { get; init; } = 64;

    /// <summary>The optimizer.</summary>
    public OptimizerOp Optimizer { get; init; } = new AdamW(0.9, 0.95, 1e-8, 0.1);

    /// <summary>Groups of weights and moving averages.</summary>
    public UpdateOptions Update { get; init; } = new();

    /// <summary>Dynamic scale of the loss, for f16 weights; null has none.</summary>
    public LossScalerOptions? LossScaler { get; init; }

    /// <summary>The loss.</summary>
    public LinearCrossEntropy Loss { get; init; } = new();

    /// <summary>Logical data shards, a power of two: their gradients are added as a balanced binary tree, whoever computes them.</summary>
    public int LogicalShards { get; init; } = 1;

    /// <summary>Fusions; they change no bit.</summary>
    public Fusions Fusions { get; init; } = Fusions.All;

    /// <summary>Activations that are computed again instead of kept.</summary>
    public Recomputation Recomputation { get; init; }

    /// <summary>
    /// Bytes that weights, gradients, optimizer state and activations may take; 0 is no limit. Where <see cref="Recomputation"/> does not fit, as few activations
    /// are recomputed as make the step fit.
    /// </summary>
    public long MemoryLimit { get; init; }

    /// <summary>The memory that gradients, optimizer state and activations must fit in, beside the weights.</summary>
    public MachineMemory Machine { get; init; } = MachineMemory.Own;

    /// <summary>Type that keys and values are rounded to before attention reads them: that of the cache the model is to be served with. Gradients pass the rounding unchanged.</summary>
    public DType KeyValueType { get; init; } = DType.F32;

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
    private readonly float* _lossScale;
    private readonly long* _random;
    private readonly (Value Parameter, Value Gradient)[] _trained;
    private readonly ModelConfig _config;
    private readonly int _shards;
    private readonly Fragment[][] _afterShard;
    private readonly double[] _parkedLosses;
    private double _loss;
    private long _valid;
    private int _shard;
    private StepEntry[] _table = [];
    private int _tableCount;

    /// <summary>Compiles the training graph of <paramref name="model"/>, whose weights it changes.</summary>
    public Trainer(Model model, ThreadTeam team, TrainerOptions options)
    {
        Model = model;
        Options = options;
        LossScaler = options.LossScaler == null ? null : new LossScaler(options.LossScaler);
        StepSizes bounds = StepSizes.ForTraining(options.MaxTokens, options.MaxDocuments);
        var graph = new TrainingGraph
        {
            Loss = options.Loss,
            Optimizer = options.Optimizer,
            Update = options.Update with { ScalesLoss = LossScaler != null },
            WeightType = model.WeightType,
            KeyValueType = options.KeyValueType,
            Backend = CpuBackend.Instance,
            Fusions = options.Fusions,
            LogicalShards = options.LogicalShards,
            Recomputation = options.Recomputation,
        };
        (Plan, Recomputation) = TrainingPlan.Choose(model.Config, graph, bounds, team.Workers, options.MemoryLimit);
        options.Machine.Require(
            $"a step of {options.MaxTokens:N0} tokens",
            "accepted: fewer tokens a microbatch (batch_size) with more gradient_accumulation_steps, recomputed activations (memory_limit_mib), an optimizer with less state",
            ("gradients and optimizer state", Plan.StateBytes),
            ("activations", Plan.ArenaBytes));
        Batch = Batch.ForTraining(bounds);
        _instance = new CpuInstance(Plan, team, model.Bindings(Batch));
        _hyper = (double*)_instance[AddOptimizer.Hyper];
        _lossScale = LossScaler == null ? null : (float*)_instance[AddLossScale.LossScale];
        _trained = [.. AddOptimizer.Trained(Plan.Graph)];
        _config = model.Config;
        _shards = options.LogicalShards;
        _afterShard = [.. Enumerable.Range(0, _shards).Select(s => StepTable.AfterShard(s, _shards).ToArray())];
        _parkedLosses = new double[System.Numerics.BitOperations.Log2((uint)_shards)];
        ReadWeights();
        if (Plan.Graph.Inputs.Any(v => v.Name == DecoderInputs.Random)) _random = (long*)_instance[DecoderInputs.Random];
    }

    /// <summary>The model that is trained.</summary>
    public Model Model { get; }

    /// <summary>The coefficients.</summary>
    public TrainerOptions Options { get; }

    /// <summary>The compiled step.</summary>
    public Plan Plan { get; }

    /// <summary>The microbatch to fill before <see cref="Accumulate"/>.</summary>
    public Batch Batch { get; }

    /// <summary>What the plan recomputes.</summary>
    public Recomputation Recomputation { get; }

    /// <summary>Times the nodes of each step; null, as at first, does not.</summary>
    public ExecutionProfile? Profile
    {
        get => _instance.Profile;
        set => _instance.Profile = value;
    }

    /// <summary>Optimizer steps taken.</summary>
    public long Step { get; internal set; }

    /// <summary>Steps that were skipped since something was not finite.</summary>
    public long Skipped { get; private set; }

    /// <summary>The scale of the loss; null without one.</summary>
    public LossScaler? LossScaler { get; }

    /// <summary>Numbers that a checkpoint must hold.</summary>
    public TrainerState State
    {
        get => new(Step, Skipped, LossScaler?.State);
        set
        {
            (Step, Skipped) = (value.Step, value.Skipped);
            if (LossScaler != null && value.LossScale is { } scale) LossScaler.State = scale;
        }
    }

    /// <summary>The state a checkpoint must hold besides the weights: the optimizer's (<c>optim.*</c>), master copies (<c>master.*</c>), averages (<c>ema.*</c>).</summary>
    public IEnumerable<Value> OptimizerState => Plan.Graph.States.Where(AddOptimizer.IsSaved);

    /// <summary>Memory of a state value or weight.</summary>
    public byte* this[Value value] => _instance[value];

    /// <summary>Forward and backward of the microbatch in <see cref="Batch"/>; its gradients add to those before.</summary>
    /// <exception cref="TandemException">A token or label is not in the vocabulary, or a document is longer than the model's positions; nothing was computed.</exception>
    public void Accumulate()
    {
        BatchView view = Batch.View;
        CheckBatch(view);
        if (LossScaler != null) *_lossScale = (float)LossScaler.Scale;
        if (_random != null) (_random[0], _random[1]) = ((long)Options.Seed, Step);
        _instance.Run(Stage.Forward, view, Batch.Sizes);
        _instance.Run(Stage.Backward, view, Batch.Sizes);
        _loss += *(double*)_instance.Output(ModelGraphs.Loss);
        int* labels = (int*)Batch.Labels.Pointer;
        for (int i = 0; i < view.NumRows; i++)
            if (labels[i] >= 0) _valid++;
    }

    /// <summary>Ends a logical data shard: what was accumulated since the last one is a leaf of the tree of gradients. A step of one shard needs no such call.</summary>
    public void EndShard()
    {
        if (_shard == _shards) throw new InvalidOperationException($"a step has {_shards} logical data shards, and all are done");
        foreach (Fragment fragment in _afterShard[_shard]) Combine(fragment);
        _shard++;
    }

    /// <summary>A whole step as its table says: microbatches first .. first + count - 1 of a source, then the update.</summary>
    public StepResult RunStep(IBatchSource source, long first, int count, double learningRate)
    {
        StepResult result = default;
        if (_tableCount != count) (_table, _tableCount) = (StepTable.Accumulate(count, _shards), count);
        foreach (StepEntry entry in _table)
        {
            switch (entry.Fragment.Stage)
            {
                case Stage.Forward:
                    Batch.Clear();
                    source.Fill(Batch, first + entry.Microbatch);
                    break;
                case Stage.Backward:
                    Accumulate();
                    break;
                case Stage.Close or Stage.Merge or Stage.Park:
                    Combine(entry.Fragment);
                    break;
                case Stage.Reduce:
                    result = Finish(learningRate);
                    break;
            }
        }

        return result;
    }

    /// <summary>Losses of the rows of the last microbatch, [T], in nats; 0 where not counted.</summary>
    public ReadOnlySpan<float> TokenLosses => new(_instance.Output(ModelGraphs.TokenLosses), Batch.NumRows);

    /// <summary>The gradient accumulated so far, a sum over tokens, in row-major order; null for a weight that has none.</summary>
    public float[]? Gradient(string parameter)
    {
        float[]? sum = null;
        foreach (Value use in Plan.Graph.States.Where(v => GradientBuilder.IsAccumulator(v.Name, parameter)))
        {
            var rows = new float[use.Type.Width];
            fixed (float* target = rows) Layouts.Unpack(use.Type, _instance[use], target);
            sum = sum == null ? rows : [.. sum.Zip(rows, (a, b) => a + b)];
        }

        return sum;
    }

    /// <summary>The moving average of a weight in row-major order; null for a weight that has none.</summary>
    public float[]? Average(string parameter)
    {
        Value? average = Plan.Graph.States.FirstOrDefault(s => s.Name == AddOptimizer.AverageName(parameter));
        if (average == null) return null;
        var rows = new float[average.Type.Width];
        fixed (float* target = rows) Layouts.Unpack(average.Type, _instance[average], target);
        return rows;
    }

    /// <summary>Copies the moving averages into a model of the same config, for saving or evaluation; weights without an average are copied as they are.</summary>
    public void CopyAverages(Model target)
    {
        foreach (string name in Model.WeightNames) target.Set(name, Average(name) ?? Model.Get(name));
    }

    /// <summary>Starts master copies and averages from the weights; to be called when weights were changed from outside.</summary>
    public void ReadWeights()
    {
        foreach ((Value parameter, _) in _trained)
        {
            var weights = new Lazy<float[]>(() => Model.Get(parameter.Name));
            foreach (Value copy in Plan.Graph.States.Where(s => s.Name == AddOptimizer.MasterName(parameter.Name) || s.Name == AddOptimizer.AverageName(parameter.Name)))
            {
                fixed (float* source = weights.Value) Layouts.Pack(copy.Type, source, _instance[copy]);
            }
        }
    }

    /// <summary>
    /// Norm, clip and update with what was accumulated. A step whose gradient is not finite changes neither weights nor state nor the count of steps,
    /// and so neither the optimizer's bias correction nor the schedule; the loss scale falls.
    /// </summary>
    /// <exception cref="TandemException">The learning rate is negative or not finite.</exception>
    public StepResult Update(double learningRate)
    {
        if (_shards == 1 && _shard == 0) EndShard();
        if (_shard != _shards)
            throw new InvalidOperationException($"{_shard} of {_shards} logical data shards are done; each ends with {nameof(EndShard)}");
        _shard = 0;
        return Finish(learningRate);
    }

    // The losses take the way of the gradients.
    private void Combine(Fragment fragment)
    {
        _instance.Run(fragment, Batch.View, Batch.Sizes);
        if (fragment.Stage == Stage.Merge) _loss = _parkedLosses[fragment.Index] + _loss;
        else if (fragment.Stage == Stage.Park) (_parkedLosses[fragment.Index], _loss) = (_loss, 0);
    }

    // Kernels read tables at these numbers without looking.
    private void CheckBatch(in BatchView view)
    {
        int vocabulary = _config.VocabSize;
        var labels = new ReadOnlySpan<int>(Batch.Labels.Pointer, view.NumRows);
        for (int i = 0; i < view.NumRows; i++)
        {
            if ((uint)view.Tokens[i] >= (uint)vocabulary) throw new TandemException($"row {i} of the batch has token {view.Tokens[i]}; accepted: 0 to {vocabulary - 1}");
            if (labels[i] >= vocabulary) throw new TandemException($"row {i} of the batch has label {labels[i]}; accepted: 0 to {vocabulary - 1}, or a negative number where nothing is learnt");
            if (view.Positions[i] >= _config.MaxPositions)
                throw new TandemException($"row {i} of the batch has position {view.Positions[i]}; the model has positions up to {_config.MaxPositions - 1}: accepted are documents of up to {_config.MaxPositions} tokens");
        }
    }

    private StepResult Finish(double learningRate)
    {
        if (!(learningRate >= 0 && double.IsFinite(learningRate))) throw new TandemException($"learning rate {learningRate} at step {Step + 1}; accepted: a finite number from 0");
        _instance.Run(Stage.Reduce, Batch.View, Batch.Sizes);
        double count = Math.Max(1, _valid), scale = LossScaler?.Scale ?? 1;
        double norm = Math.Sqrt(*(double*)_instance.Output(AddOptimizer.SquaredNorm)) / (count * scale);
        int bad = *(int*)_instance.Output(AddOptimizer.FirstBad);
        double clip = Options.MaxGradientNorm > 0 ? Math.Min(1, Options.MaxGradientNorm / (norm + 1e-6)) : 1;
        string? skippedFor = bad >= 0 ? _trained[bad].Parameter.Name : null;
        if (skippedFor == null)
        {
            Step++;
            _hyper[OptimizerOp.LearningRate] = learningRate;
            _hyper[OptimizerOp.GradientScale] = clip / count / scale;
            _hyper[OptimizerOp.StepNumber] = Step;
            _instance.Run(Stage.Update, Batch.View, Batch.Sizes);
        }
        else
        {
            Skipped++;
            foreach ((_, Value gradient) in _trained) System.Runtime.InteropServices.NativeMemory.Clear(_instance[gradient], (nuint)gradient.Type.RowBytes);
        }

        LossScaler?.Update(overflowed: skippedFor != null);
        var result = new StepResult(Step, _loss / count, _valid, norm, clip, learningRate, skippedFor, scale);
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
