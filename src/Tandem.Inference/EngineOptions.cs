using Tandem.Graph;

namespace Tandem.Inference;

/// <summary>Sizes of an engine.</summary>
public sealed record EngineOptions
{
    /// <summary>Rows of a step at the most.</summary>
    public int MaxRows { get; init; } = 256;

    /// <summary>Sequences of a step at the most.</summary>
    public int MaxSequences { get; init; } = 64;

    /// <summary>Rows of one prompt in one step at the most.</summary>
    public int PrefillChunk { get; init; } = 256;

    /// <summary>Longest sequence, prompt included; 0 is the model's own limit.</summary>
    public int MaxLength { get; init; }

    /// <summary>
    /// Tokens that the key/value cache can hold; 0 is four sequences of the longest kind, or fewer where the machine has no memory for them. Memory is committed as blocks are used.
    /// </summary>
    public int CacheTokens { get; init; }

    /// <summary>Type of keys and values: f32, f16, bf16, q8_0 (8 bits, 1.06 bytes an element) or q4_1 (4 bits, 0.63 bytes).</summary>
    public DType CacheType { get; init; } = DType.F32;

    /// <summary>Type of the keys; null is <see cref="CacheType"/>.</summary>
    public DType? CacheTypeK { get; init; }

    /// <summary>Type of the values; null is <see cref="CacheType"/>.</summary>
    public DType? CacheTypeV { get; init; }

    /// <summary>Types of keys and values.</summary>
    public KvTypes CacheTypes => new(CacheTypeK ?? CacheType, CacheTypeV ?? CacheType);

    /// <summary>Whether rows are quantized to 8 bits for integer products with block-quantized weights; without it such products are exact, and much slower.</summary>
    public bool QuantizeRows { get; init; } = true;

    /// <summary>Fusions; they change no bit.</summary>
    public Graph.Passes.Fusions Fusions { get; init; } = Graph.Passes.Fusions.All;

    /// <summary>Tokens that end a text; null takes those of the model's config.</summary>
    public IReadOnlyList<int>? EosTokenIds { get; init; }

    /// <summary>The memory that weights, activations and cache must fit in.</summary>
    public MachineMemory Machine { get; init; } = MachineMemory.Own;

    /// <summary>Refuses values outside their range, all at once.</summary>
    /// <exception cref="TandemException">A value is out of range.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        if (MaxRows < 1) problems.Add($"max_rows {MaxRows}, wanted 1 or more");
        if (MaxSequences < 1) problems.Add($"max_sequences {MaxSequences}, wanted 1 or more");
        if (PrefillChunk < 1) problems.Add($"prefill_chunk {PrefillChunk}, wanted 1 or more");
        if (MaxLength < 0) problems.Add($"max_length {MaxLength}, wanted 0 (the model's) or more");
        if (CacheTokens is < 0 or > int.MaxValue - BatchView.BlockTokens) problems.Add($"cache_tokens {CacheTokens}, wanted 0 (four of the longest sequences) or more");
        foreach ((string name, DType? type) in new[] { ("cache_type", CacheType), ("cache_type_k", CacheTypeK), ("cache_type_v", CacheTypeV) })
            if (type is { } t && !KvTypes.IsSupported(t)) problems.Add($"{name} {t.Name()}, wanted {KvTypes.SupportedNames}");
        if (problems.Count > 0) throw new TandemException("engine options: " + string.Join("; ", problems));
    }
}
