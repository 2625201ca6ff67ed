using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Model descriptions: both spellings, defaults of the families, mistakes, and what fuzzing makes of them.</summary>
public class ModelConfigTests
{
    public static TheoryData<string> Supported => [.. CheckpointFiles.SupportedConfigs.Select(x => x.Name)];

    [Theory]
    [MemberData(nameof(Supported))]
    public void BothSpellingsMeanTheSameAndAreWrittenBack(string name)
    {
        var one = CheckpointFiles.Configs.GetProperty(name);
        var config = ModelConfig.Parse(one.GetProperty("config").GetRawText());
        var old = ModelConfig.Parse(one.GetProperty("config_v4").GetRawText());
        Assert.Equal(config.ToJson(), old.ToJson());
        Assert.Equal(config.ToJson(), ModelConfig.Parse(config.ToJson()).ToJson());
        Assert.Equal(one.GetProperty("config").GetProperty("vocab_size").GetInt32(), config.VocabSize);
        Assert.Equal(3, config.NumLayers);
        Assert.Equal(3, config.LayerWindows.Count);
        Assert.Equal(1e-3, config.NormEps);
        Assert.Equal([2], config.EosTokenIds);
        Assert.Equal(1, config.BosTokenId);
        GenerationConfig.Parse(one.GetProperty("generation_config").GetRawText());
    }

    [Fact]
    public void TheGoldensAreAllOfTheSupportedFamilies()
    {
        Assert.Equal(11, Supported.Count);
        foreach (var one in CheckpointFiles.Configs.EnumerateObject().Except(CheckpointFiles.SupportedConfigs))
        {
            var type = one.Value.GetProperty("config").GetProperty("model_type").GetString();
            var e = Assert.Throws<TandemException>(() => ModelConfig.Parse(one.Value.GetProperty("config").GetRawText(), one.Name));
            Assert.Equal($"{one.Name}: model_type '{type}' is not supported; accepted: gpt2, llama, mistral, qwen2, qwen3", e.Message);
        }
    }

    [Fact]
    public void ValuesOfEachFamily()
    {
        var gpt2 = Config("gpt2");
        Assert.Equal((48, 192, 4, 4, 12, 96), (gpt2.HiddenSize, gpt2.IntermediateSize, gpt2.NumHeads, gpt2.NumKvHeads, gpt2.HeadDim, gpt2.MaxPositions));
        Assert.True(gpt2 is { QkvBias: true, OutputBias: true, MlpBias: true, TieWordEmbeddings: true, Rope: null, Activation: HiddenActivation.GeluTanh });

        var llama = Config("llama_bias");
        Assert.Equal((52, 76, 4, 1, 20, 4), (llama.HiddenSize, llama.IntermediateSize, llama.NumHeads, llama.NumKvHeads, llama.HeadDim, llama.GroupSize));
        Assert.True(llama is { QkvBias: true, OutputBias: true, MlpBias: true, TieWordEmbeddings: false, Activation: HiddenActivation.Silu, PadTokenId: 0 });
        Assert.Equal(DType.BF16, Config("llama_rope_llama3").StoredDType);

        Assert.Equal([8, 8, 8], Config("mistral_sliding").LayerWindows);
        Assert.True(Config("mistral_sliding") is { QkvBias: false, OutputBias: false });
        Assert.Equal([0, 8, 8], Config("qwen2_window").LayerWindows);
        Assert.Equal([0, 0, 0], Config("qwen2").LayerWindows);
        Assert.True(Config("qwen2") is { QkvBias: true, OutputBias: false, TieWordEmbeddings: true, HeadDim: 12 });
        Assert.True(Config("qwen3") is { QkvBias: false, OutputBias: false, HeadDim: 20 });
    }

    [Fact]
    public void SilentConfigsGetTheFamilysDefaults()
    {
        const string sizes = "\"vocab_size\":100,\"hidden_size\":256,\"intermediate_size\":8,\"num_hidden_layers\":30,\"num_attention_heads\":32}";
        var llama = ModelConfig.Parse("{\"model_type\":\"llama\"," + sizes);
        Assert.True(llama is { NumKvHeads: 32, HeadDim: 8, MaxPositions: 2048, NormEps: 1e-6, TieWordEmbeddings: false, QkvBias: false, BosTokenId: null });
        Assert.Equal((RopeKind.Default, 10000.0), (llama.Rope!.Kind, llama.Rope.Theta));
        var mistral = ModelConfig.Parse("{\"model_type\":\"mistral\"," + sizes);
        Assert.True(mistral.NumKvHeads == 8 && mistral.LayerWindows.All(x => x == 4096));
        var qwen3 = ModelConfig.Parse("{\"model_type\":\"qwen3\"," + sizes);
        Assert.True(qwen3.HeadDim == 128 && qwen3.LayerWindows.All(x => x == 0));
        var qwen2 = ModelConfig.Parse("{\"model_type\":\"qwen2\",\"use_sliding_window\":true,\"head_dim\":null,\"sliding_window\":16," + sizes);
        Assert.Equal([.. new int[28], 16, 16], qwen2.LayerWindows);
        var gpt2 = ModelConfig.Parse("""{"model_type":"gpt2","vocab_size":9,"n_embd":8,"n_layer":1,"n_head":2}""");
        Assert.True(gpt2 is { MaxPositions: 1024, NormEps: 1e-5, TieWordEmbeddings: true, IntermediateSize: 32 });
    }

