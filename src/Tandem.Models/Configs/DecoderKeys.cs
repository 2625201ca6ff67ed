using System.Text.Json;

namespace Tandem.Models;

/// <summary>What a family assumes where its config.json is silent.</summary>
/// <param name="MaxPositions">The longest context.</param>
/// <param name="KvHeads">Key/value heads; null is as many as heads.</param>
/// <param name="HeadDim">Size of a head; null is hidden / heads.</param>
/// <param name="RopeTheta">The base of the rope frequencies.</param>
internal readonly record struct DecoderDefaults(int MaxPositions, int? KvHeads = null, int? HeadDim = null, double RopeTheta = 10000);

/// <summary>The keys of config.json that most decoders share: a family reads and writes these and adds its own.</summary>
internal static class DecoderKeys
{
    private static readonly (string Name, HiddenActivation Value)[] Activations =
    [
        ("silu", HiddenActivation.Silu), ("swish", HiddenActivation.Silu), ("gelu_new", HiddenActivation.GeluTanh),
        ("gelu_pytorch_tanh", HiddenActivation.GeluTanh), ("gelu_fast", HiddenActivation.GeluTanh), ("gelu", HiddenActivation.Gelu),
        ("relu", HiddenActivation.Relu), ("relu2", HiddenActivation.Relu2),
    ];

    /// <summary>Sizes, norm, activation and rope; no biases and no windows.</summary>
    public static ModelConfig Read(ConfigReader reader, string modelType, DecoderDefaults defaults)
    {
        int hidden = reader.Int("hidden_size", 1, ModelConfig.MaxSize);
        int heads = reader.Int("num_attention_heads", 1, ModelConfig.MaxHeads);
        int layers = reader.Int("num_hidden_layers", 1, ModelConfig.MaxLayers);

        // A null is the library's "as many as heads"; only an absent key is the family's default.
        int kvHeads = reader.Int("num_key_value_heads", 1, ModelConfig.MaxHeads, reader.Has("num_key_value_heads") ? heads : defaults.KvHeads ?? heads);
        RequireDivisible(reader, "num_attention_heads", heads, "num_key_value_heads", kvHeads);
        int? given = reader.OptionalInt("head_dim", 1, ModelConfig.MaxHeads) ?? (reader.Has("head_dim") ? null : defaults.HeadDim);
        if (given is null) RequireDivisible(reader, "hidden_size", hidden, "num_attention_heads", heads);
        int headDim = given ?? Math.Max(1, hidden / heads);
        if ((long)heads * headDim > ModelConfig.MaxSize)
            reader.Conflict($"num_attention_heads {heads} times head_dim {headDim} is {(long)heads * headDim}; accepted: up to {ModelConfig.MaxSize}");
        int maxPositions = reader.Int("max_position_embeddings", 1, ModelConfig.MaxMaxPositions, defaults.MaxPositions);
        return new()
        {
            ModelType = modelType,
            VocabSize = reader.Int("vocab_size", 1, ModelConfig.MaxSize),
            HiddenSize = hidden,
            IntermediateSize = reader.Int("intermediate_size", 1, ModelConfig.MaxSize),
            NumLayers = layers,
            NumHeads = heads,
            NumKvHeads = kvHeads,
            HeadDim = headDim,
            MaxPositions = maxPositions,
            NormEps = reader.Number("rms_norm_eps", 1e-30, 1, 1e-6),
            Activation = ReadActivation(reader, "hidden_act", HiddenActivation.Silu),
            TieWordEmbeddings = reader.Bool("tie_word_embeddings", false),
            LayerWindows = new int[layers],
            Rope = RopeConfig.Read(reader, headDim, maxPositions, defaults.RopeTheta),
            AttentionDropout = ReadDropout(reader, "attention_dropout"),
        };
    }

    /// <summary>Writes what <see cref="Read"/> reads.</summary>
    public static void Write(Utf8JsonWriter json, ModelConfig c)
    {
        json.WriteNumber("hidden_size", c.HiddenSize);
        json.WriteNumber("intermediate_size", c.IntermediateSize);
        json.WriteNumber("num_hidden_layers", c.NumLayers);
        json.WriteNumber("num_attention_heads", c.NumHeads);
        json.WriteNumber("num_key_value_heads", c.NumKvHeads);
        json.WriteNumber("head_dim", c.HeadDim);

        // A model opened for longer texts keeps the length its rope scaling counts from.
        json.WriteNumber("max_position_embeddings", c.Rope is { DependsOnLength: true } rope ? rope.MaxPositions : c.MaxPositions);
        json.WriteNumber("rms_norm_eps", c.NormEps);
        json.WriteString("hidden_act", ActivationName(c));
        json.WriteNumber("attention_dropout", c.AttentionDropout);
        c.Rope?.Write(json);
    }

    /// <summary>A nonlinearity by its published name.</summary>
    public static HiddenActivation ReadActivation(ConfigReader reader, string key, HiddenActivation silent) => reader.Choice(key, Activations, silent);

    /// <summary>The name of the config's nonlinearity.</summary>
    public static string ActivationName(ModelConfig c) => Activations.First(x => x.Value == c.Activation).Name;

    /// <summary>A dropout rate. Silence is none: the library's own defaults would change runs that never asked for dropout.</summary>
    public static double ReadDropout(ConfigReader reader, string key) => reader.Number(key, 0, 0.999, 0);

    /// <summary>Notes a value that is no multiple of another.</summary>
    public static void RequireDivisible(ConfigReader reader, string key, int value, string divisorKey, int divisor)
    {
        if (value % divisor != 0)
            reader.Conflict($"{key}: {value} is not a multiple of {divisorKey}, {divisor}", key, divisorKey);
    }

    /// <summary>Notes a switch that asks for what the family's graph does not compute.</summary>
    public static void RequireValue(ConfigReader reader, string key, bool value)
    {
        if (reader.Bool(key, value) != value)
            reader.Mistake(key, value ? "true" : "false");
    }
}
