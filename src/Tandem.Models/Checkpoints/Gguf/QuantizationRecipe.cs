namespace Tandem.Models;

/// <summary>
/// Which tensor of a model gets which type. A recipe is called after the type that most matrices get; the mixed ones (Q4_K_M and others) give more bits to the matrices and
/// layers where errors cost most. They are those of llama.cpp, as measured: a file of a recipe has the same types from either program.
/// </summary>
public sealed class QuantizationRecipe
{
    private const DType None = DType.Q8_F;

    // What other matrices than the base get. None is the base; "Early" is the first eighth of the layers, "More" the first and last eighth and every third between.
    private static readonly QuantizationRecipe[] Mixed =
    [
        new("Q2_K", DType.Q2_K, 10) { Value = DType.Q3_K, SharedValue = DType.Q4_K, Output = DType.Q3_K, Down = DType.Q3_K, WidensExperts = true },
        new("Q3_K_S", DType.Q3_K, 11) { WidensExperts = true },
        new("Q3_K_M", DType.Q3_K, 12) { Value = DType.Q4_K, FirstValue = (2, DType.Q5_K), Output = DType.Q4_K, Down = DType.Q4_K, SixteenthDown = DType.Q5_K, Fused = DType.Q4_K, WidensExperts = true },
        new("Q3_K_L", DType.Q3_K, 13) { Value = DType.Q5_K, Output = DType.Q5_K, Down = DType.Q5_K, Fused = DType.Q4_K, KeepsExpertOutput = true },
        new("Q4_K_S", DType.Q4_K, 14) { FirstValue = (4, DType.Q5_K), EarlyDown = DType.Q5_K, WidensExperts = true },
        new("Q4_K_M", DType.Q4_K, 15) { MoreValue = DType.Q6_K, MoreDown = DType.Q6_K, Fused = DType.Q5_K, WidensExperts = true },
        new("Q5_K_S", DType.Q5_K, 16),
        new("Q5_K_M", DType.Q5_K, 17) { MoreValue = DType.Q6_K, MoreDown = DType.Q6_K, Fused = DType.Q6_K },
        new("IQ4_NL", DType.IQ4_NL, 25) { SharedValue = DType.Q5_K, EarlyDown = DType.Q5_K, WidensExperts = true },
        new("IQ3_S", DType.IQ3_S, 26) { SharedValue = DType.Q4_K, WidensExperts = true },
        new("IQ3_M", DType.IQ3_S, 27) { Value = DType.Q4_K, Output = DType.Q4_K, EarlyDown = DType.Q4_K, MoreExpertDown = DType.Q4_K, WidensExperts = true },
        new("IQ4_XS", DType.IQ4_XS, 30) { SharedValue = DType.Q5_K, EarlyDown = DType.Q5_K, WidensExperts = true },
        new("TQ1_0", DType.TQ1_0, 36) { Embedding = DType.Q4_K },
        new("TQ2_0", DType.TQ2_0, 37) { Embedding = DType.Q4_K },
    ];

    // One type for all matrices but the head; the number is that of general.file_type where there is one.
    private static readonly (DType Type, uint? FileType)[] Plain =
    [
        (DType.F32, 0), (DType.F16, 1), (DType.BF16, 32), (DType.Q4_0, 2), (DType.Q4_1, 3), (DType.Q5_0, 8), (DType.Q5_1, 9), (DType.Q8_0, 7), (DType.Q6_K, 18),
        (DType.IQ2_XXS, 19), (DType.IQ2_XS, 20), (DType.IQ3_XXS, 23), (DType.IQ1_S, 24), (DType.IQ2_S, 28), (DType.IQ1_M, 31), (DType.MXFP4, null), (DType.NVFP4, null),
        (DType.Q1_0, null), (DType.Q2_0, null),
    ];

