using System.Text;
using System.Text.Json;

namespace Tandem.Models;

public sealed partial record ModelConfig
{
    private const string LibraryVersion = "5.0.0";

    /// <summary>The text of a <c>config.json</c> in the current spelling, which <see cref="Parse(string, string)"/> reads back to the same values.</summary>
    public string ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            var family = ModelFamily.Get(ModelType, nameof(ModelConfig));
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue(family.Architecture);
            json.WriteEndArray();
            json.WriteString("model_type", ModelType);
            if (family.IsGpt2)
                WriteGpt2(json);
            else
                WriteLlamaLike(json, family);
            json.WriteNumber("vocab_size", VocabSize);
            json.WriteBoolean("tie_word_embeddings", TieWordEmbeddings);
            json.WriteNumber("initializer_range", InitializerRange);
            WriteOptional(json, "bos_token_id", BosTokenId);
            WriteTokenIds(json, "eos_token_id", EosTokenIds);
            WriteOptional(json, "pad_token_id", PadTokenId);
            if (StoredDType is not null)
                json.WriteString("dtype", DTypeNames.First(x => x.Value == StoredDType).Name);
            json.WriteString("transformers_version", LibraryVersion);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    /// <summary>A list as one number where it has one entry, null where it has none.</summary>
    internal static void WriteTokenIds(Utf8JsonWriter json, string key, IReadOnlyList<int> ids)
    {
        if (ids.Count <= 1)
        {
            WriteOptional(json, key, ids.Count == 0 ? null : ids[0]);
            return;
        }

        json.WriteStartArray(key);
        foreach (var id in ids)
            json.WriteNumberValue(id);
        json.WriteEndArray();
    }

    internal static void WriteOptional(Utf8JsonWriter json, string key, int? value)
    {
        if (value is null)
            json.WriteNull(key);
        else
            json.WriteNumber(key, value.Value);
    }

    private void WriteGpt2(Utf8JsonWriter json)
    {
        json.WriteNumber("n_embd", HiddenSize);
        json.WriteNumber("n_inner", IntermediateSize);
        json.WriteNumber("n_layer", NumLayers);
        json.WriteNumber("n_head", NumHeads);
        json.WriteNumber("n_positions", MaxPositions);
        json.WriteNumber("layer_norm_epsilon", NormEps);
        json.WriteString("activation_function", ActivationName());
    }

    private void WriteLlamaLike(Utf8JsonWriter json, ModelFamily family)
    {
        json.WriteNumber("hidden_size", HiddenSize);
        json.WriteNumber("intermediate_size", IntermediateSize);
        json.WriteNumber("num_hidden_layers", NumLayers);
        json.WriteNumber("num_attention_heads", NumHeads);
        json.WriteNumber("num_key_value_heads", NumKvHeads);
        json.WriteNumber("head_dim", HeadDim);
        json.WriteNumber("max_position_embeddings", MaxPositions);
        json.WriteNumber("rms_norm_eps", NormEps);
        json.WriteString("hidden_act", ActivationName());
        if (family.ModelType is "llama" or "qwen3")
            json.WriteBoolean("attention_bias", OutputBias);
        if (family.HasBiasKeys)
            json.WriteBoolean("mlp_bias", MlpBias);
        WriteWindows(json, family);
        Rope?.Write(json);
    }

    private void WriteWindows(Utf8JsonWriter json, ModelFamily family)
    {
        if (!family.WindowsEverywhere && !family.HasWindowSwitch)
            return;
        var window = LayerWindows.Max();
        WriteOptional(json, "sliding_window", window == 0 ? null : window);
        if (family.HasWindowSwitch)
        {
            json.WriteBoolean("use_sliding_window", window > 0);
            json.WriteNumber("max_window_layers", LayerWindows.TakeWhile(x => x == 0).Count());
        }
        else if (window == 0 || LayerWindows.All(x => x == window))
        {
            return;
        }

        json.WriteStartArray("layer_types");
        foreach (var layer in LayerWindows)
            json.WriteStringValue(layer > 0 ? "sliding_attention" : "full_attention");
        json.WriteEndArray();
    }

    private string ActivationName() => Activations.First(x => x.Value == Activation).Name;
}
