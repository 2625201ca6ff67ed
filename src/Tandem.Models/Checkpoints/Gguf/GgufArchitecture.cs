using System.Text.Json;

namespace Tandem.Models;

/// <summary>How an architecture of GGUF files maps to a family of Hugging Face's: keys of the config, names of the tensors, order of rows.</summary>
internal sealed class GgufArchitecture
{
    /// <summary>The tensor with the divisors of rope frequencies, which is no weight.</summary>
    public const string RopeFactors = "rope_freqs.weight";

    // Names without "blk.N." and ".weight" / ".bias"; the rest of the name stays.
    private static readonly Dictionary<string, string> Names = new()
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

    // Rows of queries and keys that files of Llama have in another order: their rope turns neighbours.
    private static readonly GgufArchitecture[] All =
    [
        new("llama", "llama", permutesHeads: true),
        new("qwen2", "qwen2", permutesHeads: false),
        new("qwen3", "qwen3", permutesHeads: false),
    ];

    private readonly bool _permutesHeads;

    private GgufArchitecture(string name, string modelType, bool permutesHeads)
    {
        Name = name;
        ModelType = modelType;
        _permutesHeads = permutesHeads;
    }

    /// <summary>general.architecture.</summary>
    public string Name { get; }

    /// <summary>model_type of the family.</summary>
    public string ModelType { get; }

    /// <summary>The architecture of a file.</summary>
    /// <exception cref="TandemException">It is not supported.</exception>
    public static GgufArchitecture Get(GgufFile file) => All.FirstOrDefault(a => a.Name == file.Architecture)
        ?? throw new TandemException($"'{file.Path}': general.architecture {CheckpointException.Quote(file.Architecture)} is not supported; accepted: {string.Join(", ", All.Select(a => a.Name))}");

    /// <summary>The name that a tensor has in the family's checkpoints; its own where the table has none.</summary>
    public static string HuggingFaceName(string name)
    {
        string[] parts = name.Split('.');
        int at = parts.Length == 4 && parts[0] == "blk" ? 2 : 0;
        if (parts.Length != at + 2 || !Names.TryGetValue(parts[at], out string? module)) return name;
        return at == 0 ? $"{module}.{parts[1]}" : $"model.layers.{parts[1]}.{module}.{parts[3]}";
    }

    /// <summary>Where the rows of a tensor are stored, or null for those in order: row (head, half, pair) of the family is row (head, pair, half) of the file.</summary>
    public int[]? RowOrder(string name, long rows, ModelConfig config)
    {
        if (!_permutesHeads || !(name.Contains(".attn_q.", StringComparison.Ordinal) || name.Contains(".attn_k.", StringComparison.Ordinal)) || rows % config.HeadDim != 0) return null;
        int size = config.HeadDim, half = size / 2;
        return [.. Enumerable.Range(0, (int)rows).Select(row => (row / size * size) + (row % size % half * 2) + (row % size / half))];
    }

    /// <summary>The config as the family's config.json would say it.</summary>
    /// <exception cref="GgufException">A key is missing or of the wrong type.</exception>
    public byte[] ConfigJson(GgufFile file)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("model_type", ModelType);
            Whole(json, file, "hidden_size", "embedding_length");
            Whole(json, file, "intermediate_size", "feed_forward_length");
            Whole(json, file, "num_hidden_layers", "block_count");
            Whole(json, file, "num_attention_heads", "attention.head_count");
            Whole(json, file, "num_key_value_heads", "attention.head_count_kv", optional: true);
            Whole(json, file, "head_dim", "attention.key_length", optional: true);
            Whole(json, file, "max_position_embeddings", "context_length");
            json.WriteNumber("rms_norm_eps", file.Number(Key("attention.layer_norm_rms_epsilon")));
            json.WriteNumber("vocab_size", VocabSize(file));
            json.WriteBoolean("tie_word_embeddings", file.Find("output.weight") == null);
            WriteTokenIds(json, file);
            WriteRope(json, file);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private string Key(string name) => $"{Name}.{name}";

