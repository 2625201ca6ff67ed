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
            var family = ModelFamilies.Get(ModelType, "model config");
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue(family.Architecture);
            json.WriteEndArray();
            json.WriteString("model_type", ModelType);
            family.WriteConfig(json, this);
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
}
