using System.Text.Json;
using Tandem.Graph.Ops;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>
/// A training run, as <c>tandem train config.json</c> reads it. Keys have the names of Hugging Face's TrainingArguments where they mean the same;
/// unknown keys are refused, and all mistakes are reported at once. <see cref="Sections"/> is the table of all keys: the reader, the JSON schema and the tests go by it.
/// </summary>
public sealed partial record TrainConfig
{
    private const string DataObject = "data", TokenizerObject = "tokenizer", ModelObject = "model", SamplesObject = "samples", ReportObject = "report";

    private static readonly ConfigKey[] s_runKeys =
    [
        new("$schema", "string", "null", "a string", "The JSON schema, for editors; not used"),
        new("output_dir", "string", "", "a folder", "Folder of checkpoints, metrics and reports"),
        new("max_steps", "integer", "", "1 to 2147483647", "Optimizer steps"),
        new("per_device_train_batch_size", "integer", "8", "1 to 65536", "Sequences of a microbatch"),
        new("gradient_accumulation_steps", "integer", "1", "1 to 65536", "Microbatches of a step; the loss is a sum over tokens divided by the step's count"),
        new("label_smoothing_factor", "number", "0", "0 to 0.999", "Share of each target that is spread evenly over the vocabulary"),
        new("z_loss", "number", "0", "0 to 1000", "Coefficient of the squared logarithm of the softmax' sum, added to the loss"),
        new("seed", "integer", "42", "0 to 2147483647", "Seed of initial weights, order of samples, split"),
        new("threads", "integer", "0", "0 to 4096", "Threads; 0 is one a core. Bits do not depend on it"),
        new("logging_steps", "integer", "50", "1 to 2147483647", "Steps between lines where there is no terminal"),
    ];

    private static readonly ConfigKey[] s_objectKeys =
    [
        new(DataObject, "object", "", "an object", "Data"),
        new(ModelObject, "object", "", "an object", "Model: path of a directory, or the keys of a config.json"),
        new(TokenizerObject, "object", "null", "an object", "Tokenizer; needed without model.path"),
        new(SamplesObject, "object", "null", "an object", "Samples during training"),
        new(ReportObject, "object", "null", "an object", "Reports"),
    ];

    /// <summary>All keys, in the order of the documentation.</summary>
    public static IReadOnlyList<ConfigSection> Sections { get; } =
    [
        new("Run", "", s_runKeys),
        new("Optimizer, precision, averages", "", OptimizerConfig.Keys),
        new("Learning rate", "", ScheduleConfig.Keys),
        new("Checkpoints", "", CheckpointConfig.Keys),
        new("Evaluation and early stop", "", EvaluationConfig.Keys),
        new("Objects", "", s_objectKeys),
        new("Data", DataObject, DataConfig.Keys),
        new("Model", ModelObject, ModelSourceConfig.ModelKeys),
        new("Tokenizer", TokenizerObject, ModelSourceConfig.TokenizerKeys),
        new("Samples", SamplesObject, SamplesConfig.Keys),
        new("Reports", ReportObject, ReportConfig.Keys),
    ];

    /// <summary>Folder of checkpoints, metrics and reports.</summary>
    public required string OutputDir { get; init; }

    /// <summary>Seed of initial weights and of the order of samples.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Optimizer steps.</summary>
    public required int MaxSteps { get; init; }

    /// <summary>Sequences of a microbatch.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Microbatches of a step.</summary>
    public required int AccumulationSteps { get; init; }

    /// <summary>The loss.</summary>
    public required LinearCrossEntropy Loss { get; init; }

    /// <summary>The optimizer, the precision, the averages.</summary>
    public required OptimizerConfig Optimizer { get; init; }

    /// <summary>The learning rate.</summary>
    public required LearningRateSchedule Schedule { get; init; }

    /// <summary>Checkpoints.</summary>
    public required CheckpointConfig Checkpoints { get; init; }

    /// <summary>Evaluation and early stop.</summary>
    public required EvaluationConfig Evaluation { get; init; }

    /// <summary>The data.</summary>
    public required DataConfig Data { get; init; }

    /// <summary>Model and tokenizer.</summary>
    public required ModelSourceConfig Source { get; init; }

    /// <summary>Samples during training.</summary>
    public required SamplesConfig Samples { get; init; }

    /// <summary>Reports.</summary>
    public required ReportConfig Report { get; init; }

