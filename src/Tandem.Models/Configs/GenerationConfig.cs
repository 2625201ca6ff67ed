using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>Defaults of text generation that travel with a model, <c>generation_config.json</c>. Null means the file does not say.</summary>
public sealed record GenerationConfig
{
    private const int MaxFileBytes = 1_000_000;

    /// <summary>The token put before a text.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The tokens that end a text.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The padding token.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Whether tokens are drawn (else the most probable is taken).</summary>
    public bool? DoSample { get; init; }

    /// <summary>Divisor of the logits, from 0 (the most probable token).</summary>
    public double? Temperature { get; init; }

    /// <summary>How many tokens may be drawn; 0 is all.</summary>
    public int? TopK { get; init; }

    /// <summary>The probability mass that may be drawn from.</summary>
    public double? TopP { get; init; }

    /// <summary>The least probability, relative to the most probable token's.</summary>
    public double? MinP { get; init; }

    /// <summary>Divisor of the logits of tokens that occurred.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>How many tokens to generate.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>How long prompt and answer together may be.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Reads a <c>generation_config.json</c>.</summary>
    /// <exception cref="TandemException">It cannot be read, is not JSON or holds impossible values (all are listed).</exception>
    public static GenerationConfig Load(string path)
    {
        using var document = BoundedJson.ReadFile(path, MaxFileBytes);
        return Read(new(document.RootElement, $"'{path}'"));
    }

    /// <summary>Reads the text of a <c>generation_config.json</c>.</summary>
    /// <exception cref="TandemException">As for <see cref="Load"/>.</exception>
    public static GenerationConfig Parse(string json, string place = "generation_config.json")
    {
        using var document = BoundedJson.Parse(Encoding.UTF8.GetBytes(json), place);
        return Read(new(document.RootElement, place));
    }

    /// <summary>The defaults a model's description implies: its special tokens.</summary>
    public static GenerationConfig From(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return new() { BosTokenId = config.BosTokenId, EosTokenIds = config.EosTokenIds, PadTokenId = config.PadTokenId };
    }

    /// <summary>The text of a <c>generation_config.json</c>.</summary>
    public string ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            ModelConfig.WriteOptional(json, "bos_token_id", BosTokenId);
            ModelConfig.WriteTokenIds(json, "eos_token_id", EosTokenIds);
            ModelConfig.WriteOptional(json, "pad_token_id", PadTokenId);
            if (DoSample is not null)
                json.WriteBoolean("do_sample", DoSample.Value);
            WriteIf(json, "temperature", Temperature);
            WriteIf(json, "top_k", TopK);
            WriteIf(json, "top_p", TopP);
            WriteIf(json, "min_p", MinP);
            WriteIf(json, "repetition_penalty", RepetitionPenalty);
            WriteIf(json, "max_new_tokens", MaxNewTokens);
            WriteIf(json, "max_length", MaxLength);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    private static GenerationConfig Read(ConfigReader reader)
    {
        var config = new GenerationConfig
        {
            BosTokenId = reader.TokenId("bos_token_id"),
            EosTokenIds = reader.TokenIds("eos_token_id"),
            PadTokenId = reader.TokenId("pad_token_id"),
            DoSample = reader.Has("do_sample") ? reader.Bool("do_sample", false) : null,
            Temperature = reader.OptionalNumber("temperature", 0, 1000),
            TopK = reader.OptionalInt("top_k", 0, ModelConfig.MaxSize),
            TopP = reader.OptionalNumber("top_p", 0, 1),
            MinP = reader.OptionalNumber("min_p", 0, 1),
            RepetitionPenalty = reader.OptionalNumber("repetition_penalty", 1e-6, 1000),
            MaxNewTokens = reader.OptionalInt("max_new_tokens", 1, ModelConfig.MaxMaxPositions),
            MaxLength = reader.OptionalInt("max_length", 1, ModelConfig.MaxMaxPositions),
        };
        reader.ThrowIfMistaken();
        return config;
    }

    private static void WriteIf(Utf8JsonWriter json, string key, double? value)
    {
        if (value is not null)
            json.WriteNumber(key, value.Value);
    }

    private static void WriteIf(Utf8JsonWriter json, string key, int? value)
    {
        if (value is not null)
            json.WriteNumber(key, value.Value);
    }
}
