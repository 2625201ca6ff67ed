using System.Text.Json;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Inference;
using Tandem.Models;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>
/// What transformers computes for tiny models of every family: logits, hidden states and greedy paths, from each spelling of the config.
/// </summary>
public sealed unsafe class GoldenTests : IDisposable
{
    private const string Current = "config.json";
    private const string Old = "config.v4.json";

    private static readonly string[] Cases =
    [
        "gpt2", "llama_plain", "llama_bias", "llama_rope_linear", "llama_rope_llama3", "llama_rope_yarn", "llama_rope_dynamic", "mistral_sliding",
        "qwen2", "qwen2_window", "qwen3",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-golden-").FullName;

    public static TheoryData<string, string> AllCases => [.. Cases.SelectMany(c => new[] { (c, Current), (c, Old) })];

    [Theory]
    [MemberData(nameof(AllCases))]
    public void Logits_and_hidden_states_are_those_of_transformers(string name, string spelling)
    {
        (string folder, JsonElement golden) = Open(name, spelling);
        using Model model = Model.Load(folder, ropeLength: 128);
        using var team = new ThreadTeam(2);
        using var runner = new Runner(model, team, HiddenStates(model.Config).Values);
        using SafetensorsFile tensors = SafetensorsFile.Open(Path.Combine(folder, "goldens.safetensors"));
        double tolerance = golden.GetProperty("tolerance_logits_abs").GetDouble();
        int[][] prompts = Prompts(golden);
        for (int i = 0; i < prompts.Length; i++)
        {
            runner.Run(prompts[i]);
            Near(tensors[$"logits.p{i}"], runner.Output(ModelGraphs.Logits), tolerance);
            if (i != 1) continue;
            double relative = Math.Max(1e-5, 10 * golden.GetProperty("float64_difference_hidden_relative").GetDouble());
            foreach ((string state, string node) in HiddenStates(model.Config))
            {
                StoredTensor expected = tensors["hidden.p1." + state];
                Near(expected, runner.Output(node), relative * Floats(expected).Max(MathF.Abs));
            }
        }
    }

    [Theory]
    [MemberData(nameof(AllCases))]
    public void The_engine_takes_the_greedy_paths_of_transformers(string name, string spelling)
    {
        (string folder, JsonElement golden) = Open(name, spelling);
        using Model model = Model.Load(folder, ropeLength: 128);
        using var team = new ThreadTeam(2);
        double tolerance = 2 * golden.GetProperty("tolerance_logits_abs").GetDouble();
        int[][] prompts = Prompts(golden);

        // The reference recomputes each prefix with the table of its own length, an engine's sequences keep theirs.
        (int Id, float LogProb)[][] paths = model.Config.Rope is { DependsOnLength: true }
            ? [.. prompts.Select(p => Recomputed(model, team, p))]
            : Generated(model, team, prompts);
        for (int i = 0; i < prompts.Length; i++)
        {
            JsonElement greedy = golden.GetProperty("greedy")[i];
            Assert.Equal(Numbers(greedy, "tokens").Select(x => (int)x), paths[i].Select(t => t.Id));
            double[] logProbs = Numbers(greedy, "logprobs");
            for (int j = 0; j < logProbs.Length; j++) Assert.Equal(logProbs[j], paths[i][j].LogProb, tolerance);
        }
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("qwen3")]
    [InlineData("llama_rope_dynamic")]
    public void A_model_that_was_loaded_and_saved_is_the_same_model(string name)
    {
        (string folder, _) = Open(name, Old);
        using Model model = Model.Load(folder);
        model.Save(Path.Combine(_folder, "saved"));
        using SafetensorsFile before = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors")), after = SafetensorsFile.Open(Path.Combine(_folder, "saved", "model.safetensors"));
        Assert.Equal(before.Tensors.Select(t => (t.Name, t.Shape.ToString())).Order(), after.Tensors.Select(t => (t.Name, t.Shape.ToString())).Order());
        Assert.All(before.Tensors, t => Assert.Equal(Floats(t), Floats(after[t.Name])));
        Assert.Equal(ModelConfig.Load(Path.Combine(folder, Current)).ToJson(), ModelConfig.Load(Path.Combine(_folder, "saved", Current)).ToJson());
    }

    [Fact]
    public void Gpt2_loads_without_its_prefix_and_with_mask_buffers()
    {
        (string folder, _) = Open("gpt2", Current);
        string bare = Path.Combine(_folder, "bare");
        using Model model = Model.Load(folder);
        using (SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors")))
        {
            var mask = new NativeBuffer(96 * 96 * sizeof(float));
            List<TensorSource> tensors = [.. file.Tensors.Select(t => TensorSource.FromMemory(t.Name["transformer.".Length..], DType.F32, t.Shape, t.Pointer))];
            for (int i = 0; i < 3; i++)
            {
                tensors.Add(TensorSource.FromMemory($"h.{i}.attn.bias", DType.F32, new Shape(1, 1, 96, 96), mask.Pointer));
                tensors.Add(TensorSource.FromMemory($"h.{i}.attn.masked_bias", DType.F32, default, mask.Pointer));
            }

            HfDirectoryWriter.Write(bare, File.ReadAllText(Path.Combine(folder, Current)), tensors);
            mask.Dispose();
        }

        using Model loaded = Model.Load(bare);
        Assert.All(model.WeightNames, n => Assert.Equal(model.Get(n), loaded.Get(n)));
    }

    [Fact]
    public void Gpt2_starts_with_smaller_projections_into_the_residual_stream()
    {
        (string folder, _) = Open("gpt2", Current);
        using var model = new Model(ModelConfig.Load(Path.Combine(folder, Current)));
        model.Initialize(seed: 3);
        double Deviation(string name)
        {
            float[] values = model.Get("transformer." + name);
            double mean = values.Average(x => (double)x);
            return Math.Sqrt(values.Average(x => (x - mean) * (x - mean)));
        }

        Assert.Equal(0.02, Deviation("h.0.mlp.c_fc.weight"), 0.001);
        Assert.Equal(0.02, Deviation("wte.weight"), 0.001);
        Assert.Equal(0.02 / Math.Sqrt(6), Deviation("h.2.mlp.c_proj.weight"), 0.0005);
        Assert.Equal(0.02 / Math.Sqrt(6), Deviation("h.1.attn.c_proj.weight"), 0.0005);
        Assert.All(model.Get("transformer.ln_f.weight"), x => Assert.Equal(1, x));
        Assert.All(model.Get("transformer.h.0.attn.c_attn.bias"), x => Assert.Equal(0, x));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // The golden's folder with one of its configs as config.json.
    private (string Folder, JsonElement Golden) Open(string name, string spelling)
    {
        string from = Path.Combine(AppContext.BaseDirectory, "goldens", "models", name), to = Path.Combine(_folder, name);
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        File.Copy(Path.Combine(from, spelling), Path.Combine(to, Current), overwrite: true);
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(from, "goldens.json")));
        return (to, golden.RootElement.Clone());
    }

    // Names of the goldens' hidden states and of the nodes that compute them.
    private static Dictionary<string, string> HiddenStates(ModelConfig config)
    {
        (string layers, string attention, string mlp, string final) = config.ModelType == "gpt2"
            ? ("transformer.h", "attn.c_proj", "mlp.c_proj", "transformer.ln_f")
            : ("model.layers", "self_attn.o_proj", "mlp.down_proj", "model.norm");
        var states = new Dictionary<string, string> { ["embed"] = "embed", ["final"] = final };
        for (int i = 0; i < config.NumLayers; i++)
        {
            states[$"layer.{i}.attn"] = $"{layers}.{i}.{attention}";
            states[$"layer.{i}.mlp"] = $"{layers}.{i}.{mlp}";
            states[$"layer.{i}.out"] = $"{layers}.{i}.mlp.residual";
        }

        return states;
    }

    private static (int Id, float LogProb)[][] Generated(Model model, ThreadTeam team, int[][] prompts)
    {
        using var engine = new Engine(model, team, new EngineOptions { PrefillChunk = 16 });
        Request[] requests = [.. prompts.Select(p => engine.Submit(p, new SamplingOptions { Temperature = 0, MaxTokens = 24, IgnoreEos = true }))];
        while (engine.Step())
        {
        }

        return [.. requests.Select(r => r.Generated.Select(t => (t.Id, t.LogProb)).ToArray())];
    }

    private static (int Id, float LogProb)[] Recomputed(Model model, ThreadTeam team, int[] prompt)
    {
        using var runner = new Runner(model, team, []);
        var path = new (int, float)[24];
        List<int> tokens = [.. prompt];
        for (int i = 0; i < path.Length; i++)
        {
            runner.Run([.. tokens]);
            ReadOnlySpan<float> last = runner.Output(ModelGraphs.Logits)[^model.Config.VocabSize..];
            int best = 0;
            for (int id = 1; id < last.Length; id++)
                if (last[id] > last[best]) best = id;
            path[i] = (best, LogProbs.Of(last, best));
            tokens.Add(best);
        }

        return path;
    }

    private static int[][] Prompts(JsonElement golden) => [.. golden.GetProperty("prompts").EnumerateArray().Select(p => Numbers(p, "ids").Select(x => (int)x).ToArray())];

    private static double[] Numbers(JsonElement element, string property) => [.. element.GetProperty(property).EnumerateArray().Select(t => t.GetDouble())];

    private static void Near(StoredTensor expected, ReadOnlySpan<float> actual, double tolerance)
    {
        float[] values = Floats(expected);
        Assert.Equal(values.Length, actual.Length);
        double worst = 0;
        for (int i = 0; i < values.Length; i++) worst = Math.Max(worst, Math.Abs((double)values[i] - actual[i]));
        Assert.True(worst <= tolerance, $"{expected.Name} is off by {worst}, allowed {tolerance}");
    }

    private static float[] Floats(StoredTensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        fixed (float* to = values) tensor.CopyTo(DType.F32, to);
        return values;
    }

    /// <summary>Runs one sequence at a time among others, all logits wanted; a rope table that depends on the length is that of the sequence.</summary>
    private sealed class Runner : IDisposable
    {
        private const int Rows = 128;
        private readonly Model _model;
        private readonly Batch _batch = new(2 * Rows, 4, 16);
        private readonly CpuInstance _instance;
        private readonly NativeBuffer? _rope;
        private int _length;

        public Runner(Model model, ThreadTeam team, IEnumerable<string> expose)
        {
            _model = model;
            ModelGraph graph = ModelGraphs.Serve(model.Config, new KvPlacement(DType.F32, 8), new GraphOptions { WeightType = model.WeightType, Expose = [.. expose] });
            Plan plan = Plan.Compile(graph, new StepSizes(2 * Rows, Rows, 0, 4), CpuBackend.Instance, team.Workers);
            Dictionary<string, NativeBuffer> bindings = model.Bindings(_batch);
            if (model.Config.Rope is { DependsOnLength: true })
                bindings[DecoderInputs.RopeTable] = _rope = new NativeBuffer(bindings[DecoderInputs.RopeTable].Bytes);
            _instance = new CpuInstance(plan, team, bindings);
        }

        public void Run(int[] tokens)
        {
            _length = tokens.Length;
            if (_rope != null)
            {
                using RopeTable table = RopeTable.Build(_model.Config.Rope!, _model.Config.HeadDim, _model.Config.MaxPositions, _length);
                new Span<byte>(table.Cos, (int)_rope.Bytes).CopyTo(_rope.Span<byte>());
            }

            // Another sequence before it, so that rows are not positions.
            _batch.Clear();
            _batch.AddRows(TinyModels.Tokens(13, 1), 0, [4]);
            _batch.AddRows(tokens, 0, [2, 7, 0, 5]);
            for (int i = _length; i > 0; i--) _batch.Sample(i);
            _instance.Run(Stage.Forward, _batch.View, _batch.Sizes);
        }

        /// <summary>The rows of the sequence.</summary>
        public ReadOnlySpan<float> Output(string name)
        {
            TensorType type = _instance.Plan.Graph.Outputs[name].Type;
            int width = (int)type.Width, skipped = type.Rows == RowSymbol.Tokens ? 13 : 0;
            return new((float*)_instance.Output(name) + (skipped * width), _length * width);
        }

        public void Dispose()
        {
            _instance.Dispose();
            _batch.Dispose();
            _rope?.Dispose();
        }
    }
}