    private QuantizationRecipe(string name, DType type, uint? fileType)
    {
        Name = name;
        Base = type;
        FileType = fileType;
    }

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Plain.Select(p => p.Type.Name().ToUpperInvariant()), .. Mixed.Select(m => m.Name)];

    /// <summary>The name, for example Q4_K_M.</summary>
    public string Name { get; }

    /// <summary>The type that most matrices get.</summary>
    public DType Base { get; }

    /// <summary>The number of general.file_type; null if it has none.</summary>
    public uint? FileType { get; }

    private DType Value { get; init; } = None;

    private DType SharedValue { get; init; } = None;

    private (int Layers, DType Type) FirstValue { get; init; } = (0, None);

    private DType MoreValue { get; init; } = None;

    private DType Output { get; init; } = None;

    private DType Down { get; init; } = None;

    private DType SixteenthDown { get; init; } = None;

    private DType EarlyDown { get; init; } = None;

    private DType MoreDown { get; init; } = None;

    private DType MoreExpertDown { get; init; } = None;

    private DType Fused { get; init; } = None;

    private DType Embedding { get; init; } = None;

    private bool WidensExperts { get; init; }

    private bool KeepsExpertOutput { get; init; }

    private bool IsFloat => !Base.IsBlock();

    /// <summary>The recipe of a name, in either case.</summary>
    /// <exception cref="TandemException">There is none.</exception>
    public static QuantizationRecipe Get(string name)
    {
        if (Mixed.FirstOrDefault(m => string.Equals(m.Name, name, StringComparison.OrdinalIgnoreCase)) is { } mixed) return mixed;
        foreach ((DType type, uint? fileType) in Plain)
            if (string.Equals(type.Name(), name, StringComparison.OrdinalIgnoreCase)) return new QuantizationRecipe(type.Name().ToUpperInvariant(), type, fileType);
        string hint = Spelling.Nearest(name.ToUpperInvariant(), Names) is { } nearest ? $"did you mean {nearest}? " : "";
        throw new TandemException($"there is no type '{name}'; {hint}accepted: {string.Join(", ", Names)}");
    }

    /// <summary>
    /// The type of a tensor, or null for one that stays f32: a vector, a table of positions, a router. Rows that are no whole blocks of the wanted type get one with blocks of
    /// 32 and at least as many bits, or f16.
    /// </summary>
    /// <param name="tensor">The name in GGUF files.</param>
    /// <param name="shape">The sizes, outermost first.</param>
    /// <param name="traits">The model.</param>
    public DType? TypeOf(string tensor, Shape shape, ModelTraits traits)
    {
        string[] parts = tensor.Split('.');
        string module = parts.Length == 4 ? parts[2] : parts[0];
        int layer = parts.Length == 4 && int.TryParse(parts[1], out int block) ? block : 0;
        if (shape.Rank < 2 || parts[^1] != "weight" || module is "position_embd" or "ffn_gate_inp" || module.EndsWith("_norm", StringComparison.Ordinal)) return null;
        return Fit(IsFloat ? Base : Wanted(module, layer, traits), shape[-1]);
    }

    /// <summary>The type for rows of some elements: the wanted one, or the nearest whose blocks fit.</summary>
    public static DType Fit(DType type, long rowElements)
    {
        if (rowElements % type.BlockElements() == 0) return type;
        DType small = type switch
        {
            DType.TQ1_0 or DType.TQ2_0 => DType.Q4_0,
            DType.Q4_K => DType.Q5_0,
            DType.Q5_K => DType.Q5_1,
            DType.Q6_K => DType.Q8_0,
            _ => DType.IQ4_NL,
        };
        return rowElements % small.BlockElements() == 0 ? small : DType.F16;
    }

    private DType Wanted(string module, int layer, ModelTraits traits)
    {
        // The head's errors go straight into the logits.
        if (module == "output" || (module == "token_embd" && traits.IsTied)) return Base == DType.Q8_0 ? DType.Q8_0 : DType.Q6_K;
        bool hasExperts = traits.NumExperts == 8, isEarly = layer < traits.NumLayers / 8, isMore = UsesMoreBits(layer, traits.NumLayers);
        return module switch
        {
            "token_embd" => First(Embedding),

            // Small beside eight experts.
            "attn_k" or "attn_v" when hasExperts => DType.Q8_0,
            "attn_v" => First(
                layer < FirstValue.Layers ? FirstValue.Type : None, isMore ? MoreValue : None, traits.NumHeads >= 4 * traits.NumKvHeads ? SharedValue : None, Value),
            "attn_qkv" => First(Fused),
            "attn_output" when hasExperts => WidensExperts ? DType.Q5_K : KeepsExpertOutput ? Base : First(Output),
            "attn_output" => First(Output),
            "ffn_down" or "ffn_down_exps" => First(
                layer < traits.NumLayers / 16 ? SixteenthDown : None, isEarly ? EarlyDown : None, isMore ? MoreDown : None, isMore && hasExperts ? MoreExpertDown : None, Down),
            _ => Base,
        };
    }

    private DType First(params ReadOnlySpan<DType> types)
    {
        foreach (DType type in types)
            if (type != None) return type;
        return Base;
    }

    private static bool UsesMoreBits(int layer, int layers) => layer < layers / 8 || layer >= 7 * layers / 8 || (layer - (layers / 8)) % 3 == 2;
}