    private void Whole(Utf8JsonWriter json, GgufFile file, string name, string key, bool optional = false)
    {
        if (!optional || file.Metadata.ContainsKey(Key(key))) json.WriteNumber(name, file.Int(Key(key)));
    }

    // The embedding's rows count: some files carry a vocabulary that is padded or not listed.
    private static long VocabSize(GgufFile file)
    {
        GgufTensor table = file.Find("token_embd.weight") ?? throw new GgufException(GgufError.MissingKey, $"'{file.Path}' has no tensor token_embd.weight");
        return table.Dims.Count == 2 ? table.Dims[1] : throw new GgufException(GgufError.BadValue, $"'{file.Path}': token_embd.weight has {table.Dims.Count} dimensions; accepted: 2");
    }

    private static void WriteTokenIds(Utf8JsonWriter json, GgufFile file)
    {
        if (file.Metadata.ContainsKey("tokenizer.ggml.bos_token_id")) json.WriteNumber("bos_token_id", file.Int("tokenizer.ggml.bos_token_id"));
        if (file.Metadata.ContainsKey("tokenizer.ggml.padding_token_id")) json.WriteNumber("pad_token_id", file.Int("tokenizer.ggml.padding_token_id"));
        json.WriteStartArray("eos_token_id");
        long[] ids = [.. ((string[])["eos", "eot", "eom"]).Select(n => $"tokenizer.ggml.{n}_token_id").Where(file.Metadata.ContainsKey).Select(k => file.Int(k)).Distinct()];
        foreach (long id in ids) json.WriteNumberValue(id);
        json.WriteEndArray();
    }

    private void WriteRope(Utf8JsonWriter json, GgufFile file)
    {
        json.WriteStartObject("rope_parameters");
        json.WriteNumber("rope_theta", file.Metadata.ContainsKey(Key("rope.freq_base")) ? file.Number(Key("rope.freq_base")) : 10000);
        long headDim = file.Metadata.ContainsKey(Key("attention.key_length")) ? file.Int(Key("attention.key_length")) : file.Int(Key("embedding_length")) / Math.Max(1, file.Int(Key("attention.head_count")));
        if (file.Metadata.ContainsKey(Key("rope.dimension_count")) && file.Int(Key("rope.dimension_count")) is var rotary && rotary != headDim && headDim > 0)
            json.WriteNumber("partial_rotary_factor", (double)rotary / headDim);
        string scaling = file.Metadata.ContainsKey(Key("rope.scaling.type")) ? file.String(Key("rope.scaling.type")) : "none";
        if (file.Find(RopeFactors) is { } factors)
        {
            // Divisors of each frequency, at every length: as longrope has them, with both tables the same.
            double[] values = file.Floats(factors);
            json.WriteString("rope_type", "longrope");
            json.WriteNumber("factor", 1);
            json.WriteNumber("attention_factor", 1);
            foreach (string name in (string[])["short_factor", "long_factor"])
            {
                json.WriteStartArray(name);
                foreach (double value in values) json.WriteNumberValue(value);
                json.WriteEndArray();
            }
        }
        else if (scaling is "linear" or "yarn")
        {
            json.WriteString("rope_type", scaling);
            json.WriteNumber("factor", file.Number(Key("rope.scaling.factor")));
            if (file.Metadata.ContainsKey(Key("rope.scaling.original_context_length"))) json.WriteNumber("original_max_position_embeddings", file.Int(Key("rope.scaling.original_context_length")));
        }
        else if (scaling != "none")
        {
            throw new TandemException($"'{file.Path}': {Key("rope.scaling.type")} {CheckpointException.Quote(scaling)} is not supported; accepted: none, linear, yarn");
        }

        json.WriteEndObject();
    }
}
