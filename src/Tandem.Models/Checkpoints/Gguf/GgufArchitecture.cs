namespace Tandem.Models;

/// <summary>A number of the config, as GGUF files and Hugging Face directories call it.</summary>
/// <param name="HuggingFace">The key in config.json.</param>
/// <param name="Gguf">The key in the metadata, without the architecture before it.</param>
/// <param name="Most">The largest value that is accepted.</param>
/// <param name="Get">The value of a config.</param>
/// <param name="IsOptional">Whether files may lack it.</param>
internal sealed record GgufKey(string HuggingFace, string Gguf, int Most, Func<ModelConfig, int> Get, bool IsOptional = false);

/// <summary>
/// How an architecture of GGUF files maps to families of Hugging Face's: keys of the config, names of the tensors, order of rows. An architecture is added by a row of the
/// list at the end, and by the tables it does not share with another.
/// </summary>
internal sealed class GgufArchitecture
{
    /// <summary>The tensor with the divisors of rope frequencies, which is no weight.</summary>
    public const string RopeFactors = "rope_freqs.weight";

    /// <summary>The key of the sliding window, which makes a file of Llama one of Mistral.</summary>
    public const string WindowKey = "attention.sliding_window";

    private const string Mistral = "mistral";

    // Names without "blk.N." and ".weight" / ".bias"; the rest of the name stays.
    private static readonly Dictionary<string, string> DecoderNames = new()
    {
        ["token_embd"] = "model.embed_tokens",
        ["output"] = "lm_head",
        ["output_norm"] = "model.norm",
        ["attn_norm"] = "input_layernorm",
        ["attn_q"] = "self_attn.q_proj",
        ["attn_k"] = "self_attn.k_proj",
        ["attn_v"] = "self_attn.v_proj",
        ["attn_output"] = "self_attn.o_proj",
        ["attn_q_norm"] = "self_attn.q_norm",
        ["attn_k_norm"] = "self_attn.k_norm",
        ["ffn_norm"] = "post_attention_layernorm",
        ["ffn_gate"] = "mlp.gate_proj",
        ["ffn_up"] = "mlp.up_proj",
        ["ffn_down"] = "mlp.down_proj",
    };

    private static readonly Dictionary<string, string> Gpt2Names = new()
    {
        ["token_embd"] = "transformer.wte",
        ["position_embd"] = "transformer.wpe",
        ["output"] = "lm_head",
        ["output_norm"] = "transformer.ln_f",
        ["attn_norm"] = "ln_1",
        ["attn_qkv"] = "attn.c_attn",
        ["attn_output"] = "attn.c_proj",
        ["ffn_norm"] = "ln_2",
        ["ffn_up"] = "mlp.c_fc",
        ["ffn_down"] = "mlp.c_proj",
    };

    private static readonly GgufKey[] DecoderKeys =
    [
        new("max_position_embeddings", "context_length", ModelConfig.MaxMaxPositions, c => c.Rope is { DependsOnLength: true } rope ? rope.MaxPositions : c.MaxPositions),
        new("hidden_size", "embedding_length", ModelConfig.MaxSize, c => c.HiddenSize),
        new("num_hidden_layers", "block_count", ModelConfig.MaxLayers, c => c.NumLayers),
        new("intermediate_size", "feed_forward_length", ModelConfig.MaxSize, c => c.IntermediateSize),
        new("num_attention_heads", "attention.head_count", ModelConfig.MaxHeads, c => c.NumHeads),
        new("num_key_value_heads", "attention.head_count_kv", ModelConfig.MaxHeads, c => c.NumKvHeads, IsOptional: true),
        new("head_dim", "attention.key_length", ModelConfig.MaxHeads, c => c.HeadDim, IsOptional: true),
    ];

    private static readonly GgufKey[] Gpt2Keys =
    [
        new("n_positions", "context_length", ModelConfig.MaxMaxPositions, c => c.MaxPositions),
        new("n_embd", "embedding_length", ModelConfig.MaxSize, c => c.HiddenSize),
        new("n_layer", "block_count", ModelConfig.MaxLayers, c => c.NumLayers),
        new("n_inner", "feed_forward_length", ModelConfig.MaxSize, c => c.IntermediateSize),
        new("n_head", "attention.head_count", ModelConfig.MaxHeads, c => c.NumHeads),
    ];

    // Rows of queries and keys that files of Llama have in another order: their rope turns neighbours.
    private static readonly GgufArchitecture[] All =
    [
        new("llama") { Names = DecoderNames, Keys = DecoderKeys, PermutesHeads = true },
        new("qwen2") { Names = DecoderNames, Keys = DecoderKeys },
        new("qwen3") { Names = DecoderNames, Keys = DecoderKeys },
        new("gpt2")
        {
            Names = Gpt2Names,
            Keys = Gpt2Keys,
            BlockPrefix = "transformer.h",
            Epsilon = ("layer_norm_epsilon", "attention.layer_norm_epsilon"),
            HasRope = false,

            // Projections, which the family's checkpoints store [in, out] and these files [out, in], as all others.
            Transposed = ["attn_qkv", "attn_output", "ffn_up", "ffn_down"],
        },
    ];

    private GgufArchitecture(string name) => Name = name;

    /// <summary>general.architecture.</summary>
    public string Name { get; }

