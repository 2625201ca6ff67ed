using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Generation defaults: values, lists of end tokens, mistakes.</summary>
public class GenerationConfigTests
{
    [Fact]
    public void ReadsAndWritesBack()
    {
        const string json = """
            {"bos_token_id":128000,"do_sample":true,"eos_token_id":[128001,128008,128009],"temperature":0.6,"top_p":0.9,"top_k":50,"transformers_version":"4.42.3",
             "max_length":4096,"repetition_penalty":1.05,"min_p":0.1,"max_new_tokens":256,"pad_token_id":null}
            """;
        var config = GenerationConfig.Parse(json);
        Assert.Equal([128001, 128008, 128009], config.EosTokenIds);
        Assert.True(config is { BosTokenId: 128000, DoSample: true, Temperature: 0.6, TopP: 0.9, TopK: 50, MaxLength: 4096, RepetitionPenalty: 1.05, MinP: 0.1, MaxNewTokens: 256 });
        Assert.Null(config.PadTokenId);
        var again = GenerationConfig.Parse(config.ToJson());
        Assert.Equal(config.EosTokenIds, again.EosTokenIds);
        Assert.Equal(config with { EosTokenIds = [] }, again with { EosTokenIds = [] });
    }

    [Fact]
    public void SilenceIsNull()
    {
        var config = GenerationConfig.Parse("{}");
        Assert.Empty(config.EosTokenIds);
        Assert.True(config is { DoSample: null, Temperature: null, TopK: null, MaxLength: null, BosTokenId: null });
    }

    [Fact]
    public void MistakesAreListed()
    {
        var e = Assert.Throws<TandemException>(() => GenerationConfig.Parse("""{"temperature":-1,"top_p":1.5,"eos_token_id":"x","do_sample":3}"""));
        foreach (var part in new[] { "4 mistakes", "temperature: -1; accepted: a number from 0 to 1000", "top_p: 1.5", "eos_token_id: \"x\"", "do_sample: 3" })
            Assert.Contains(part, e.Message, StringComparison.Ordinal);
        Assert.Throws<TandemException>(() => GenerationConfig.Parse("[]"));
    }
}
