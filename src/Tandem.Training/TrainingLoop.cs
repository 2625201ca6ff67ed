using System.Diagnostics;

namespace Tandem.Training;

/// <summary>Why a run ended.</summary>
public enum RunEnd
{
    /// <summary>All steps are done.</summary>
    Finished,

    /// <summary>The evaluation did not get better any more.</summary>
    EarlyStopped,

    /// <summary>It was cancelled; the state is saved.</summary>
    Cancelled,
}

/// <summary>What a step did, and what followed it.</summary>
/// <param name="Result">The step.</param>
/// <param name="State">Where the run stands after it.</param>
/// <param name="Tokens">Tokens of the step.</param>
/// <param name="TokensPerSecond">Tokens a second of this step alone.</param>
/// <param name="PeakShare">Share of the machine's matrix peak; 0 if that was not measured.</param>
/// <param name="Evaluation">The evaluation behind the step, if there was one.</param>
public readonly record struct StepReport(StepResult Result, RunState State, long Tokens, double TokensPerSecond, double PeakShare, EvaluationResult? Evaluation);

/// <summary>A text that the model wrote.</summary>
/// <param name="Step">Step.</param>
/// <param name="Prompt">What it was given.</param>
/// <param name="Text">What it wrote behind that.</param>
public readonly record struct SampleReport(long Step, string Prompt, string Text);

/// <summary>Who is told what a run does. All are called on the thread that trains.</summary>
public sealed record TrainingEvents
{
    /// <summary>After each step.</summary>
    public Action<StepReport>? Stepped { get; init; }

    /// <summary>After samples.</summary>
    public Action<IReadOnlyList<SampleReport>>? Sampled { get; init; }

    /// <summary>A warning.</summary>
    public Action<string>? Warned { get; init; }

    /// <summary>Continues prompts with the model as it is; null makes no samples.</summary>
    public Func<SamplesConfig, IReadOnlyList<string>>? Generate { get; init; }
}

/// <summary>
/// The steps of a run with everything around them: evaluation, early stop, best checkpoint, samples, checkpoints, metrics. Nothing of it changes a bit of the training.
/// </summary>
public sealed class TrainingLoop : IDisposable
{
    /// <summary>Steps in a row that may be skipped: a loss scale falls by then from its start to nothing, so more means that the run has diverged.</summary>
    private const int MostSkipped = 64;

    private readonly TrainingRun _run;
    private readonly TrainConfig _config;
    private readonly TrainingEvents _events;
    private readonly MetricsLog _metrics;
    private readonly TensorBoardWriter? _board;
    private readonly double _flopsPerToken;
    private readonly double _peak;

    /// <summary>Opens the metrics of a run, going on behind its newest checkpoint.</summary>
    /// <param name="run">The run.</param>
    /// <param name="events">Who is told.</param>
    /// <param name="peakFlops">The machine's matrix peak (see <see cref="MachinePeak"/>); 0 if not known.</param>
    public TrainingLoop(TrainingRun run, TrainingEvents events, double peakFlops = 0)
    {
        (_run, _config, _events, _peak) = (run, run.Config, events, peakFlops);
        _flopsPerToken = MachinePeak.FlopsPerToken(run.Trainer.Model, _config.Data.SequenceLength);
        _metrics = new MetricsLog(_config.OutputDir, run.State.Samples, run.Trainer.Step);
        if (_config.Report.TensorBoard) _board = new TensorBoardWriter(Path.Combine(_config.OutputDir, "tensorboard"), run.Trainer.Step);
    }

    /// <summary>Trains until the steps are done, the evaluation does not get better, or it is cancelled; then saves, and writes the report.</summary>
    /// <exception cref="TandemException">The run diverged, or a checkpoint cannot be written.</exception>
    public RunEnd Run(CancellationToken cancel = default)
    {
        RunEnd end;
        try
        {
            end = Steps(cancel);
            _run.Save();
            if (end != RunEnd.Cancelled) Sample();
        }
        finally
        {
            if (_config.Report.Html) HtmlReport.Write(_run, _peak);
        }

        return end;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _metrics.Dispose();
        _board?.Dispose();
    }

    private RunEnd Steps(CancellationToken cancel)
    {
        int skipped = 0;
        while (_run.Trainer.Step < _config.MaxSteps)
        {
            if (IsOverfitted) return RunEnd.EarlyStopped;
            if (cancel.IsCancellationRequested) return RunEnd.Cancelled;
            long start = Stopwatch.GetTimestamp(), before = _run.State.Tokens;
            StepResult result = _run.Step();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            long tokens = _run.State.Tokens - before;
            skipped = result.SkippedFor == null ? 0 : skipped + 1;
            if (result.SkippedFor != null) _events.Warned?.Invoke($"step {result.Step + 1} was skipped: the gradient of {result.SkippedFor} is not finite");
            if (skipped == MostSkipped) throw new TandemException($"{MostSkipped} steps in a row were skipped, the last since the gradient of {result.SkippedFor} is not finite: the run has diverged; accepted: a lower learning_rate, or a lower max_grad_norm, from an earlier checkpoint");

            bool isDone = result.SkippedFor == null;
            EvaluationResult? evaluation = isDone && IsDue(result.Step, _config.Evaluation.Steps) ? _run.Evaluate() : null;
            bool better = evaluation is { } found && _run.Note(found);
            var report = new StepReport(result, _run.State, tokens, tokens / seconds, _peak > 0 ? tokens * _flopsPerToken / seconds / _peak : 0, evaluation);
            _metrics.Write(report);
            _board?.Write(report);
            _events.Stepped?.Invoke(report);
            if (isDone && IsDue(result.Step, _config.Samples.Steps) && result.Step < _config.MaxSteps) Sample();
            if ((isDone && IsDue(result.Step, _config.Checkpoints.SaveSteps)) || (better && _config.Checkpoints.SaveBest)) _run.BeginSave();
            if (_run.Checkpoints.TakeFailure() is not { } failure) continue;
            if (_config.Checkpoints.StopOnError) throw failure;
            _events.Warned?.Invoke(failure.Message + "; the run goes on (stop_on_save_error is false)");
        }

        return IsOverfitted ? RunEnd.EarlyStopped : RunEnd.Finished;
    }

    private bool IsOverfitted => _config.Evaluation.Patience > 0 && _run.State.WorseEvaluations >= _config.Evaluation.Patience;

    private static bool IsDue(long step, long every) => every > 0 && step % every == 0;

    private void Sample()
    {
        if (_config.Samples.Prompts.Count == 0 || _events.Generate == null) return;
        IReadOnlyList<string> texts = _events.Generate(_config.Samples);
        SampleReport[] samples = [.. texts.Select((t, i) => new SampleReport(_run.Trainer.Step, _config.Samples.Prompts[i], t))];
        _metrics.Write(samples);
        _events.Sampled?.Invoke(samples);
    }
}
