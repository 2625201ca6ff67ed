using System.Globalization;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>The config of a model in a GGUF file. What is missing or impossible is named by its key in the file.</summary>
internal static class GgufConfig
{
    private const string Linear = "linear", Yarn = "yarn";

    /// <summary>The config as the family's config.json would say it.</summary>
    /// <exception cref="GgufException">A key is missing, of the wrong type, or out of range.</exception>
    /// <exception cref="TandemException">The model has something that is not supported.</exception>
    public static byte[] ToJson(GgufArchitecture architecture, GgufFile file)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            RequireLayers(architecture, file);
            json.WriteStartObject();
            json.WriteString("model_type", architecture.ModelType(file));
            foreach (GgufKey key in architecture.Keys)
                if (!key.IsOptional || file.Metadata.ContainsKey(architecture.Key(key.Gguf))) json.WriteNumber(key.HuggingFace, file.Int(architecture.Key(key.Gguf), 1, key.Most));
            json.WriteNumber(architecture.Epsilon.HuggingFace, Number(file, architecture.Key(architecture.Epsilon.Gguf), 1e-30, 1));
            long vocabSize = VocabSize(file);
            json.WriteNumber("vocab_size", vocabSize);
            json.WriteBoolean("tie_word_embeddings", file.Find("output.weight") == null);
            WriteTokenIds(json, file, vocabSize);
            RequireHeads(architecture, file);
            if (architecture.HasRope)
            {
                WriteHeads(json, architecture, file);
                WriteRope(json, architecture, file);
            }

            if (architecture.Name == "llama") WriteLlama(json, architecture, file);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void WriteLlama(Utf8JsonWriter json, GgufArchitecture architecture, GgufFile file)
    {
        json.WriteBoolean("attention_bias", file.Find("blk.0.attn_q.bias") != null);
        json.WriteBoolean("mlp_bias", file.Find("blk.0.ffn_gate.bias") != null);
        string window = architecture.Key(GgufArchitecture.WindowKey);
        if (file.Metadata.ContainsKey(window)) json.WriteNumber("sliding_window", file.Int(window, 1, ModelConfig.MaxMaxPositions));
    }

    // Before a graph is made of them: every layer has tensors.
    private static void RequireLayers(GgufArchitecture architecture, GgufFile file)
    {
        string key = architecture.Key("block_count");
        if (file.Int(key, 1, ModelConfig.MaxLayers) is var layers && layers > file.Tensors.Count)
            throw new GgufException(GgufError.BadValue, $"'{file.Path}': {key} is {layers:N0}; accepted: up to {file.Tensors.Count:N0}, as many as there are tensors");
    }

    private static void RequireHeads(GgufArchitecture architecture, GgufFile file)
    {
        string headsKey = architecture.Key("attention.head_count"), sharedKey = architecture.Key("attention.head_count_kv");
        string keyLength = architecture.Key("attention.key_length"), valueLength = architecture.Key("attention.value_length"), width = architecture.Key("embedding_length");
        long heads = file.Int(headsKey, 1, ModelConfig.MaxHeads);
        if (file.Metadata.ContainsKey(sharedKey) && file.Int(sharedKey, 1, ModelConfig.MaxHeads) is var shared && heads % shared != 0)
            throw new GgufException(GgufError.BadValue, $"'{file.Path}': {headsKey} {heads} is no multiple of {sharedKey} {shared}");
        if (!file.Metadata.ContainsKey(keyLength) && file.Int(width, 1, ModelConfig.MaxSize) % heads != 0)
            throw new GgufException(GgufError.BadValue, $"'{file.Path}': {width} {file.Int(width)} is no multiple of {headsKey} {heads}, and there is no {keyLength}");
        if (file.Metadata.ContainsKey(valueLength) && HeadDim(architecture, file) is var size && file.Int(valueLength) != size)
            throw new GgufException(GgufError.BadValue, $"'{file.Path}': {valueLength} is {file.Int(valueLength)}; accepted: {size}, as keys have");
    }

    // What files may leave out has another meaning here than in config.json, where each family has numbers of its own.
    private static void WriteHeads(Utf8JsonWriter json, GgufArchitecture architecture, GgufFile file)
    {
        if (!file.Metadata.ContainsKey(architecture.Key("attention.head_count_kv"))) json.WriteNumber("num_key_value_heads", file.Int(architecture.Key("attention.head_count")));
        if (!file.Metadata.ContainsKey(architecture.Key("attention.key_length"))) json.WriteNumber("head_dim", HeadDim(architecture, file));
    }

    private static long HeadDim(GgufArchitecture architecture, GgufFile file) => file.Metadata.ContainsKey(architecture.Key("attention.key_length"))
        ? file.Int(architecture.Key("attention.key_length"), 1, ModelConfig.MaxHeads)
        : file.Int(architecture.Key("embedding_length")) / file.Int(architecture.Key("attention.head_count"), 1);

