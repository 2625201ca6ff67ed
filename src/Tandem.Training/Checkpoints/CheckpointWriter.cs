using System.Runtime.ExceptionServices;

namespace Tandem.Training;

/// <summary>
/// Saves the checkpoints of a run: copies the state, then writes the copy on a thread of its own while training goes on. One at a time: a save waits for the one before.
/// </summary>
public sealed class CheckpointWriter : IDisposable
{
    private readonly Trainer _trainer;
    private readonly string _runFolder;
    private readonly CheckpointConfig _config;
    private readonly Action<string> _also;
    private readonly TrainerSnapshot _snapshot;
    private Thread? _thread;
    private Exception? _failure;

    /// <summary>Prepares to save.</summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="runFolder">Folder of the checkpoints.</param>
    /// <param name="config">How many are kept, and whether they are written in the background.</param>
    /// <param name="also">Writes more files into a checkpoint's folder.</param>
    public CheckpointWriter(Trainer trainer, string runFolder, CheckpointConfig config, Action<string> also)
    {
        (_trainer, _runFolder, _config, _also) = (trainer, runFolder, config, also);
        _snapshot = new TrainerSnapshot(trainer, config.InBackground);
    }

    /// <summary>Step of the newest checkpoint that there is or that is being written; -1 for none, and after a failure.</summary>
    public long LastStep { get; set; } = -1;

    /// <summary>Saves the trainer and the state of its run.</summary>
    public void Save(RunState state)
    {
        Wait();
        LastStep = state.Trainer.Step;
        _snapshot.Take();
        _thread = new Thread(() => Write(state)) { Name = "tandem-checkpoint", IsBackground = false };
        _thread.Start();
        if (!_config.InBackground) Wait();
    }

    /// <summary>Waits until nothing is being written.</summary>
    public void Wait()
    {
        _thread?.Join();
        _thread = null;
    }

    /// <summary>The error of the last save that failed, once; null if none did.</summary>
    public TandemException? TakeFailure()
    {
        Exception? failure = Interlocked.Exchange(ref _failure, null);
        if (failure is null or TandemException) return (TandemException?)failure;
        ExceptionDispatchInfo.Throw(failure);
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Wait();
        _snapshot.Dispose();
    }

    private void Write(RunState state)
    {
        try
        {
            TrainerCheckpoint.Write(_snapshot, state, _runFolder, _also);
            TrainerCheckpoint.Prune(_runFolder, _config.SaveTotalLimit, state.BestStep);
        }
        catch (Exception e)
        {
            // Thrown again by the thread that trains; here it would end the process.
            LastStep = -1;
            Interlocked.Exchange(ref _failure, e is IOException or UnauthorizedAccessException ? FileErrors.Wrap("cannot save a checkpoint in", _runFolder, e) : e);
        }
    }
}
