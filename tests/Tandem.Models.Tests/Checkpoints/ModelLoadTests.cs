using System.Text.Json.Nodes;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Whole models read from and written to folders: element types, shards, prefixes, and what malformed folders give.</summary>
public sealed class ModelLoadTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("mistral")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void EveryFamilyIsReadAsItWasWritten(string family)
    {
        using Model model = Initialized(Config(family));
        model.Save(_files.At("m"));
        using Model loaded = Model.Load(_files.At("m"));
        Assert.Equal(model.WeightNames, loaded.WeightNames);
        Assert.All(model.WeightNames, n => Assert.Equal(model.Get(n), loaded.Get(n)));
        Assert.Equal((model.Config with { StoredDType = DType.F32 }).ToJson(), loaded.Config.ToJson());
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    public void WeightsAreSavedInTheTypeAskedForAndKeptInTheTypeStored(DType type)
    {
        using Model model = Initialized(Config("llama"));
        model.Save(_files.At("m"), type);
        float Rounded(float x) => type switch { DType.BF16 => BFloat16.FromSingle(x), DType.F16 => (float)(Half)x, _ => x };
        Assert.Equal(type, ModelConfig.Load(_files.At("m/config.json")).StoredDType);
        using (HfDirectory directory = HfDirectory.Open(_files.At("m")))
            Assert.All(directory.Tensors.All, t => Assert.Equal(type, t.Type.ToDType()));

        using Model wide = Model.Load(_files.At("m")), stored = Model.Load(_files.At("m"), weightType: null), half = Model.Load(_files.At("m"), weightType: DType.BF16);
        Assert.Equal((DType.F32, type, DType.BF16), (wide.WeightType, stored.WeightType, half.WeightType));
        foreach (string name in model.WeightNames)
        {
            float[] expected = [.. model.Get(name).Select(Rounded)];
            Assert.Equal(expected, wide.Get(name));
            Assert.Equal(expected, stored.Get(name));
            Assert.Equal(stored.TypeOf(name).Dims.Length == 1 ? DType.F32 : type, stored.TypeOf(name).DType);
            if (half.TypeOf(name).Dims.Length > 1) Assert.Equal(expected.Select(x => (float)BFloat16.FromSingle(x)), half.Get(name));
        }

        // The default is the type that the config names.
        stored.Save(_files.At("again"));
        Assert.Equal(File.ReadAllBytes(_files.At("m/model.safetensors")), File.ReadAllBytes(_files.At("again/model.safetensors")));
    }

    [Fact]
    public void OtherTypesToSaveInAreRefused()
    {
        using Model model = Initialized(Config("llama"));
        TandemException e = Assert.Throws<TandemException>(() => model.Save(_files.At("m"), DType.I8));
        Assert.Contains("accepted: f32, bf16, f16", e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_files.At("m")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TensorsOfManyPiecesAndShardsAreWhole(bool transposed)
    {
        // 1000 x 517: more than one piece to load and to write, no multiple of 16 columns.
        ModelConfig config = Config(transposed ? "gpt2" : "llama") with { VocabSize = 1000, HiddenSize = 512, HeadDim = 256, IntermediateSize = 517 };
        using Model model = Initialized(config);
        model.Save(_files.At("one"));
        using Model one = Model.Load(_files.At("one"));
        Assert.All(model.WeightNames, n => Assert.True(model.Buffer(n).Span<byte>().SequenceEqual(one.Buffer(n).Span<byte>()), n));

        using HfDirectory directory = HfDirectory.Open(_files.At("one"));
        unsafe
        {
            HfDirectoryWriter.Write(
                _files.At("many"), config.ToJson(), [.. directory.Tensors.All.Select(t => TensorSource.FromMemory(t.Name, DType.F32, t.Shape, t.Pointer))], maxShardBytes: 1 << 20);
        }

        Assert.True(File.Exists(_files.At("many/" + HfDirectory.IndexName)));
        using Model many = Model.Load(_files.At("many"));
        Assert.All(model.WeightNames, n => Assert.True(model.Buffer(n).Span<byte>().SequenceEqual(many.Buffer(n).Span<byte>()), n));
    }

    [Fact]
    public void AHeadThatIsStoredBesideATiedTableIsLeftOverAndAnotherTensorIsNot()
    {
        using Model model = Initialized(Config("llama") with { TieWordEmbeddings = true });
        Rewritten(model, "lm_head.weight");
        Model.Load(_files.At("m")).Dispose();
        Rewritten(model, "model.layers.0.self_attn.rotary_emb.inv_freq");
        Model.Load(_files.At("m")).Dispose();
        Rewritten(model, "score.weight");
        TandemException e = Assert.Throws<TandemException>(() => Model.Load(_files.At("m")));
        Assert.Contains("1 unexpected:\n  score.weight [3]", e.Message, StringComparison.Ordinal);

        void Rewritten(Model from, string also)
        {
            from.Save(_files.At("m"));
            using SafetensorsFile file = SafetensorsFile.Open(_files.At("m/model.safetensors"));
            unsafe
            {
                List<TensorSource> tensors = [.. file.Tensors.Select(t => TensorSource.FromMemory(t.Name, DType.F32, t.Shape, t.Pointer))];
                tensors.Add(new TensorSource(also, DType.F32, new Shape(3), (_, span) => span.Clear()));
                SafetensorsWriter.Write(_files.At("m/model.safetensors"), tensors);
            }
        }
    }

    [Theory]
    [InlineData("vocab_size", 16777216, "model.embed_tokens.weight: stored [19, 12], needed [16777216, 12]")]
    [InlineData("hidden_size", 16777216, "model.norm.weight: stored [12], needed [16777216]")]
    [InlineData("num_hidden_layers", 2, "missing:\n  model.layers.1.input_layernorm.weight [12]")]
    [InlineData("num_hidden_layers", 10000, "the config has 10,000 layers, and the checkpoint 12 tensors")]
    [InlineData("num_hidden_layers", 1000000, "num_hidden_layers: 1000000; accepted: a whole number from 1 to 10000")]
    [InlineData("num_attention_heads", -2, "num_attention_heads: -2; accepted: a whole number from 1 to 65536")]
    [InlineData("num_key_value_heads", 3, "num_attention_heads: 2 is not a multiple of num_key_value_heads, 3")]
    [InlineData("head_dim", 0, "head_dim: 0; accepted: a whole number from 1 to 65536")]
    [InlineData("intermediate_size", 14, "model.layers.0.mlp.up_proj.weight: stored [13, 12], needed [14, 12]")]
    public void SizesThatAreNotThoseOfTheFilesAreRefusedByName(string key, int value, string expected)
    {
        using Model model = Initialized(Config("llama"));
        model.Save(_files.At("m"));
        JsonObject json = JsonNode.Parse(File.ReadAllText(_files.At("m/config.json")))!.AsObject();
        json[key] = value;
        File.WriteAllText(_files.At("m/config.json"), json.ToJsonString());
        TandemException e = Assert.Throws<TandemException>(() => Model.Load(_files.At("m")));
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.Contains(_files.At("m"), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void HeadsTimesTheirSizeAreBounded()
    {
        TandemException e = Assert.Throws<TandemException>(() => ModelConfig.Parse(
            """{"model_type":"llama","vocab_size":9,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":65536,"head_dim":65536}"""));
        Assert.Contains("num_attention_heads 65536 times head_dim 65536 is 4294967296; accepted: up to 16777216", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Gpt2IsReadUnderEitherNameOfItsSizesAndWithItsDropout()
    {
        const string own = """{"model_type":"gpt2","vocab_size":9,"n_embd":8,"n_layer":3,"n_head":2,"n_positions":77,"resid_pdrop":0.1,"embd_pdrop":0.2,"attn_pdrop":0.3}""";
        const string common = """
            {"model_type":"gpt2","vocab_size":9,"hidden_size":8,"num_hidden_layers":3,"num_attention_heads":2,"max_position_embeddings":77,"resid_pdrop":0.1,
             "embd_pdrop":0.2,"attn_pdrop":0.3}
            """;
        ModelConfig config = ModelConfig.Parse(own);
        Assert.Equal(config.ToJson(), ModelConfig.Parse(common).ToJson());
        Assert.Equal(config.ToJson(), ModelConfig.Parse(config.ToJson()).ToJson());
        Assert.Equal((0.1, 0.2, 0.3, 77), (config.ResidualDropout, config.EmbeddingDropout, config.AttentionDropout, config.MaxPositions));
        Assert.Equal(0, ModelConfig.Parse(own.Replace("\"resid_pdrop\":0.1,", "", StringComparison.Ordinal)).ResidualDropout);
        TandemException e = Assert.Throws<TandemException>(() => ModelConfig.Parse(own.Replace("0.3", "1", StringComparison.Ordinal)));
        Assert.Contains("attn_pdrop: 1; accepted: a number from 0 to 0.999", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ARopeThatScalesWithTheLengthIsOpenedForAnyLengthAndSavedAsItWas()
    {
        ModelConfig config = Config("llama") with { Rope = new RopeConfig { Kind = RopeKind.Dynamic, Factor = 2, MaxPositions = 32, OriginalMaxPositions = 32 }, MaxPositions = 32 };
        using var model = new Model(config, ropeLength: 100);
        Assert.Equal(100, model.Config.MaxPositions);
        model.Save(_files.At("m"));
        Assert.Equal(32, ModelConfig.Load(_files.At("m/config.json")).MaxPositions);
        using var plain = new Model(Config("llama"), ropeLength: 100);
        Assert.Equal(64, plain.Config.MaxPositions);
    }

    [Fact]
    public void MutatedFoldersAreReadOrRefusedNeverAnythingElse()
    {
        using Model model = Initialized(Config("llama"));
        model.Save(_files.At("m"));
        using (HfDirectory directory = HfDirectory.Open(_files.At("m")))
        {
            unsafe
            {
                HfDirectoryWriter.Write(
                    _files.At("s"), model.Config.ToJson(), [.. directory.Tensors.All.Select(t => TensorSource.FromMemory(t.Name, DType.F32, t.Shape, t.Pointer))], maxShardBytes: 2000);
            }
        }

        (string Path, byte[] Bytes, int Header)[] targets =
        [
            .. new[] { "m/config.json", "m/model.safetensors", "s/config.json", "s/model.safetensors.index.json", "s/model-00001-of-00003.safetensors" }
                .Select(x => _files.At(x))
                .Select(x => (x, File.ReadAllBytes(x), x.EndsWith(".safetensors", StringComparison.Ordinal) ? (int)BitConverter.ToInt64(File.ReadAllBytes(x)) + 8 : int.MaxValue)),
        ];
        int accepted = 0, refused = 0;
        Gen<(int Kind, double At, byte Value, int Length)> mutation = Gen.Select(Gen.Int[0, 4], Gen.Double[0, 1], Gen.Byte, Gen.Int[1, 12]);
        Gen.Select(Gen.Int[0, targets.Length - 1], mutation.List[1, 3]).Sample(
            (target, mutations) =>
            {
                (string path, byte[] bytes, int header) = targets[target];
                List<byte> mutated = [.. bytes];
                foreach ((int kind, double at, byte value, int length) in mutations) Mutate(mutated, Math.Min(header, mutated.Count), kind, at, value, length);
                File.WriteAllBytes(path, [.. mutated]);
                try
                {
                    Model.Load(Path.GetDirectoryName(path)!).Dispose();
                    accepted++;
                }
                catch (TandemException)
                {
                    refused++;
                }
                finally
                {
                    File.WriteAllBytes(path, bytes);
                }
            },
            iter: 1000,
            threads: 1);
        Assert.InRange(accepted, 1, 900);
        Assert.InRange(refused, 100, 1000);
    }

    // Mostly within the header, where the structure is.
    private static void Mutate(List<byte> bytes, int header, int kind, double at, byte value, int length)
    {
        if (bytes.Count == 0) return;
        int place = Math.Min((int)(at * header), bytes.Count - 1);
        int count = Math.Min(length, bytes.Count - place);
        if (kind == 0) bytes[place] = value;
        else if (kind == 1) bytes[place] ^= (byte)(1 << (value & 7));
        else if (kind == 2) bytes.RemoveRange(place, count);
        else if (kind == 3) bytes.InsertRange(place, bytes.GetRange(place, count));
        else bytes[place] = (byte)('0' + (value % 10));
    }

    private static Model Initialized(ModelConfig config)
    {
        var model = new Model(config);
        model.Initialize(seed: 4, deviation: 0.3);
        return model;
    }

    private static ModelConfig Config(string family) => new()
    {
        ModelType = family,
        VocabSize = 19,
        HiddenSize = 12,
        IntermediateSize = 13,
        NumLayers = 1,
        NumHeads = 2,
        NumKvHeads = family == "gpt2" ? 2 : 1,
        HeadDim = 6,
        MaxPositions = 64,
        NormEps = 1e-5,
        Activation = family == "gpt2" ? HiddenActivation.GeluTanh : HiddenActivation.Silu,
        TieWordEmbeddings = family == "gpt2",
        QkvBias = family is "gpt2" or "qwen2",
        OutputBias = family == "gpt2",
        MlpBias = family == "gpt2",
        LayerWindows = [0],
        Rope = family == "gpt2" ? null : new RopeConfig { MaxPositions = 64, OriginalMaxPositions = 64 },
    };
}