    /// <summary>Whole numbers of the config.</summary>
    public required IReadOnlyList<GgufKey> Keys { get; init; }

    /// <summary>Key of the norms' constant, in config.json and in the metadata.</summary>
    public (string HuggingFace, string Gguf) Epsilon { get; private init; } = ("rms_norm_eps", "attention.layer_norm_rms_epsilon");

    /// <summary>Whether positions are rotary.</summary>
    public bool HasRope { get; private init; } = true;

    private IReadOnlyDictionary<string, string> Names { get; init; } = DecoderNames;

    private string BlockPrefix { get; init; } = "model.layers";

    private bool PermutesHeads { get; init; }

    private IReadOnlyList<string> Transposed { get; init; } = [];

    /// <summary>The architecture of a file.</summary>
    /// <exception cref="TandemException">It is not supported.</exception>
    public static GgufArchitecture Get(GgufFile file)
    {
        GgufArchitecture found = All.FirstOrDefault(a => a.Name == file.Architecture)
            ?? throw new TandemException($"'{file.Path}': general.architecture {CheckpointException.Quote(file.Architecture)} is not supported; accepted: {string.Join(", ", All.Select(a => a.Name))}");
        string experts = found.Key("expert_count");
        if (file.Metadata.ContainsKey(experts) && file.Int(experts) is > 0 and var count)
            throw new TandemException($"'{file.Path}': {experts} is {count}; mixtures of experts (mixtral) are not supported; accepted: 0, or no such key");
        return found;
    }

    /// <summary>The architecture that a family's files have.</summary>
    /// <exception cref="TandemException">There is none.</exception>
    public static GgufArchitecture For(ModelConfig config) => All.FirstOrDefault(a => a.Name == (config.ModelType == Mistral ? "llama" : config.ModelType))
        ?? throw new TandemException($"model_type '{config.ModelType}' has no place in GGUF files; accepted: {string.Join(", ", All.Select(a => a.Name))}, {Mistral}");

    /// <summary>model_type of a file's family.</summary>
    public string ModelType(GgufFile file) => Name == "llama" && file.Metadata.ContainsKey(Key(WindowKey)) ? Mistral : Name;

    /// <summary>A key with the architecture before it.</summary>
    public string Key(string name) => $"{Name}.{name}";

    /// <summary>The name that a tensor has in the family's checkpoints; its own where the table has none.</summary>
    public string HuggingFaceName(string name)
    {
        (int? block, string module, string leaf) = Split(name);
        if (!Names.TryGetValue(module, out string? found)) return name;
        return block == null ? $"{found}.{leaf}" : $"{BlockPrefix}.{block}.{found}.{leaf}";
    }

    /// <summary>The name that a tensor of the family's checkpoints has in files.</summary>
    /// <exception cref="TandemException">It has none.</exception>
    public string GgufName(string name)
    {
        int dot = name.LastIndexOf('.');
        string module = name[..Math.Max(0, dot)], leaf = name[(dot + 1)..], block = "";
        if (module.StartsWith(BlockPrefix + ".", StringComparison.Ordinal))
        {
            string inside = module[(BlockPrefix.Length + 1)..];
            int end = inside.IndexOf('.', StringComparison.Ordinal);
            block = $"blk.{inside[..end]}.";
            module = inside[(end + 1)..];
        }

        return Names.FirstOrDefault(n => n.Value == module).Key is { } found
            ? $"{block}{found}.{leaf}"
            : throw new TandemException($"tensor {CheckpointException.Quote(name)} has no name in GGUF files of {Name}");
    }

    /// <summary>How a tensor of a file is stored, against the family's checkpoints: row (head, half, pair) of the family is row (head, pair, half) of files of Llama.</summary>
    public StoredOrder OrderInFile(string name, long rows, ModelConfig config) =>
        new(Permutes(name, rows, config) ? [.. Enumerable.Range(0, (int)rows).Select(row => Permuted(row, config.HeadDim))] : null, IsTransposed(name));

    /// <summary>The row of the family's checkpoint that each row of a file holds; null is the same.</summary>
    public int[]? RowsForFile(string name, long rows, ModelConfig config)
    {
        if (!Permutes(name, rows, config)) return null;
        var order = new int[rows];
        for (int row = 0; row < rows; row++) order[Permuted(row, config.HeadDim)] = row;
        return order;
    }

    /// <summary>Whether files hold a tensor the other way round than the family's checkpoints.</summary>
    public bool IsTransposed(string name) => Split(name) is (not null, var module, "weight") && Transposed.Contains(module);

    private bool Permutes(string name, long rows, ModelConfig config) => PermutesHeads && Split(name).Module is "attn_q" or "attn_k" && rows % config.HeadDim == 0;

    private static int Permuted(int row, int size) => (row / size * size) + (row % size % (size / 2) * 2) + (row % size / (size / 2));

    // "blk.3.attn_q.weight" is block 3, module attn_q, leaf weight.
    private static (int? Block, string Module, string Leaf) Split(string name)
    {
        string[] parts = name.Split('.');
        if (parts.Length == 2) return (null, parts[0], parts[1]);
        return parts.Length == 4 && parts[0] == "blk" && int.TryParse(parts[1], out int block) ? (block, parts[2], parts[3]) : (null, "", name);
    }
}
