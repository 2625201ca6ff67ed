using System.Globalization;
using System.Text.Json;
using Tandem.Graph.Ops;
using Tandem.Models;
using Tandem.Training;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>
/// Training steps of a reference model: logits, losses and gradients of the first; loss, norm and learning rate of all; weights after the first and the last.
/// A second run from the same weights accumulates microbatches.
/// </summary>
internal static class TrajectoryCases
{
    /// <summary>Subfolder with the initial weights.</summary>
    public const string ModelFolder = "hf";

    private const double TrajectoryTolerance = 2e-6, LastLossTolerance = 1e-5;

    /// <summary>Runs the two cases of a folder.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        foreach (string file in (string[])["batch.safetensors", "step1.safetensors", "grads_step1.safetensors"]) folder.Claim(file);
        foreach (string file in folder.Files.Where(f => f.StartsWith("params_step", StringComparison.Ordinal))) folder.Claim(file);
        ModelFiles.Claim(folder.Sub(ModelFolder));
        JsonElement expected = folder.Json("expected.json");
        context.Report.Case(folder.Name, checks => RunSteps(folder, expected, context, checks));
        if (expected.TryGetProperty("accum_steps_fp64", out _))
            context.Report.Case(folder.Name + " accumulation", checks => RunAccumulation(folder, expected, context, checks));
    }

    private static void RunSteps(CaseFolder folder, JsonElement expected, RunContext context, Checks checks)
    {
        using ModelFiles files = Open(folder);
        using Model model = files.Load();
        JsonElement deviations = expected.GetProperty("fp32_minus_fp64"), steps = expected.GetProperty("steps_fp64");
        GoldenTensors batches = folder.Tensors("batch.safetensors"), first = folder.Tensors("step1.safetensors");
        int[] ids = batches.Ints("input_ids"), labels = batches.Ints("labels"), shape = batches.Shape("input_ids");
        (int rows, int length) = (shape[1], shape[2]);
        CompareLogits(model, first, ids, length, deviations.GetProperty("logits").GetProperty("max_rel").GetDouble(), context, checks);
        using Trainer trainer = Start(model, expected.GetProperty("hyper"), rows, length, context);
        int last = steps.GetArrayLength();
        foreach (JsonElement step in steps.EnumerateArray())
        {
            int t = step.GetProperty("t").GetInt32();
            Accumulate(trainer, ids, labels, (t - 1) * rows, rows, length);
            if (t == 1)
            {
                CompareTokenLosses(trainer, first, rows, length, checks);
                GoldenTensors gradients = folder.Tensors("grads_step1.safetensors");
                CompareGradients(trainer, gradients, step.GetProperty("valid").GetInt32(), deviations.GetProperty("grads_step1_per_tensor"), checks);
            }

            CompareStep(Update(trainer, expected, t), step, t == last, checks);
            if (folder.CanRead($"params_step{t}.safetensors")) CompareWeights(model, folder.Tensors($"params_step{t}.safetensors"), t, deviations, checks);
        }
    }

    private static void RunAccumulation(CaseFolder folder, JsonElement expected, RunContext context, Checks checks)
    {
        using ModelFiles files = Open(folder);
        using Model model = files.Load();
        JsonElement deviations = expected.GetProperty("fp32_minus_fp64"), steps = expected.GetProperty("accum_steps_fp64");
        GoldenTensors batches = folder.Tensors("batch.safetensors");
        int[] ids = batches.Ints("accum_input_ids"), labels = batches.Ints("accum_labels"), shape = batches.Shape("accum_input_ids");
        (int micro, int rows, int length) = (shape[1], shape[2], shape[3]);
        using Trainer trainer = Start(model, expected.GetProperty("hyper"), rows, length, context);
        foreach (JsonElement step in steps.EnumerateArray())
        {
            int t = step.GetProperty("t").GetInt32();
            for (int k = 0; k < micro; k++) Accumulate(trainer, ids, labels, (((t - 1) * micro) + k) * rows, rows, length);
            if (t == 1 && expected.TryGetProperty("accum_grads_step1_fp64", out JsonElement gradients))
            {
                double valid = step.GetProperty("valid").GetDouble();
                foreach (JsonProperty entry in gradients.EnumerateObject())
                {
                    double deviation = deviations.GetProperty("grads_step1_per_tensor").GetProperty(entry.Name).GetProperty("max_rel").GetDouble();
                    double[] gradient = [.. trainer.Gradient(entry.Name)!.Select(g => g / valid)];
                    CompareSummary($"gradient of {entry.Name}", entry.Value, gradient, OpCase.Allowed(deviation), checks);
                }
            }

            CompareStep(Update(trainer, expected, t), step, t == steps.GetArrayLength(), checks);
        }

        CompareLastWeights(model, expected.GetProperty("accum_params_last_step_fp64"), deviations, checks);
    }

    private static ModelFiles Open(CaseFolder folder)
    {
        CaseFolder model = folder.Sub(ModelFolder);
        ModelFiles.RequireSupported(model.Json(HfDirectory.ConfigName));
        return new ModelFiles(model);
    }

    private static Trainer Start(Model model, JsonElement hyper, int rows, int length, RunContext context)
    {
        double H(string key) => hyper.GetProperty(key).GetDouble();
        return new Trainer(model, context.Team, new TrainerOptions
        {
            MaxTokens = rows * length,
            MaxDocuments = rows,
            Optimizer = new AdamW(H("beta1"), H("beta2"), H("eps"), H("weight_decay")),
            MaxGradientNorm = H("clip"),
        });
    }

    // Labels stand at their own position in the files; row t of the engine predicts the label of t + 1.
    private static void Accumulate(Trainer trainer, int[] ids, int[] labels, int firstRow, int rows, int length)
    {
        trainer.Batch.Clear();
        for (int r = 0; r < rows; r++)
        {
            int at = (firstRow + r) * length;
            trainer.Batch.AddDocument(ids.AsSpan(at, length), [.. labels.AsSpan(at + 1, length - 1), -100]);
        }

        trainer.Accumulate();
    }

    private static StepResult Update(Trainer trainer, JsonElement expected, int t)
    {
        JsonElement hyper = expected.GetProperty("hyper");
        double H(string key) => hyper.GetProperty(key).GetDouble();
        return trainer.Update(new CosineSchedule(H("peak_lr"), H("min_lr"), (long)H("warmup_steps"), (long)H("total_steps")).At(t));
    }

    private static void CompareStep(StepResult actual, JsonElement step, bool last, Checks checks)
    {
        long t = step.GetProperty("t").GetInt64();
        checks.Relative($"lr of step {t}", step.GetProperty("lr").GetDouble(), actual.LearningRate, 1e-12);
        checks.Equal($"valid of step {t}", step.GetProperty("valid").GetInt64(), actual.Valid);
        checks.Relative($"loss of step {t}", step.GetProperty("loss").GetDouble(), actual.Loss, last ? LastLossTolerance : TrajectoryTolerance);
        checks.Relative($"grad_norm of step {t}", step.GetProperty("grad_norm").GetDouble(), actual.GradientNorm, TrajectoryTolerance);
        checks.Relative($"clip_coef of step {t}", step.GetProperty("clip_coef").GetDouble(), actual.ClipCoefficient, TrajectoryTolerance);
    }

    private static void CompareLogits(Model model, GoldenTensors first, int[] ids, int length, double deviation, RunContext context, Checks checks)
    {
        int[] positions = first.Ints("logit_positions");
        int vocab = model.Config.VocabSize;
        using var logits = new LogitsRunner(model, context.Team, length, 1);
        var actual = new List<float>();
        for (int i = 0; i < positions.Length; i += 2)
            actual.AddRange(logits.Run([ids.AsSpan(positions[i] * length, length).ToArray()])[0].AsSpan(positions[i + 1] * vocab, vocab));
        checks.MaxRelative("logits", first.Floats("logits"), actual.ToArray(), OpCase.Allowed(deviation));
    }

    private static void CompareTokenLosses(Trainer trainer, GoldenTensors first, int rows, int length, Checks checks)
    {
        // The last row of a sequence predicts nothing.
        float[] losses = trainer.TokenLosses.ToArray();
        float[] actual = [.. Enumerable.Range(0, rows).SelectMany(r => losses[(r * length)..(((r + 1) * length) - 1)])];
        checks.MaxRelative("token_losses", first.Floats("token_losses"), actual, OpCase.LeastTolerance);
    }

    private static void CompareGradients(Trainer trainer, GoldenTensors golden, int valid, JsonElement deviations, Checks checks)
    {
        checks.Same("names of gradients", [.. golden.Names], [.. trainer.Model.WeightNames.Order(StringComparer.Ordinal)]);
        foreach (string name in golden.Names)
        {
            float[] actual = trainer.Gradient(name) ?? throw new TandemException($"{name} has no gradient");
            double allowed = OpCase.Allowed(deviations.GetProperty(name).GetProperty("max_rel").GetDouble());
            checks.MaxRelative($"gradient of {name}", golden.Floats(name), [.. actual.Select(g => (float)(g / (double)valid))], allowed);
        }
    }

    private static void CompareWeights(Model model, GoldenTensors golden, int step, JsonElement deviations, Checks checks)
    {
        if (!deviations.TryGetProperty($"params_step{step}_share_of_elements_off_by_more_than", out JsonElement shares)) return;
        var differences = new List<double>();
        foreach (string name in golden.Names)
        {
            float[] expected = golden.Floats(name), actual = model.Get(name);
            (int from, int to) = KeySlice(deviations, name, expected.Length);
            for (int i = 0; i < expected.Length; i++)
                if (i < from || i >= to) differences.Add(Math.Abs((double)expected[i] - actual[i]));
        }

        foreach (JsonProperty share in shares.EnumerateObject())
        {
            double bound = double.Parse(share.Name, CultureInfo.InvariantCulture);
            double off = differences.Count(d => !(d <= bound)) / (double)differences.Count;
            checks.Within($"share of weights off by more than {share.Name} after step {step}", off, Math.Max(3 * share.Value.GetDouble(), 1e-4));
        }
    }

    private static void CompareLastWeights(Model model, JsonElement summaries, JsonElement deviations, Checks checks)
    {
        // Key biases are noise; elsewhere single elements may be off, but hardly the norm.
        foreach (JsonProperty entry in summaries.EnumerateObject())
        {
            float[] weight = model.Get(entry.Name);
            (int from, int to) = KeySlice(deviations, entry.Name, weight.Length);
            double norm = Math.Sqrt(weight.Sum(w => (double)w * w));
            if (from == to) checks.Relative($"norm of {entry.Name} after the last step", entry.Value.GetProperty("l2").GetDouble(), norm, LastLossTolerance);
        }
    }

    // The key part of a fused bias of queries, keys and values; empty for every other tensor.
    private static (int From, int To) KeySlice(JsonElement deviations, string name, int length) =>
        deviations.TryGetProperty("key_bias_slice", out JsonElement slices) && slices.TryGetProperty(name, out _) ? (length / 3, 2 * length / 3) : (0, 0);

    private static void CompareSummary(string what, JsonElement summary, double[] actual, double allowed, Checks checks)
    {
        double largest = summary.GetProperty("max_abs").GetDouble();
        checks.Relative($"{what}: largest", largest, actual.Max(Math.Abs), allowed);
        checks.Relative($"{what}: norm", summary.GetProperty("l2").GetDouble(), Math.Sqrt(actual.Sum(g => g * g)), allowed);
        double first = summary.GetProperty("first4").EnumerateArray().Select((e, i) => Math.Abs(e.GetDouble() - actual[i])).Max();
        checks.Within($"{what}: first elements", first / largest, allowed);
        checks.Within($"{what}: sum", Math.Abs(summary.GetProperty("sum").GetDouble() - actual.Sum()) / (largest * actual.Length), allowed);
    }
}