    [Fact]
    public void TokensMayBeOneManyOrNone()
    {
        Assert.Equal([5, 7], With("eos_token_id", "[5,7]").EosTokenIds);
        Assert.Equal([5], With("eos_token_id", "5").EosTokenIds);
        Assert.Empty(With("eos_token_id", "null").EosTokenIds);
        Assert.Null(With("pad_token_id", "-1").PadTokenId);
        Assert.Equal([5, 7], ModelConfig.Parse(With("eos_token_id", "[5,7]").ToJson()).EosTokenIds);
    }

    [Theory]
    [InlineData("hidden_size", "0", "hidden_size: 0; accepted: a whole number from 1 to 16777216")]
    [InlineData("hidden_size", "-4", "hidden_size: -4")]
    [InlineData("vocab_size", "99999999999999999999", "vocab_size: 99999999999999999999")]
    [InlineData("vocab_size", "1.5", "vocab_size: 1.5")]
    [InlineData("vocab_size", "\"many\"", "vocab_size: \"many\"")]
    [InlineData("vocab_size", "null", "vocab_size is missing")]
    [InlineData("num_hidden_layers", "20000", "num_hidden_layers: 20000; accepted: a whole number from 1 to 10000")]
    [InlineData("num_key_value_heads", "3", "num_attention_heads: 4 is not a multiple of num_key_value_heads, 3")]
    [InlineData("num_attention_heads", "[4]", "num_attention_heads: a list")]
    [InlineData("head_dim", "5", "5 rotary dimensions; accepted: even")]
    [InlineData("rms_norm_eps", "0", "rms_norm_eps: 0")]
    [InlineData("rms_norm_eps", "1e999", "rms_norm_eps: 1e999")]
    [InlineData("hidden_act", "\"mish\"", "accepted: silu, swish, gelu_new")]
    [InlineData("tie_word_embeddings", "1", "tie_word_embeddings: 1; accepted: true or false")]
    [InlineData("eos_token_id", "[1,-2]", "eos_token_id[1]: -2")]
    [InlineData("dtype", "\"int4\"", "dtype: \"int4\"; accepted: float32, bfloat16, float16")]
    [InlineData("quantization_config", "{\"quant_method\":\"gptq\"}", "'gptq'")]
    [InlineData("layer_types", "[\"full_attention\"]", "layer_types has 1 entries; accepted: 3")]
    [InlineData("layer_types", "[\"full_attention\",\"odd\",\"sliding_attention\"]", "layer_types[1]: 'odd'")]
    [InlineData("rope_scaling", "{\"type\":\"mrope\"}", "rope_scaling.type: \"mrope\"; accepted: default, linear, dynamic, llama3, yarn, longrope, su")]
    [InlineData("rope_scaling", "{\"type\":\"linear\"}", "rope_scaling.factor is missing")]
    [InlineData("rope_scaling", "{\"type\":\"linear\",\"factor\":0.5}", "rope_scaling.factor: 0.5")]
    [InlineData("rope_scaling", "{\"type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4}", "original_max_position_embeddings is missing")]
    [InlineData("rope_scaling", "{\"type\":\"longrope\",\"factor\":8,\"short_factor\":[1,2]}", "short_factor: 2 numbers; accepted: 6")]
    [InlineData("rope_theta", "-1", "rope_theta: -1")]
    [InlineData("partial_rotary_factor", "2", "partial_rotary_factor: 2")]
    [InlineData("max_position_embeddings", "0", "max_position_embeddings: 0")]
    public void MistakesNameKeyValueAndRange(string key, string value, string expected)
    {
        var e = Assert.Throws<TandemException>(() => With(key, value));
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.StartsWith("config.json: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AllMistakesAreReportedAtOnce()
    {
        var e = Assert.Throws<TandemException>(() => ModelConfig.Parse(
            """{"model_type":"llama","vocab_size":0,"hidden_size":-1,"num_hidden_layers":"x","num_attention_heads":4,"rms_norm_eps":true}"""));
        foreach (var key in new[] { "vocab_size: 0", "hidden_size: -1", "num_hidden_layers: \"x\"", "intermediate_size is missing", "rms_norm_eps: true" })
            Assert.Contains(key, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("""{"model_type":5}""")]
    [InlineData("""{"model_type":"\ud800"}""")]
    [InlineData("""{"model_type":"llama","model_type":"gpt2"}""")]
    public void WhatIsNoConfigIsRefused(string json) =>
        Assert.Contains("here", Assert.Throws<TandemException>(() => ModelConfig.Parse(json, "here")).Message, StringComparison.Ordinal);

    [Fact]
    public void Gpt2VariantsThatComputeOtherwiseAreRefused()
    {
        var json = JsonNode.Parse(CheckpointFiles.Configs.GetProperty("gpt2").GetProperty("config").GetRawText())!;
        json["scale_attn_by_inverse_layer_idx"] = true;
        json["n_head"] = 5;
        var e = Assert.Throws<TandemException>(() => ModelConfig.Parse(json.ToJsonString()));
        Assert.Contains("scale_attn_by_inverse_layer_idx: true; accepted: false", e.Message, StringComparison.Ordinal);
        Assert.Contains("n_embd: 48 is not a multiple of n_head, 5", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MutatedConfigsAreReadOrRefusedNeverAnythingElse()
    {
        var seeds = CheckpointFiles.Configs.EnumerateObject()
            .SelectMany(x => new[] { x.Value.GetProperty("config"), x.Value.GetProperty("config_v4") })
            .Select(x => x.GetRawText())
            .ToList();
        var random = new Random(77);
        string[] values =
            ["0", "-1", "1e308", "-1e308", "1e999", "2147483648", "9223372036854775808", "0.5", "null", "true", "\"x\"", "[]", "{}", "[1,2]", "[[[[]]]]", "\"\\ud800\"", "16777216",
                "\"llama\"", "\"yarn\"", "\"longrope\"", "{\"rope_type\":\"yarn\",\"factor\":4}", "{\"type\":\"dynamic\",\"factor\":1e6}"];
        var accepted = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var text = seeds[i % seeds.Count];
            if (i % 4 == 3)
            {
                var bytes = Encoding.UTF8.GetBytes(text);
                for (var n = random.Next(1, 4); n > 0; n--)
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                accepted += Try(bytes) ? 1 : 0;
                continue;
            }

            var root = JsonNode.Parse(text)!.AsObject();
            if (random.Next(3) != 0)
                root["model_type"] = ModelFamilies.All[random.Next(ModelFamilies.All.Count)].ModelType;
            for (var n = random.Next(1, 4); n > 0; n--)
            {
                var target = root["rope_parameters"] is JsonObject { Count: > 0 } nested && random.Next(3) == 0 ? nested : root;
                var key = target.ElementAt(random.Next(target.Count)).Key;
                target.Remove(key);
                target[key] = null;
                var value = values[random.Next(values.Length)];
                text = target.Root.ToJsonString().Replace($"\"{key}\":null", $"\"{key}\":{value}", StringComparison.Ordinal);
                if (value.Contains("ud800", StringComparison.Ordinal))
                    break;
                root = JsonNode.Parse(text)!.AsObject();
            }

            accepted += Try(Encoding.UTF8.GetBytes(text)) ? 1 : 0;
        }

        Assert.InRange(accepted, 500, 19_000);
    }

    private static bool Try(byte[] json)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var config = ModelConfig.Parse(json);
            Assert.Equal(config.ToJson(), ModelConfig.Parse(config.ToJson()).ToJson());
            if (config.Rope is not null && config.HeadDim <= 1024)
            {
                var (frequencies, multiplier) = RopeFrequencies.Compute(config.Rope, config.HeadDim, 1 << 20);
                Assert.All(frequencies, f => Assert.True(double.IsFinite(f)));
                Assert.True(double.IsFinite(multiplier));
            }

            return true;
        }
        catch (TandemException e)
        {
            Assert.StartsWith("config.json", e.Message, StringComparison.Ordinal);
            return false;
        }
        finally
        {
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4_000_000);
        }
    }

    private static ModelConfig Config(string name) => ModelConfig.Parse(CheckpointFiles.Configs.GetProperty(name).GetProperty("config").GetRawText());

    private static ModelConfig With(string key, string value)
    {
        const string base_ = """
            "model_type":"llama","vocab_size":100,"hidden_size":48,"intermediate_size":64,"num_hidden_layers":3,"num_attention_heads":4
            """;
        var parts = base_.Trim().Split(',').Where(x => !x.StartsWith($"\"{key}\"", StringComparison.Ordinal));
        return ModelConfig.Parse("{" + string.Join(",", parts) + $",\"{key}\":{value}}}");
    }
}
