namespace Tandem.Models;

/// <summary>The metadata that a model's config becomes in a GGUF file.</summary>
public static class GgufMetadata
{
    /// <summary>Key of the recipe that the file's types follow.</summary>
    public const string FileTypeKey = "general.file_type";

    /// <summary>Key of the version of the block types.</summary>
    public const string QuantizationVersionKey = "general.quantization_version";

    /// <summary>The keys of a model, without those of its vocabulary.</summary>
    /// <param name="config">The model.</param>
    /// <param name="name">general.name.</param>
    /// <exception cref="TandemException">Files have no place for the family, or for something that the config asks for.</exception>
    public static List<KeyValuePair<string, GgufValue>> Of(ModelConfig config, string name)
    {
        ArgumentNullException.ThrowIfNull(config);
        GgufArchitecture architecture = GgufArchitecture.For(config);
        var keys = new List<KeyValuePair<string, GgufValue>>
        {
            new("general.architecture", GgufValue.Of(architecture.Name)),
            new("general.type", GgufValue.Of("model")),
            new("general.name", GgufValue.Of(name)),
        };
        foreach (GgufKey key in architecture.Keys) keys.Add(new(architecture.Key(key.Gguf), GgufValue.Of((uint)key.Get(config))));
        keys.Add(new(architecture.Key("vocab_size"), GgufValue.Of((uint)config.VocabSize)));
        keys.Add(new(architecture.Key(architecture.Epsilon.Gguf), GgufValue.Of((float)config.NormEps)));
        if (config.Rope is { } rope) AddRope(keys, architecture, config, rope);
        AddWindow(keys, architecture, config);
        HiddenActivation usual = architecture.HasRope ? HiddenActivation.Silu : HiddenActivation.GeluTanh;
        if (config.Activation != usual) throw new TandemException($"the nonlinearity {config.Activation} has no place in GGUF files of {architecture.Name}; accepted: {usual}");
        return keys;
    }

    /// <summary>The divisors of rope frequencies that files carry as a tensor, or null where the metadata say all.</summary>
    internal static float[]? RopeFactors(ModelConfig config)
    {
        if (config.Rope is not { Kind: RopeKind.Llama3 or RopeKind.LongRope } rope) return null;
        if (rope.Kind == RopeKind.LongRope) return [.. rope.ShortFactor.Select(f => (float)f)];
        (double[] scaled, _) = RopeFrequencies.Compute(rope, config.HeadDim, config.MaxPositions);
        (double[] plain, _) = RopeFrequencies.Compute(rope with { Kind = RopeKind.Default }, config.HeadDim, config.MaxPositions);
        return [.. plain.Zip(scaled, (p, s) => (float)(p / s))];
    }

    private static void AddRope(List<KeyValuePair<string, GgufValue>> keys, GgufArchitecture architecture, ModelConfig config, RopeConfig rope)
    {
        keys.Add(new(architecture.Key("attention.value_length"), GgufValue.Of((uint)config.HeadDim)));
        keys.Add(new(architecture.Key("rope.dimension_count"), GgufValue.Of((uint)rope.RotaryDim(config.HeadDim))));
        keys.Add(new(architecture.Key("rope.freq_base"), GgufValue.Of((float)rope.Theta)));
        switch (rope.Kind)
        {
            case RopeKind.Default or RopeKind.Llama3: break;
            case RopeKind.LongRope when rope.ShortFactor.SequenceEqual(rope.LongFactor) && rope.AttentionFactor == 1: break;
            case RopeKind.Linear:
            case RopeKind.Yarn when rope is { BetaFast: 32, BetaSlow: 1, Truncate: true, Mscale: null, MscaleAllDim: null, AttentionFactor: null }:
                keys.Add(new(architecture.Key("rope.scaling.type"), GgufValue.Of(rope.Kind == RopeKind.Yarn ? "yarn" : "linear")));
                keys.Add(new(architecture.Key("rope.scaling.factor"), GgufValue.Of((float)rope.Factor!.Value)));
                keys.Add(new(architecture.Key("rope.scaling.original_context_length"), GgufValue.Of((uint)rope.OriginalMaxPositions)));
                break;
            default:
                throw new TandemException($"rope scaling {rope.Kind} with the numbers of this config has no place in GGUF files; accepted: none, linear, llama3, yarn with its usual numbers, longrope with one list of factors");
        }
    }

    private static void AddWindow(List<KeyValuePair<string, GgufValue>> keys, GgufArchitecture architecture, ModelConfig config)
    {
        int window = config.LayerWindows.Max();
        if (window == 0) return;
        if (architecture.Name != "llama" || config.LayerWindows.Any(w => w != window))
            throw new TandemException($"sliding windows of {config.ModelType} have no place in GGUF files; accepted: none, or the same on all layers of mistral");
        keys.Add(new(architecture.Key(GgufArchitecture.WindowKey), GgufValue.Of((uint)window)));
    }
}
