using System.Text.Json;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Inference;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Independent implementations' results: PyTorch's training steps in f64, transformers' logits and greedy paths.</summary>
public sealed unsafe class GoldenTests
{
    private static string Folder(string kind, string name) => Path.Combine(AppContext.BaseDirectory, "goldens", kind, name);

    [Theory]
    [InlineData("llama_untied")]
    [InlineData("llama_tied")]
    public void Twenty_steps_follow_the_reference(string name)
    {
        string folder = Folder("training", name);
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        JsonElement hyper = expected.RootElement.GetProperty("hyper"), deviations = expected.RootElement.GetProperty("fp32_minus_fp64");
        double H(string key) => hyper.GetProperty(key).GetDouble();
        var schedule = new CosineSchedule(H("peak_lr"), H("min_lr"), (long)H("warmup_steps"), (long)H("total_steps"));
        using Model model = Model.Load(Path.Combine(folder, "hf"));
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions
        {
            MaxTokens = 256,
            MaxDocuments = 8,
            Optimizer = new AdamW(H("beta1"), H("beta2"), H("eps"), H("weight_decay")),
            MaxGradientNorm = H("clip"),
        });
        (int[] ids, long[] shape) = Ints(folder, "batch.safetensors", "input_ids");
        (int[] labels, _) = Ints(folder, "batch.safetensors", "labels");
        int rows = (int)shape[1], length = (int)shape[2];
        foreach (JsonElement step in expected.RootElement.GetProperty("steps_fp64").EnumerateArray())
        {
            int t = step.GetProperty("t").GetInt32();
            trainer.Batch.Clear();
            for (int r = 0; r < rows; r++)
            {
                int at = (((t - 1) * rows) + r) * length;
                trainer.Batch.AddDocument(ids.AsSpan(at, length), [.. labels.AsSpan(at + 1, length - 1), -100]);
            }

            trainer.Accumulate();
            if (t == 1) CompareGradients(trainer, folder, step.GetProperty("valid").GetInt32(), deviations.GetProperty("grads_step1_per_tensor"));
            Assert.Equal(step.GetProperty("lr").GetDouble(), schedule.At(t), 1e-12);
            StepResult result = trainer.Update(schedule.At(t));
            Assert.Equal(step.GetProperty("valid").GetInt64(), result.Valid);
            Relative(step.GetProperty("loss").GetDouble(), result.Loss, t == 20 ? 1e-5 : 2e-6, $"loss of step {t}");
            Relative(step.GetProperty("grad_norm").GetDouble(), result.GradientNorm, 2e-6, $"norm of step {t}");
            Relative(step.GetProperty("clip_coef").GetDouble(), result.ClipCoefficient, 2e-6, $"clip of step {t}");
            if (t is 1 or 20) CompareWeights(model, folder, t, deviations.GetProperty($"params_step{t}_share_of_elements_off_by_more_than"));
        }
    }

    [Theory]
    [InlineData("llama_plain")]
    [InlineData("llama_bias")]
    [InlineData("llama_rope_linear")]
    [InlineData("llama_rope_llama3")]
    [InlineData("llama_rope_yarn")]
    [InlineData("mistral_sliding")]
    [InlineData("qwen2")]
    [InlineData("qwen2_window")]
    [InlineData("qwen3")]
    public void Logits_and_greedy_paths_are_those_of_transformers(string name)
    {
        string folder = Folder("models", name);
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "goldens.json")));
        double tolerance = golden.RootElement.GetProperty("tolerance_logits_abs").GetDouble();
        using Model model = Model.Load(folder);
        Assert.Equal(model.Config.Rope, ModelConfig.Load(Path.Combine(folder, "config.v4.json")).Rope);
        Assert.Equal(model.Config.LayerWindows, ModelConfig.Load(Path.Combine(folder, "config.v4.json")).LayerWindows);
        using var team = new ThreadTeam(2);
        string[] prompts = ["p0", "p1", "p2"];
        int[][] ids = [.. golden.RootElement.GetProperty("prompts").EnumerateArray().Select(p => Numbers(p, "ids").Select(x => (int)x).ToArray())];
        CompareLogits(model, team, folder, prompts, ids, tolerance);

        using var engine = new Engine(model, team, new EngineOptions { PrefillChunk = 16 });
        Request[] requests = [.. ids.Select(p => engine.Submit(p, new SamplingOptions { Temperature = 0, MaxTokens = 24, IgnoreEos = true }))];
        while (engine.Step())
        {
        }

        for (int i = 0; i < prompts.Length; i++)
        {
            JsonElement greedy = golden.RootElement.GetProperty("greedy")[i];
            Assert.Equal(Numbers(greedy, "tokens").Select(x => (int)x), requests[i].Generated.Select(t => t.Id));
            double[] logProbs = Numbers(greedy, "logprobs");
            for (int j = 0; j < logProbs.Length; j++) Assert.Equal(logProbs[j], requests[i].Generated[j].LogProb, 2 * tolerance);
        }
    }

    private static double[] Numbers(JsonElement element, string property) => [.. element.GetProperty(property).EnumerateArray().Select(t => t.GetDouble())];

    private static void CompareLogits(Model model, ThreadTeam team, string folder, string[] prompts, int[][] ids, double tolerance)
    {
        var plan = Plan.Compile(ModelGraphs.Serve(model.Config, new KvPlacement(DType.F32, 8)), new StepSizes(128, 128, 0, 4), CpuBackend.Instance, team.Workers);
        using var batch = new Batch(128, 4, 16);
        using var instance = new CpuInstance(plan, team, model.Bindings(batch));
        int block = 0;
        foreach (int[] prompt in ids)
        {
            int blocks = (prompt.Length + 31) / 32;
            batch.AddRows(prompt, 0, [.. Enumerable.Range(block, blocks)]);
            block += blocks;
            for (int i = prompt.Length; i > 0; i--) batch.Sample(i);
        }

        instance.Run(Stage.Forward, batch.View, batch.Sizes);
        float* logits = (float*)instance.Output(ModelGraphs.Logits);
        using SafetensorsFile golden = SafetensorsFile.Open(Path.Combine(folder, "goldens.safetensors"));
        int row = 0;
        for (int p = 0; p < prompts.Length; p++)
        {
            float[] expected = Floats(golden[$"logits.{prompts[p]}"]);
            double worst = 0;
            for (int i = 0; i < expected.Length; i++) worst = Math.Max(worst, Math.Abs(expected[i] - logits[((long)row * model.Config.VocabSize) + i]));
            Assert.True(worst <= tolerance, $"logits of {prompts[p]} are off by {worst}, allowed {tolerance}");
            row += ids[p].Length;
        }
    }

    private static void CompareGradients(Trainer trainer, string folder, int valid, JsonElement deviations)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "grads_step1.safetensors"));
        foreach (StoredTensor tensor in file.Tensors)
        {
            float[] expected = Floats(tensor), actual = trainer.Gradient(tensor.Name)!;
            double scale = expected.Max(MathF.Abs), worst = 0;
            for (int i = 0; i < expected.Length; i++) worst = Math.Max(worst, Math.Abs((actual[i] / (double)valid) - expected[i]) / scale);
            double allowed = Math.Max(10 * deviations.GetProperty(tensor.Name).GetProperty("max_rel").GetDouble(), 2e-6);
            Assert.True(worst <= allowed, $"gradient of {tensor.Name} is off by {worst}, allowed {allowed}");
        }

        Assert.Equal(trainer.Model.WeightNames.Order(), file.Tensors.Select(t => t.Name).Order());
    }

    private static void CompareWeights(Model model, string folder, int step, JsonElement shares)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, $"params_step{step}.safetensors"));
        var differences = new List<double>();
        foreach (StoredTensor tensor in file.Tensors)
            differences.AddRange(Floats(tensor).Zip(model.Get(tensor.Name), (a, b) => Math.Abs((double)a - b)));
        foreach (JsonProperty share in shares.EnumerateObject())
        {
            double bound = double.Parse(share.Name, System.Globalization.CultureInfo.InvariantCulture);
            double actual = differences.Count(d => d > bound) / (double)differences.Count;
            Assert.True(actual <= Math.Max(3 * share.Value.GetDouble(), 1e-4), $"step {step}: {actual} of the weights are off by more than {bound}");
        }
    }

    private static void Relative(double expected, double actual, double tolerance, string what) =>
        Assert.True(Math.Abs(actual - expected) <= tolerance * Math.Abs(expected), $"{what} is {actual}, expected {expected}");

    private static float[] Floats(StoredTensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        fixed (float* to = values) tensor.CopyTo(DType.F32, to);
        return values;
    }

    private static (int[] Values, long[] Shape) Ints(string folder, string file, string name)
    {
        using SafetensorsFile opened = SafetensorsFile.Open(Path.Combine(folder, file));
        StoredTensor tensor = opened[name];
        return (new Span<int>(tensor.Pointer, (int)tensor.Shape.Count).ToArray(), tensor.Shape.Dims.ToArray());
    }
}
