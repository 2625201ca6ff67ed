using System.Globalization;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>
/// Checkpoints of a run: folders <c>step-N</c>, each a model directory with the optimizer's state beside it, and the averaged weights in <c>ema</c> if there are any.
/// A folder is written under another name and renamed when it is complete, so <c>step-N</c> is always whole; <c>trainer_state.json</c> has each file's checksum.
/// </summary>
public static unsafe class TrainerCheckpoint
{
    private const string StatesName = "optimizer.safetensors";
    private const string StateName = "trainer_state.json";
    private const string AveragesName = "ema";
    private const string Prefix = "step-";
    private const string Partial = ".partial";
    private const string Deleted = ".deleted";

    /// <summary>Saves a trainer, which stands still meanwhile; <paramref name="also"/> writes more files into the folder.</summary>
    /// <returns>The folder.</returns>
    /// <exception cref="TandemException">It cannot be written; nothing of it is left, and the checkpoints before are untouched.</exception>
    public static string Save(Trainer trainer, string runFolder, int keep, Action<string>? also = null)
    {
        using var tensors = new TrainerSnapshot(trainer, copies: false);
        string folder = Write(tensors, new RunState { Trainer = trainer.State }, runFolder, also);
        Prune(runFolder, keep, best: 0);
        return folder;
    }

    /// <summary>The newest checkpoint of a run, or null. It is whole unless something else than this program changed it.</summary>
    public static string? Newest(string runFolder) => All(runFolder).Select(c => c.Folder).FirstOrDefault();

    /// <summary>The newest checkpoint whose files all have their checksums; each damaged one that is passed over is named to <paramref name="warn"/>.</summary>
    /// <exception cref="TandemException">There are checkpoints, and all are damaged.</exception>
    public static string? NewestWhole(string runFolder, Action<string> warn)
    {
        var problems = new List<string>();
        foreach ((_, string folder) in All(runFolder))
        {
            try
            {
                Verify(folder);
                foreach (string problem in problems) warn($"{problem}; going on from '{folder}' instead");
                return folder;
            }
            catch (TandemException e)
            {
                problems.Add($"checkpoint '{folder}' is damaged: {e.Message}");
            }
        }

        return problems.Count == 0 ? null : throw new TandemException(string.Join("\n", problems) + $"\nno checkpoint of '{runFolder}' is whole; move them away to start from the beginning");
    }

    /// <summary>Puts a saved state into a trainer of the same model: weights, optimizer's state, step, loss scale.</summary>
    /// <returns>The rest of the state.</returns>
    /// <exception cref="TandemException">The checkpoint is not of this model, or damaged.</exception>
    public static RunState Restore(Trainer trainer, string folder)
    {
        using (Model saved = Model.Load(folder, weightType: trainer.Model.WeightType))
        {
            foreach (string name in trainer.Model.WeightNames)
            {
                if (!saved.WeightNames.Contains(name) || saved.TypeOf(name) != trainer.Model.TypeOf(name))
                    throw new TandemException($"'{folder}' is the checkpoint of another model: it has no {name} of {trainer.Model.TypeOf(name)}");
                Buffer.MemoryCopy(saved.Buffer(name).Pointer, trainer.Model.Buffer(name).Pointer, trainer.Model.Buffer(name).Bytes, saved.Buffer(name).Bytes);
            }
        }

        using SafetensorsFile states = SafetensorsFile.Open(Path.Combine(folder, StatesName));
        trainer.ReadWeights();
        Value[] wanted = [.. trainer.OptimizerState];
        StoredTensor? unknown = states.Tensors.FirstOrDefault(t => !wanted.Any(w => w.Name == t.Name));
        if (unknown != null) throw new TandemException($"'{states.Path}' has {unknown.Name}, which the run's optimizer does not have; accepted: the optimizer that the checkpoint was made with");
        foreach (Value state in wanted)
        {
            StoredTensor? stored = states.TryGet(state.Name);
            if (stored == null || stored.Shape.Count != state.Type.Width)
                throw new TandemException($"'{states.Path}' has no {state.Name} of {state.Type.Width} elements; accepted: the optimizer that the checkpoint was made with");
            using var rows = new NativeBuffer(stored.Shape.Count * sizeof(float));
            stored.CopyTo(DType.F32, rows.Pointer);
            Layouts.Pack(state.Type, (float*)rows.Pointer, trainer[state]);
        }

        RunState read = RunState.Read(Path.Combine(folder, StateName));
        trainer.State = read.Trainer;
        return read;
    }

