using Tandem.Conformance;
using Tandem.Cpu;
using Tandem.Integration.Tests;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>Models through GGUF files and back: the same weights, the same logits, and files that are refused by key.</summary>
public sealed class GgufModelTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-gguf-").FullName;
    private readonly ThreadTeam _team = new(2);

    private string Hf => Path.Combine(_folder, "hf");

    private string File1 => Path.Combine(_folder, "one.gguf");

    private string File2 => Path.Combine(_folder, "two.gguf");

    public void Dispose()
    {
        _team.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("llama_tied")]
    [InlineData("llama_bias")]
    [InlineData("llama3_rope")]
    [InlineData("linear_rope")]
    [InlineData("mistral")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("gpt2")]
    public void A_directory_survives_the_way_to_a_file_and_back(string name)
    {
        ModelConfig config = Named(name);
        using Model model = TinyModels.Initialized(config);
        Randomize(model);
        model.Save(Hf);
        ToFile(Hf, File1);
        using Model loaded = Model.Load(File1);
        AssertSame(model, loaded);
        Assert.Equal(config.LayerWindows, loaded.Config.LayerWindows);
        int[] tokens = TinyModels.Tokens(24, 3);
        AssertClose(Logits(model, tokens), Logits(loaded, tokens), name == "llama3_rope" ? 1e-4 : 0);

        string back = Path.Combine(_folder, "back");
        using (GgufModel file = GgufModel.Open(File1)) GgufToDirectory.Write(file, back, DType.F32, cancel: TestContext.Current.CancellationToken);
        using Model again = Model.Load(back);
        AssertSame(model, again);
        Assert.False(Directory.Exists(back + ".partial"));
        ToFile(back, File2);
        using GgufFile first = GgufFile.Open(File1), second = GgufFile.Open(File2);
        AssertSameTensors(first, second);
    }

    [Theory]
    [InlineData("gpt2", "Q8_0")]
    [InlineData("gpt2", "Q4_0")]
    [InlineData("gpt2", "Q4_1")]
    [InlineData("llama", "Q5_0")]
    [InlineData("qwen2", "IQ4_NL")]
    public void Quantized_weights_are_loaded_as_they_are(string name, string type)
    {
        using (Model model = TinyModels.Initialized(Named(name))) model.Save(Hf);
        using (GgufContent content = GgufContent.Open(Hf)) new Quantizer(content, QuantizationRecipe.Get(type)).Write(File1, cancel: TestContext.Current.CancellationToken);
        using Model quantized = Model.Load(File1, weightType: null), expanded = Model.Load(File1);
        Assert.Contains(quantized.WeightTypes.Values, t => t == DTypes.Find(type));
        int[] tokens = TinyModels.Tokens(24, 3);
        AssertClose(Logits(expanded, tokens), Logits(quantized, tokens), 1e-5);
    }

    [Fact]
    public void Vocabulary_template_and_token_ids_survive_too()
    {
        using (Model model = TinyModels.Initialized(TinyModels.Llama() with { VocabSize = 270, BosTokenId = 256, EosTokenIds = [257, 258] })) model.Save(Hf);
        var trainer = new BpeTrainer();
        trainer.Add(new StringReader("a cat and a cat and a hat 12 34"));
        Tokenizer tokenizer = trainer.Train(265, ["<s>", "</s>", "<end>"], 1);
        TokenizerJson.Save(tokenizer, Path.Combine(Hf, TokenizerJson.FileName));
        File.WriteAllText(Path.Combine(Hf, "chat_template.jinja"), "{{ messages }}");
        ToFile(Hf, File1);
        Assert.Equal(tokenizer.Encode("a cat 12\n"), TokenizerFiles.Load(File1).Encode("a cat 12\n"));

        string back = Path.Combine(_folder, "back");
        using (GgufModel file = GgufModel.Open(File1))
        {
            Assert.Equal([257, 258], file.Config.EosTokenIds);
            Assert.Null(GgufToDirectory.VocabularyProblem(file));
            GgufToDirectory.Write(file, back, DType.F32, cancel: TestContext.Current.CancellationToken);
        }

        Assert.Equal("{{ messages }}", File.ReadAllText(Path.Combine(back, "chat_template.jinja")));
        Assert.Equal(tokenizer.Encode("a cat 12\n<s>"), TokenizerFiles.Load(back).Encode("a cat 12\n<s>"));
        ToFile(back, File2);
        using GgufFile first = GgufFile.Open(File1), second = GgufFile.Open(File2);
        Assert.Equal(first.Strings("tokenizer.ggml.tokens"), second.Strings("tokenizer.ggml.tokens"));
        Assert.Equal(first.Strings("tokenizer.ggml.merges"), second.Strings("tokenizer.ggml.merges"));
        Assert.Equal("gpt-2", second.String("tokenizer.ggml.pre"));
    }

    [Theory]
    [InlineData("llama.block_count", null, "has no key llama.block_count")]
    [InlineData("llama.block_count", 2000000000L, "llama.block_count is 2000000000 (UInt32); accepted: a whole number from 1 to 10000")]
    [InlineData("llama.attention.head_count_kv", 3L, "llama.attention.head_count 8 is no multiple of llama.attention.head_count_kv 3")]
    [InlineData("llama.attention.layer_norm_rms_epsilon", 7L, "llama.attention.layer_norm_rms_epsilon is 7; accepted: a number from")]
    [InlineData("llama.attention.value_length", 16L, "llama.attention.value_length is 16; accepted: 8")]
    [InlineData("llama.rope.dimension_count", 64L, "llama.rope.dimension_count is 64 (UInt32); accepted: a whole number from 2 to 8")]
    [InlineData("llama.expert_count", 4L, "mixtures of experts (mixtral) are not supported")]
    public void Keys_that_are_missing_or_absurd_are_named(string key, long? value, string expected)
    {
        using (Model model = TinyModels.Initialized(TinyModels.Llama())) model.Save(Hf);
        using (GgufContent content = GgufContent.Open(Hf))
        {
            List<KeyValuePair<string, GgufValue>> metadata = [.. content.Metadata.Where(m => m.Key != key)];
            if (value is { } number) metadata.Add(new(key, GgufValue.Of((uint)number)));
            GgufWriter.Write(File1, metadata, [.. content.Tensors.Select(t => t.As(t.Type))], cancel: TestContext.Current.CancellationToken);
        }

        Assert.Contains(expected, Assert.ThrowsAny<TandemException>(() => GgufModel.Open(File1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_synthetic_model_is_loaded_and_served()
    {
        ModelConfig config = Named("llama_tied") with { VocabSize = 600 };
        SyntheticGguf.Write(File1, config, QuantizationRecipe.Get("Q4_0"), 1, cancel: TestContext.Current.CancellationToken);
        SyntheticGguf.Write(File2, config, QuantizationRecipe.Get("Q4_0"), 1, cancel: TestContext.Current.CancellationToken);
        Assert.Equal(File.ReadAllBytes(File1)[200..], File.ReadAllBytes(File2)[200..]);
        using Model model = Model.Load(File1, weightType: null);
        Assert.All(Logits(model, TinyModels.Tokens(8, 1)), l => Assert.True(float.IsFinite(l)));
        using GgufFile file = GgufFile.Open(File1);
        IReadOnlyList<string> tokens = file.Strings("tokenizer.ggml.tokens"), merges = file.Strings("tokenizer.ggml.merges");
        Assert.Equal(600, tokens.Distinct().Count());
        Assert.Equal(600 - 257, merges.Count);
        Assert.Equal(tokens.Skip(256).SkipLast(1), merges.Select(m => m.Replace(" ", "", StringComparison.Ordinal)));
        TandemException small = Assert.Throws<TandemException>(() => SyntheticGguf.Write(File1, config with { VocabSize = 100 }, QuantizationRecipe.Get("Q4_0"), 1, cancel: TestContext.Current.CancellationToken));
        Assert.Contains("a vocabulary of 100 tokens; accepted: 257 to", small.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Q4_0")]
    [InlineData("F16")]
    [InlineData("IQ3_S")]
    public void Nothing_is_read_from_the_file_after_loading(string type)
    {
        SyntheticGguf.Write(File1, Named("llama_tied") with { HiddenSize = 256, HeadDim = 32, IntermediateSize = 256, VocabSize = 600 }, QuantizationRecipe.Get(type), 1, cancel: TestContext.Current.CancellationToken);
        using Generator generator = Generator.Load(File1, 2);
        int[] Generate() => [.. generator.Generate("some text", new SamplingOptions { MaxTokens = 20, Temperature = 0, IgnoreEos = true }).Tokens.Select(t => t.Id)];
        int[] expected = Generate();
        byte[] bytes = File.ReadAllBytes(File1);
        using (FileStream file = File.OpenWrite(File1)) file.Write(new byte[bytes.Length]);
        Assert.Equal(expected, Generate());
        using (FileStream file = File.OpenWrite(File1)) file.SetLength(0);
        Assert.Equal(expected, Generate());
        File.Delete(File1);
        Assert.Equal(expected, Generate());
    }

    private static ModelConfig Named(string name)
    {
        ModelConfig llama = TinyModels.Llama();
        return name switch
        {
            "llama_bias" => llama with { QkvBias = true, OutputBias = true, MlpBias = true },
            "llama3_rope" => llama with { Rope = new RopeConfig { Kind = RopeKind.Llama3, MaxPositions = 64, OriginalMaxPositions = 16, Factor = 4 } },
            "linear_rope" => llama with { Rope = new RopeConfig { Kind = RopeKind.Linear, MaxPositions = 64, OriginalMaxPositions = 64, Factor = 2 } },
            "mistral" => llama with { ModelType = "mistral", LayerWindows = [7, 7] },
            "qwen2" => llama with { ModelType = "qwen2", QkvBias = true, TieWordEmbeddings = true },
            "qwen3" => llama with { ModelType = "qwen3", HeadDim = 16 },
            "gpt2" => TinyModels.Gpt2() with { HiddenSize = 64, NumHeads = 8, NumKvHeads = 8, IntermediateSize = 160 },
            _ => TinyModels.Named(name),
        };
    }

    // Biases and norms too, so that one in a wrong place is seen.
    private static void Randomize(Model model)
    {
        foreach (string name in model.WeightNames.Where(n => model.TypeOf(n).Dims.Length == 1))
        {
            float[] values = model.Get(name);
            Philox.Stream(5, name).FillNormal(values, 0, name.EndsWith(".bias", StringComparison.Ordinal) ? 0 : 1, 0.2f);
            model.Set(name, values);
        }
    }

    private static void ToFile(string folder, string path)
    {
        using GgufContent content = GgufContent.Open(folder);
        GgufWriter.Write(path, content.Metadata, [.. content.Tensors.Select(t => t.As(t.Type))]);
    }

    private static void AssertSame(Model expected, Model actual)
    {
        Assert.Equal(expected.WeightNames.Order(), actual.WeightNames.Order());
        foreach (string name in expected.WeightNames) Assert.True(expected.Get(name).AsSpan().SequenceEqual(actual.Get(name)), name);
    }

    private static unsafe void AssertSameTensors(GgufFile first, GgufFile second)
    {
        Assert.Equal(first.Tensors.Select(t => (t.Name, t.Type, t.Bytes)), second.Tensors.Select(t => (t.Name, t.Type, t.Bytes)));
        foreach (GgufTensor tensor in first.Tensors)
            Assert.True(new ReadOnlySpan<byte>(first.Data(tensor), (int)tensor.Bytes).SequenceEqual(new ReadOnlySpan<byte>(second.Data(second.Find(tensor.Name)!), (int)tensor.Bytes)), tensor.Name);
    }

    private float[] Logits(Model model, int[] tokens)
    {
        using var runner = new LogitsRunner(model, _team, tokens.Length, 1);
        return runner.Run([tokens])[0];
    }

    private static void AssertClose(float[] expected, float[] actual, double allowed)
    {
        double scale = expected.Max(e => Math.Abs((double)e)), worst = expected.Zip(actual, (e, a) => Math.Abs((double)e - a)).Max();
        Assert.InRange(worst, 0, allowed * scale);
    }
}