    // The embedding's rows count: some files carry a vocabulary that is padded or not listed.
    private static long VocabSize(GgufFile file)
    {
        GgufTensor table = file.Find("token_embd.weight") ?? throw new GgufException(GgufError.MissingKey, $"'{file.Path}' has no tensor token_embd.weight");
        if (table.Dims.Count != 2 || table.Dims[1] is 0 or > ModelConfig.MaxSize)
            throw new GgufException(GgufError.BadValue, $"'{file.Path}': tensor 'token_embd.weight' is [{string.Join(", ", table.Dims)}]; accepted: 2 dimensions, the second from 1 to {ModelConfig.MaxSize}");
        long rows = table.Dims[1];
        if (file.Metadata.ContainsKey(GgufTokens.Tokens) && file.Strings(GgufTokens.Tokens).Count is var tokens && tokens > rows)
            throw new GgufException(GgufError.BadValue, $"'{file.Path}': {GgufTokens.Tokens} has {tokens:N0} tokens, and token_embd.weight {rows:N0} rows; accepted: no more tokens than rows");
        return rows;
    }

    // The padding token is nowhere looked up.
    private static void WriteTokenIds(Utf8JsonWriter json, GgufFile file, long vocabSize)
    {
        if (file.Metadata.ContainsKey(GgufTokens.Bos)) json.WriteNumber("bos_token_id", file.Int(GgufTokens.Bos, 0, (int)vocabSize - 1));
        if (file.Metadata.ContainsKey(GgufTokens.Padding)) json.WriteNumber("pad_token_id", file.Int(GgufTokens.Padding));
        json.WriteStartArray("eos_token_id");
        foreach (long id in GgufTokens.Ends.Where(file.Metadata.ContainsKey).Select(k => file.Int(k, 0, (int)vocabSize - 1)).Distinct()) json.WriteNumberValue(id);
        json.WriteEndArray();
    }

    private static void WriteRope(Utf8JsonWriter json, GgufArchitecture architecture, GgufFile file)
    {
        string basis = architecture.Key("rope.freq_base"), dimensions = architecture.Key("rope.dimension_count"), type = architecture.Key("rope.scaling.type");
        json.WriteStartObject("rope_parameters");
        json.WriteNumber("rope_theta", file.Metadata.ContainsKey(basis) ? Number(file, basis, 1.001, 1e15) : 10000);
        long headDim = HeadDim(architecture, file), rotary = file.Metadata.ContainsKey(dimensions) ? file.Int(dimensions, 2, (int)headDim) : headDim;
        if (rotary != headDim) json.WriteNumber("partial_rotary_factor", (double)rotary / headDim);
        string scaling = file.Metadata.ContainsKey(type) ? file.String(type) : "none";
        if (file.Find(GgufArchitecture.RopeFactors) is { } factors)
        {
            WriteFactors(json, file, factors, rotary / 2);
        }
        else if (scaling is Linear or Yarn)
        {
            string original = architecture.Key("rope.scaling.original_context_length");
            json.WriteString("rope_type", scaling);
            json.WriteNumber("factor", Number(file, architecture.Key("rope.scaling.factor"), 1, 1e6));
            if (file.Metadata.ContainsKey(original)) json.WriteNumber("original_max_position_embeddings", file.Int(original, 1, ModelConfig.MaxMaxPositions));
        }
        else if (scaling != "none")
        {
            throw new TandemException($"'{file.Path}': {type} {CheckpointException.Quote(scaling)} is not supported; accepted: none, {Linear}, {Yarn}");
        }

        json.WriteEndObject();
    }

    // Divisors of each frequency, at every length: as longrope has them, with both tables the same.
    private static void WriteFactors(Utf8JsonWriter json, GgufFile file, GgufTensor tensor, long count)
    {
        double[] values = file.Floats(tensor);
        if (values.Length != count || values.Any(v => !(v > 0 && double.IsFinite(v))))
            throw new GgufException(GgufError.BadValue, $"'{file.Path}': {GgufArchitecture.RopeFactors} has {values.Length} values from {values.DefaultIfEmpty().Min()} to {values.DefaultIfEmpty().Max()}; accepted: {count} above 0");
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

    // A number that was stored as f32 is given as the shortest text that means it: 1e-05, not 9.99999974e-06.
    private static double Number(GgufFile file, string key, double least, double most)
    {
        double value = file.Number(key);
        if (!(value >= least && value <= most)) throw new GgufException(GgufError.BadValue, $"'{file.Path}': {key} is {file.Metadata[key]}; accepted: a number from {ConfigReader.Show(least)} to {ConfigReader.Show(most)}");
        return file.Metadata[key].Type == GgufValueType.Float32 ? double.Parse(((float)value).ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : value;
    }
}