    /// <summary>Checks that every file of a checkpoint is there with its size and checksum.</summary>
    /// <exception cref="TandemException">One is not.</exception>
    public static void Verify(string folder)
    {
        foreach ((string name, (long bytes, ulong hash)) in RunState.Read(Path.Combine(folder, StateName)).Files)
        {
            var file = new FileInfo(Path.Combine(folder, name));
            if (!file.Exists) throw new TandemException($"'{file.FullName}' is missing");
            if (file.Length != bytes) throw new TandemException($"'{file.FullName}' has {file.Length} bytes, it was written with {bytes}");
            if (Checksum.XxHash3OfFile(file.FullName) != hash) throw new TandemException($"'{file.FullName}' has another checksum than it was written with");
        }
    }

    /// <summary>Writes a checkpoint, in place of a damaged one of the same step if there is one.</summary>
    internal static string Write(TrainerSnapshot tensors, RunState state, string runFolder, Action<string>? also)
    {
        string folder = Path.Combine(runFolder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{state.Trainer.Step}")), partial = folder + Partial;
        try
        {
            Directory.CreateDirectory(runFolder);
            if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
            string config = tensors.Config.ToJson(), generation = GenerationConfig.From(tensors.Config).ToJson();
            HfDirectoryWriter.Write(partial, config, tensors.Weights, generation);
            if (tensors.Averages is { } averages) HfDirectoryWriter.Write(Path.Combine(partial, AveragesName), config, averages, generation);
            SafetensorsWriter.Write(Path.Combine(partial, StatesName), tensors.States);
            also?.Invoke(partial);
            Dictionary<string, (long, ulong)> files = Directory.EnumerateFiles(partial, "*", SearchOption.AllDirectories)
                .ToDictionary(f => Path.GetRelativePath(partial, f), f => (new FileInfo(f).Length, Checksum.XxHash3OfFile(f)));
            AtomicFile.WriteAllBytes(Path.Combine(partial, StateName), (state with { Files = files }).Write());
            if (Directory.Exists(folder)) Remove(folder);
            Directory.Move(partial, folder);
            return folder;
        }
        catch (Exception e) when (e is TandemException || FileErrors.IsFileError(e))
        {
            // What was begun takes room on a disk that may be full.
            TryDelete(partial);
            throw new TandemException($"cannot save checkpoint '{folder}': {e.Message}", e);
        }
    }

    /// <summary>Deletes all but the newest checkpoints and the best one.</summary>
    internal static void Prune(string runFolder, int keep, long best)
    {
        foreach ((long step, string folder) in All(runFolder).Skip(Math.Max(1, keep)).ToArray())
            if (step != best) Remove(folder);
    }

    /// <summary>Deletes what a killed run left half-written or half-deleted.</summary>
    internal static void DeleteRemains(string runFolder)
    {
        foreach (string ending in (string[])[Partial, Deleted])
            foreach (string folder in Directory.GetDirectories(runFolder, $"{Prefix}*{ending}")) TryDelete(folder);
    }

    // Under another name first, so that a folder that is half gone is not taken for a checkpoint.
    private static void Remove(string folder)
    {
        TryDelete(folder + Deleted);
        Directory.Move(folder, folder + Deleted);
        TryDelete(folder + Deleted);
    }

    private static void TryDelete(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // Left under a name that nothing reads; the next run tries again.
        }
    }

    // Newest first.
    private static IEnumerable<(long Step, string Folder)> All(string runFolder)
    {
        if (!Directory.Exists(runFolder)) return [];
        var found = new List<(long Step, string Folder)>();
        foreach (string folder in Directory.GetDirectories(runFolder, Prefix + "*"))
            if (long.TryParse(Path.GetFileName(folder).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step)) found.Add((step, folder));
        return found.OrderByDescending(c => c.Step);
    }
}
