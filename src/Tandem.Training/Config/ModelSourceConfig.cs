using System.Text.Json;
using System.Text.Json.Nodes;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>Where model and tokenizer come from.</summary>
public sealed record ModelSourceConfig
{
    /// <summary>The keys of <c>tokenizer</c>.</summary>
    public static IReadOnlyList<ConfigKey> TokenizerKeys { get; } =
    [
        new("path", "string", "null", "a tokenizer.json", "The tokenizer; that of model.path when absent"),
        new("vocab_size", "integer", "null", "256 to 16777216", "Tokens of a byte-level BPE that is trained on the training text, special tokens included"),
        new("special_tokens", "array", "[\"<|endoftext|>\"]", "a list of up to 1000 strings", "Special tokens of a tokenizer that is trained; the first ends documents"),
    ];

    /// <summary>The own keys of <c>model</c>; the others are those of a config.json.</summary>
    public static IReadOnlyList<ConfigKey> ModelKeys { get; } =
    [
        new("path", "string", "null", "a model directory", "Model to go on from; else the object has the keys of a config.json (vocab_size is the tokenizer's)"),
    ];

    /// <summary>Directory of a model to go on from; null starts from nothing.</summary>
    public string? ModelPath { get; init; }

    /// <summary>The keys of a config.json, for a model from nothing.</summary>
    public string? ModelJson { get; init; }

    /// <summary>A tokenizer.json, or null to train one.</summary>
    public string? TokenizerPath { get; init; }

    /// <summary>Tokens of a tokenizer that is trained.</summary>
    public int VocabSize { get; init; }

    /// <summary>Special tokens of a tokenizer that is trained.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = [];

    /// <summary>The model's config for a vocabulary.</summary>
    public ModelConfig Config(int vocabSize)
    {
        JsonObject json = JsonNode.Parse(ModelJson!)!.AsObject();
        json["vocab_size"] = vocabSize;
        return ModelConfig.Parse(json.ToJsonString(), "model");
    }

    internal static ModelSourceConfig Read(ConfigReader root, JsonElement json, int sequenceLength)
    {
        ConfigReader? tokenizer = root.Object("tokenizer"), model = root.Object("model");
        ModelSourceConfig config = tokenizer == null ? new ModelSourceConfig() : ReadTokenizer(tokenizer);
        if (model == null)
        {
            if (!root.Has("model")) root.Missing("model", "an object with path, or with the keys of a config.json");
            return config;
        }

        string? path = model.Text("path");
        if (path != null) return config with { ModelPath = path, TokenizerPath = config.TokenizerPath ?? Path.Combine(path, TokenizerJson.FileName), VocabSize = 0 };
        config = config with { ModelJson = json.GetProperty("model").GetRawText() };
        if (config.TokenizerPath == null && config.VocabSize == 0) root.Missing("tokenizer", "an object with path or vocab_size");
        try
        {
            ModelConfig parsed = config.Config(Math.Max(256, config.VocabSize));
            if (sequenceLength > parsed.MaxPositions) root.Conflict($"data.sequence_length: {sequenceLength} is longer than the model's max_position_embeddings; accepted: 2 to {parsed.MaxPositions}");
        }
        catch (TandemException e)
        {
            root.Conflict(e.Message);
        }

        return config;
    }

    private static ModelSourceConfig ReadTokenizer(ConfigReader reader)
    {
        reader.RefuseUnknown([.. TokenizerKeys.Select(k => k.Name)]);
        string? path = reader.Text("path");
        int? size = reader.OptionalInt("vocab_size", 256, 1 << 24);
        string[]? special = reader.Texts("special_tokens", 1000);
        ConfigSection.RequireAllRead(reader, "tokenizer", TokenizerKeys);
        if (path != null && size != null) reader.Conflict("path and vocab_size are both given; accepted: one of them");
        return new ModelSourceConfig { TokenizerPath = path, VocabSize = path == null ? size ?? 0 : 0, SpecialTokens = special ?? ["<|endoftext|>"] };
    }
}
