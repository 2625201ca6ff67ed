using Tandem.Cpu;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>
/// A run as its config describes it: data, tokenizer, model, trainer, checkpoints. A run that was stopped goes on where its newest whole checkpoint is.
/// <see cref="TrainingLoop"/> drives it.
/// </summary>
public sealed class TrainingRun : IDisposable
{
    private readonly TrainConfig _config;
    private readonly List<string> _warnings = [];
    private readonly FolderLock _lock;
    private RunData? _data;
    private Model? _model;
    private Trainer? _trainer;
    private CheckpointWriter? _checkpoints;
    private Evaluator? _evaluator;

    /// <summary>Reads the data, gets the tokenizer and the model, and restores the newest checkpoint of the output folder.</summary>
    /// <exception cref="TandemException">A file is missing or malformed, sizes do not fit each other, or another process uses the output folder.</exception>
    public TrainingRun(TrainConfig config)
    {
        _config = config;
        _lock = FolderLock.Acquire(config.OutputDir);
        try
        {
            TrainerCheckpoint.DeleteRemains(config.OutputDir);
            string? newest = TrainerCheckpoint.NewestWhole(config.OutputDir, _warnings.Add);
            _data = RunData.Load(config, newest == null ? null : TokenizerJson.Load(Path.Combine(newest, TokenizerJson.FileName)));
            Team = new ThreadTeam(config.Threads);
            _model = config.Source.ModelPath != null ? Model.Load(config.Source.ModelPath, weightType: config.Optimizer.WeightType) : Initialized();
            CheckSizes(_model.Config);
            _trainer = new Trainer(_model, Team, new TrainerOptions
            {
                MaxTokens = config.BatchSize * config.Data.SequenceLength,
                MaxDocuments = _data.Blend.MaxDocuments,
                Optimizer = config.Optimizer.Optimizer,
                Update = config.Optimizer.Update,
                LossScaler = config.Optimizer.LossScaler,
                MaxGradientNorm = config.Optimizer.MaxGradientNorm,
                Loss = config.Loss,
                Seed = config.Seed,
            });
            _checkpoints = new CheckpointWriter(_trainer, config.OutputDir, config.Checkpoints, SaveTokenizer);
            State = new RunState { Data = _data.Fingerprint, Config = config.Json };
            if (newest != null) Resume(newest);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The config.</summary>
    public TrainConfig Config => _config;

    /// <summary>The data.</summary>
    public RunData Data => _data!;

    /// <summary>The trainer.</summary>
    public Trainer Trainer => _trainer!;

    /// <summary>The threads.</summary>
    public ThreadTeam Team { get; } = null!;

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer => Data.Tokenizer;

    /// <summary>Saves in the background.</summary>
    public CheckpointWriter Checkpoints => _checkpoints!;

    /// <summary>Where the run stands.</summary>
    public RunState State { get; private set; } = new();

    /// <summary>The checkpoint it goes on from; null if it starts from the beginning.</summary>
    public string? ResumedFrom { get; private set; }

    /// <summary>What a user should know of the start: damaged checkpoints, changed keys or data.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>One optimizer step.</summary>
    public StepResult Step()
    {
        long tokens = 0;
        for (int i = 0; i < _config.AccumulationSteps; i++)
        {
            Trainer.Batch.Clear();
            for (int s = 0; s < _config.BatchSize; s++) Data.Blend.AddSample(Trainer.Batch, State.Samples + (i * _config.BatchSize) + s);
            tokens += Trainer.Batch.NumRows;
            Trainer.Accumulate();
        }

        StepResult result = Trainer.Update(_config.Schedule.At(Trainer.Step + 1));
        State = State with { Trainer = Trainer.State, Samples = State.Samples + _config.SequencesPerStep, Tokens = State.Tokens + tokens };
        return result;
    }

    /// <summary>Evaluates what is kept for it.</summary>
    public EvaluationResult Evaluate()
    {
        _evaluator ??= new Evaluator(Trainer.Model, Team, Data.Validation, _config.Data.Packing, _config.BatchSize, _config.Data.SequenceLength);
        return _evaluator.Run(_config.Evaluation.MaxSequences);
    }

    /// <summary>Takes note of an evaluation.</summary>
    /// <returns>Whether it is better than all before.</returns>
    public bool Note(EvaluationResult evaluation)
    {
        bool better = State.BestLoss is not { } best || evaluation.Loss < best - _config.Evaluation.Threshold;
        State = better
            ? State with { BestLoss = evaluation.Loss, BestStep = Trainer.Step, WorseEvaluations = 0 }
            : State with { WorseEvaluations = State.WorseEvaluations + 1 };
        return better;
    }

    /// <summary>Begins a checkpoint, which is also a model directory, unless there is one of this step.</summary>
    public void BeginSave()
    {
        if (Checkpoints.LastStep != Trainer.Step) Checkpoints.Save(_config.Checkpoints.SaveBest ? State : State with { BestStep = 0 });
    }

    /// <summary>Saves a checkpoint unless there is one of this step, and waits for it.</summary>
    /// <returns>Its folder.</returns>
    /// <exception cref="TandemException">It cannot be written.</exception>
    public string Save()
    {
        BeginSave();
        Checkpoints.Wait();
        return Checkpoints.TakeFailure() is { } failure ? throw failure : TrainerCheckpoint.Newest(_config.OutputDir)!;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _checkpoints?.Dispose();
        _evaluator?.Dispose();
        _trainer?.Dispose();
        _model?.Dispose();
        Team?.Dispose();
        _data?.Dispose();
        _lock.Dispose();
    }

    private Model Initialized()
    {
        ModelConfig config = _config.Source.Config(Tokenizer.VocabSize);
        if (config.EosTokenIds.Count == 0 && Data.EndToken is { } end) config = config with { EosTokenIds = [end] };
        var model = new Model(config, 0, _config.Optimizer.WeightType);
        model.Initialize(_config.Seed, config.InitializerRange);
        return model;
    }

    private void CheckSizes(ModelConfig model)
    {
        if (Tokenizer.VocabSize > model.VocabSize) throw new TandemException($"the tokenizer has {Tokenizer.VocabSize} tokens, the model {model.VocabSize}; accepted: a tokenizer whose ids the model has");
        if (_config.Data.SequenceLength > model.MaxPositions) throw new TandemException($"data.sequence_length {_config.Data.SequenceLength} is longer than the model's max_position_embeddings; accepted: 2 to {model.MaxPositions}");
    }

    private void Resume(string folder)
    {
        RunState saved = TrainerCheckpoint.Restore(Trainer, folder);
        ResumedFrom = folder;
        Checkpoints.LastStep = saved.Trainer.Step;
        if (saved.Data != State.Data) _warnings.Add($"the training data are not those that '{folder}' was trained on: the run goes on with the samples of the new data");
        if (saved.Config != null)
        {
            SortedDictionary<string, string> before = TrainConfig.Flatten(saved.Config), now = TrainConfig.Flatten(_config.Json);
            string[] changed = [.. before.Keys.Union(now.Keys).Where(k => before.GetValueOrDefault(k) != now.GetValueOrDefault(k) && k is not ("max_steps" or "output_dir" or "logging_steps" or "threads" or "save_steps"))];
            if (changed.Length > 0) _warnings.Add("the config is not that of the checkpoint: " + string.Join(", ", changed.Select(k => $"{k} is {now.GetValueOrDefault(k, "absent")} and was {before.GetValueOrDefault(k, "absent")}")));
        }

        State = saved with { Data = State.Data, Config = State.Config };
    }

    private void SaveTokenizer(string folder) => TokenizerJson.Save(Tokenizer, Path.Combine(folder, TokenizerJson.FileName));
}