    /// <summary>Steps between printed lines.</summary>
    public required int LoggingSteps { get; init; }

    /// <summary>Threads; 0 is one a core.</summary>
    public required int Threads { get; init; }

    /// <summary>The config as it was read, overrides included.</summary>
    public required string Json { get; init; }

    /// <summary>Sequences of a step.</summary>
    public int SequencesPerStep => BatchSize * AccumulationSteps;

    /// <summary>Reads the text of a config; <paramref name="place"/> names it in errors.</summary>
    /// <exception cref="TandemException">It is no JSON object, or has mistakes; the message lists all of them.</exception>
    public static TrainConfig Parse(string json, string place = "config")
    {
        using JsonDocument document = ParseJson(json, place);
        if (document.RootElement.ValueKind != JsonValueKind.Object) throw new TandemException($"{place}: is no object; accepted: a JSON object with the keys of docs/training.md");
        var reader = new ConfigReader(document.RootElement, place);
        ConfigKey[] known = [.. Sections.Where(s => s.Object.Length == 0).SelectMany(s => s.Keys)];
        reader.RefuseUnknown([.. known.Select(k => k.Name)]);
        reader.Text("$schema");
        string? output = reader.Text("output_dir");
        if (string.IsNullOrEmpty(output)) reader.Missing("output_dir", "a folder");
        int steps = reader.Int("max_steps", 1, int.MaxValue);
        ulong seed = (ulong)reader.Int("seed", 0, int.MaxValue, 42);
        DataConfig data = ReadObject(reader, DataObject, DataConfig.Keys, DataConfig.Read) ?? NoData(reader);
        var config = new TrainConfig
        {
            OutputDir = output ?? "",
            Seed = seed,
            MaxSteps = steps,
            BatchSize = reader.Int("per_device_train_batch_size", 1, 65536, 8),
            AccumulationSteps = reader.Int("gradient_accumulation_steps", 1, 65536, 1),
            Loss = new LinearCrossEntropy((float)reader.Number("label_smoothing_factor", 0, 0.999, 0), (float)reader.Number("z_loss", 0, 1000, 0)),
            Optimizer = OptimizerConfig.Read(reader, seed),
            Schedule = ScheduleConfig.Read(reader, steps),
            Checkpoints = CheckpointConfig.Read(reader),
            Evaluation = EvaluationConfig.Read(reader),
            Data = data,
            Source = ModelSourceConfig.Read(reader, document.RootElement, data.SequenceLength),
            Samples = ReadObject(reader, SamplesObject, SamplesConfig.Keys, SamplesConfig.Read) ?? new SamplesConfig(),
            Report = ReadObject(reader, ReportObject, ReportConfig.Keys, ReportConfig.Read) ?? new ReportConfig(),
            LoggingSteps = reader.Int("logging_steps", 1, int.MaxValue, 50),
            Threads = reader.Int("threads", 0, 4096, 0),
            Json = json,
        };
        if (config.Evaluation.Steps > 0 && data.ValidationFraction == 0 && data.ValidationFiles.Count == 0)
            reader.Conflict("eval_steps is given without a validation text; accepted: data.validation_fraction or data.validation_files, or eval_steps 0");
        if ((long)config.BatchSize * data.SequenceLength > 1 << 27) reader.Conflict($"per_device_train_batch_size {config.BatchSize} times data.sequence_length {data.SequenceLength} is above {1 << 27} tokens; accepted: more gradient_accumulation_steps instead");
        ConfigSection.RequireAllRead(reader, place, known);
        reader.ThrowIfMistaken();
        return config;
    }

    private static T? ReadObject<T>(ConfigReader reader, string name, IReadOnlyList<ConfigKey> keys, Func<ConfigReader, T> read)
        where T : class
    {
        if (reader.Object(name) is not { } section) return null;
        section.RefuseUnknown([.. keys.Select(k => k.Name)]);
        T result = read(section);
        ConfigSection.RequireAllRead(section, name, keys);
        return result;
    }

    private static DataConfig NoData(ConfigReader reader)
    {
        if (!reader.Has(DataObject)) reader.Missing(DataObject, "an object with train_file");
        using JsonDocument none = JsonDocument.Parse("""{ "train_file": "none" }""");
        return DataConfig.Read(new ConfigReader(none.RootElement, DataObject));
    }
}
