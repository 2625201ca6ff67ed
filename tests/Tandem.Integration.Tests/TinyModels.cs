using Tandem.Models;

namespace Tandem.Integration.Tests;

/// <summary>The reference model of the invariants: 2 layers, hidden 64, 8 heads with 2 key/value heads, vocabulary 251.</summary>
internal static class TinyModels
{
    public static ModelConfig Llama(bool tied = false, int positions = 64) => new()
    {
        ModelType = "llama",
        Activation = HiddenActivation.Silu,
        LayerWindows = [0, 0],
        Rope = new RopeConfig { MaxPositions = positions },
        VocabSize = 251,
        HiddenSize = 64,
        NumLayers = 2,
        NumHeads = 8,
        NumKvHeads = 2,
        HeadDim = 8,
        IntermediateSize = 96,
        MaxPositions = positions,
        NormEps = 1e-5,
        TieWordEmbeddings = tied,
    };

    /// <summary>LayerNorm, biases, GELU, learned positions, a tied head.</summary>
    public static ModelConfig Gpt2(int positions = 64, double dropout = 0) => new()
    {
        ModelType = "gpt2",
        Activation = HiddenActivation.GeluTanh,
        LayerWindows = [0, 0],
        VocabSize = 251,
        HiddenSize = 56,
        NumLayers = 2,
        NumHeads = 7,
        NumKvHeads = 7,
        HeadDim = 8,
        IntermediateSize = 90,
        MaxPositions = positions,
        NormEps = 1e-5,
        TieWordEmbeddings = true,
        EmbeddingDropout = dropout,
        ResidualDropout = dropout,
    };

    /// <summary>A model of the invariants by name.</summary>
    public static ModelConfig Named(string name, int positions = 64) => name switch
    {
        "llama" => Llama(positions: positions),
        "llama_tied" => Llama(tied: true, positions),
        "gpt2" => Gpt2(positions),
        "gpt2_dropout" => Gpt2(positions, 0.15),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such model"),
    };

    public static Model Initialized(ModelConfig config, ulong seed = 1)
    {
        var model = new Model(config);
        model.Initialize(seed, 0.15);
        return model;
    }

    /// <summary>Token ids that are a function of the seed.</summary>
    public static int[] Tokens(int count, int seed, int vocabulary = 251)
    {
        PhiloxStream stream = Philox.Stream((ulong)seed, "tokens");
        return [.. Enumerable.Range(0, count).Select(i => (int)(stream.UInt32((ulong)i) % (uint)vocabulary))];
    }

    /// <summary>Labels of a document: the next token, and none after the last.</summary>
    public static int[] NextTokens(ReadOnlySpan<int> tokens) => [.. tokens[1..], -100];
}
