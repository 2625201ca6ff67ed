using System.Globalization;
using System.Text.Json;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>
/// A training run on disk: folders <c>step-N</c>, each a model directory with the optimizer's moments beside it. A folder is written under another name,
/// and renamed when it is complete, so the newest <c>step-N</c> is always whole.
/// </summary>
public static unsafe class TrainerCheckpoint
{
    private const string MomentsName = "optimizer.safetensors";
    private const string StateName = "trainer_state.json";

    /// <summary>Saves a trainer; <paramref name="also"/> writes more files into the folder.</summary>
    /// <returns>The folder.</returns>
    public static string Save(Trainer trainer, string runFolder, int keep, Action<string>? also = null)
    {
        string folder = Path.Combine(runFolder, string.Create(CultureInfo.InvariantCulture, $"step-{trainer.Step}"));
        string partial = folder + ".partial";
        try
        {
            Directory.CreateDirectory(runFolder);
            if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
            trainer.Model.Save(partial, trainer.Model.WeightType);
            SafetensorsWriter.Write(
                Path.Combine(partial, MomentsName), [.. trainer.OptimizerState.Select(v => Model.LogicalTensor(v.Name, v.Type, trainer[v]))]);
            AtomicFile.WriteAllText(Path.Combine(partial, StateName), string.Create(CultureInfo.InvariantCulture, $"{{\"step\": {trainer.Step}}}\n"));
            also?.Invoke(partial);
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
            Directory.Move(partial, folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TandemException($"cannot save a checkpoint in '{folder}': {e.Message}", e);
        }

        foreach ((long _, string old) in All(runFolder).OrderByDescending(c => c.Step).Skip(Math.Max(1, keep))) Directory.Delete(old, recursive: true);
        return folder;
    }

    /// <summary>The newest complete checkpoint of a run, or null.</summary>
    public static string? Newest(string runFolder) => All(runFolder).OrderByDescending(c => c.Step).Select(c => c.Folder).FirstOrDefault();

    /// <summary>Puts a saved state into a trainer of the same model: weights, moments, step.</summary>
    /// <exception cref="TandemException">The checkpoint is not of this model, or malformed.</exception>
    public static void Restore(Trainer trainer, string folder)
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

        using SafetensorsFile moments = SafetensorsFile.Open(Path.Combine(folder, MomentsName));
        foreach (Value state in trainer.OptimizerState)
        {
            StoredTensor? stored = moments.TryGet(state.Name);
            if (stored == null || stored.Shape.Count != state.Type.Width)
                throw new TandemException($"'{moments.Path}' has no {state.Name} of {state.Type.Width} elements");
            using var rows = new NativeBuffer(stored.Shape.Count * sizeof(float));
            stored.CopyTo(DType.F32, rows.Pointer);
            Layouts.Pack(state.Type, (float*)rows.Pointer, trainer[state]);
        }

        string path = Path.Combine(folder, StateName);
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllText(path));
            trainer.Step = json.RootElement.GetProperty("step").GetInt64();
        }
        catch (Exception e) when (e is IOException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new TandemException($"{path}: {e.Message}", e);
        }
    }

    private static IEnumerable<(long Step, string Folder)> All(string runFolder)
    {
        if (!Directory.Exists(runFolder)) yield break;
        foreach (string folder in Directory.GetDirectories(runFolder, "step-*"))
        {
            if (long.TryParse(Path.GetFileName(folder).AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out long step)) yield return (step, folder);
        }
    }
}
