using System.Text.Json;
using System.Text.Json.Nodes;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>
/// A training run, as <c>tandem train config.json</c> reads it. Keys have the names of Hugging Face's TrainingArguments where they mean the same;
/// unknown keys are refused, and all mistakes are reported at once.
/// </summary>
public sealed record TrainConfig
{
    private static readonly string[] Keys =
    [
        "output_dir", "seed", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "min_learning_rate", "warmup_steps",
        "lr_decay_steps", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm", "save_steps", "save_total_limit", "eval_steps", "logging_steps",
        "threads", "model", "tokenizer", "data",
    ];

    /// <summary>Folder of checkpoints, metrics and the finished model.</summary>
    public required string OutputDir { get; init; }

    /// <summary>Seed of initial weights and of the order of samples.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Optimizer steps.</summary>
    public required int MaxSteps { get; init; }

    /// <summary>Sequences of a microbatch.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Microbatches of a step.</summary>
    public required int AccumulationSteps { get; init; }

    /// <summary>The learning rate.</summary>
    public required CosineSchedule Schedule { get; init; }

    /// <summary>The optimizer.</summary>
    public required Graph.Ops.AdamW Optimizer { get; init; }

    /// <summary>Largest gradient norm; 0 does not clip.</summary>
    public required double MaxGradientNorm { get; init; }

    /// <summary>Steps between checkpoints.</summary>
    public required int SaveSteps { get; init; }

    /// <summary>Checkpoints kept.</summary>
    public required int SaveTotalLimit { get; init; }

    /// <summary>Steps between evaluations; 0 is none.</summary>
    public required int EvalSteps { get; init; }

    /// <summary>Steps between printed lines.</summary>
    public required int LoggingSteps { get; init; }

    /// <summary>Threads; 0 is one a core.</summary>
    public required int Threads { get; init; }

    /// <summary>The text to train on.</summary>
    public required string TrainFile { get; init; }

    /// <summary>Share of the text, at its end, that is kept for evaluation.</summary>
    public required double ValidationFraction { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    public required int SequenceLength { get; init; }

    /// <summary>Directory of a model to go on from; null starts from nothing.</summary>
    public string? ModelPath { get; init; }

    /// <summary>The model section in the keys of config.json, for a model from nothing.</summary>
    public string? ModelJson { get; init; }

    /// <summary>A tokenizer.json, or null to train one.</summary>
    public string? TokenizerPath { get; init; }

    /// <summary>Tokens of a tokenizer that is trained.</summary>
    public int VocabSize { get; init; }

    /// <summary>Reads a file; <paramref name="overrides"/> are <c>key=value</c> or <c>section.key=value</c>.</summary>
    /// <exception cref="TandemException">The file or its values are wrong; the message lists all mistakes.</exception>
    public static TrainConfig Load(string path, IEnumerable<string>? overrides = null)
    {
        try
        {
            JsonNode root = JsonNode.Parse(File.ReadAllText(path)) ?? throw new TandemException($"{path}: null, wanted an object");
            foreach (string text in overrides ?? []) Override(root, text);
            return Parse(root.ToJsonString(), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new TandemException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>Reads the text of a config.</summary>
    public static TrainConfig Parse(string json, string place = "config")
    {
        using JsonDocument document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object) throw new TandemException($"{place}: is no object");
        var reader = new ConfigReader(document.RootElement, place);
        reader.RefuseUnknown(Keys);
        int steps = reader.Int("max_steps", 1, int.MaxValue);
        double peak = reader.Number("learning_rate", 0, 100, 5e-5);
        var config = new TrainConfig
        {
            OutputDir = Required(reader, "output_dir", "a folder"),
            Seed = (ulong)reader.Int("seed", 0, int.MaxValue, 42),
            MaxSteps = steps,
            BatchSize = reader.Int("per_device_train_batch_size", 1, 65536, 8),
            AccumulationSteps = reader.Int("gradient_accumulation_steps", 1, 65536, 1),
            Schedule = new CosineSchedule(peak, reader.Number("min_learning_rate", 0, 100, 0), reader.Int("warmup_steps", 0, int.MaxValue, 0), reader.Int("lr_decay_steps", 1, int.MaxValue, Math.Max(1, steps))),
            Optimizer = new Graph.Ops.AdamW(reader.Number("adam_beta1", 0, 1, 0.9), reader.Number("adam_beta2", 0, 1, 0.999), reader.Number("adam_epsilon", 0, 1, 1e-8), reader.Number("weight_decay", 0, 100, 0)),
            MaxGradientNorm = reader.Number("max_grad_norm", 0, 1e9, 1),
            SaveSteps = reader.Int("save_steps", 1, int.MaxValue, 500),
            SaveTotalLimit = reader.Int("save_total_limit", 1, int.MaxValue, 2),
            EvalSteps = reader.Int("eval_steps", 0, int.MaxValue, 0),
            LoggingSteps = reader.Int("logging_steps", 1, int.MaxValue, 50),
            Threads = reader.Int("threads", 0, 4096, 0),
            TrainFile = "",
            ValidationFraction = 0,
            SequenceLength = 1,
        };
        config = ReadData(reader, config);
        config = ReadModel(reader, document.RootElement, config);
        reader.ThrowIfMistaken();
        return config;
    }

    private static TrainConfig ReadData(ConfigReader reader, TrainConfig config)
    {
        if (reader.Object("data") is not { } data)
        {
            reader.Missing("data", "an object with train_file");
            return config;
        }

        data.RefuseUnknown("train_file", "validation_fraction", "sequence_length");
        return config with
        {
            TrainFile = Required(data, "train_file", "a text file"),
            ValidationFraction = data.Number("validation_fraction", 0, 0.9, 0),
            SequenceLength = data.Int("sequence_length", 2, 1 << 20, 256),
        };
    }

    private static TrainConfig ReadModel(ConfigReader reader, JsonElement root, TrainConfig config)
    {
        ConfigReader? tokenizer = reader.Object("tokenizer");
        tokenizer?.RefuseUnknown("path", "vocab_size");
        string? tokenizerPath = tokenizer?.Text("path");
        if (reader.Object("model") is not { } model)
        {
            reader.Missing("model", "an object with path, or with the keys of a config.json");
            return config;
        }

        string? path = model.Text("path");
        if (path != null) return config with { ModelPath = path, TokenizerPath = tokenizerPath ?? Path.Combine(path, TokenizerJson.FileName) };
        if (tokenizer == null) reader.Missing("tokenizer", "an object with path or vocab_size");
        return config with
        {
            ModelJson = root.GetProperty("model").GetRawText(),
            TokenizerPath = tokenizerPath,
            VocabSize = tokenizerPath == null ? tokenizer?.Int("vocab_size", 257, 1 << 24) ?? 0 : 0,
        };
    }

    private static string Required(ConfigReader reader, string key, string accepted)
    {
        string? text = reader.Text(key);
        if (string.IsNullOrEmpty(text)) reader.Missing(key, accepted);
        return text ?? "";
    }

    private static void Override(JsonNode root, string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new TandemException($"override '{text}', wanted key=value or section.key=value");
        string[] keys = text[..equals].Split('.');
        JsonObject target = root.AsObject();
        foreach (string key in keys[..^1]) target = (target[key] ??= new JsonObject()).AsObject();
        target[keys[^1]] = Value(text[(equals + 1)..]);
    }

    // A value that is no JSON is a string, so that paths need no quotes.
    private static JsonNode? Value(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }
}
