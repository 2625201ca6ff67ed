using Tandem.Models;

namespace Tandem.Training;

/// <summary>How a part of the data is kept for evaluation.</summary>
public enum ValidationSplit
{
    /// <summary>The end of each source.</summary>
    Tail,

    /// <summary>Whole documents, chosen at random.</summary>
    Documents,
}

/// <summary>The data of a run: sources, how they are blended and cut into sequences, and what is kept for evaluation.</summary>
public sealed record DataConfig
{
    private static readonly (string Name, Packing Value)[] s_packings = [("documents", Packing.Documents), ("windows", Packing.Windows), ("random", Packing.Random)];

    private static readonly (string Name, ValidationSplit Value)[] s_splits = [("tail", ValidationSplit.Tail), ("documents", ValidationSplit.Documents)];

    /// <summary>The keys.</summary>
    public static IReadOnlyList<ConfigKey> Keys { get; } =
    [
        new("train_file", "string", "null", "a file or folder", "Text, JSON lines or a folder of them to train on, read into memory"),
        new("train_files", "array", "[]", "a list of up to 1000 strings", "Several of those, each a source of its own"),
        new("stores", "array", "[]", "a list of up to 1000 strings", "Token stores made by tandem data build, each a source of its own"),
        new("weights", "array", "[]", "a list of up to 1000 numbers from 1e-6 to 1e9, one a source", "Proportions of the sources' sequences: train_file, then train_files, then stores; by their sizes when empty"),
        new("json_key", "string", "\"text\"", "a string", "Key of the text in JSON lines"),
        new("sequence_length", "integer", "256", "2 to 1048576", "Tokens of a sequence"),
        new("packing", "choice", "\"documents\"", string.Join(", ", s_packings.Select(p => p.Name)), "How documents become sequences: whole ones with masks between them, windows side by side, or windows at random places"),
        new("validation_files", "array", "[]", "a list of up to 1000 strings", "Text, JSON lines, folders or token stores to evaluate on, besides what is split off"),
        new("validation_fraction", "number", "0", "0 to 0.9", "Share of each source that is kept for evaluation"),
        new("validation_split", "choice", "\"tail\"", string.Join(", ", s_splits.Select(s => s.Name)), "Which share: the end of each source, or whole documents at random"),
    ];

    /// <summary>Files and folders that are read into memory, each a source.</summary>
    public required IReadOnlyList<string> TrainFiles { get; init; }

    /// <summary>Token stores, each a source.</summary>
    public required IReadOnlyList<string> Stores { get; init; }

    /// <summary>Proportions of the sources; null is by size.</summary>
    public IReadOnlyList<double>? Weights { get; init; }

    /// <summary>Key of the text in JSON lines.</summary>
    public required string JsonKey { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    public required int SequenceLength { get; init; }

    /// <summary>How documents become sequences.</summary>
    public required Packing Packing { get; init; }

    /// <summary>Files, folders and token stores to evaluate on.</summary>
    public required IReadOnlyList<string> ValidationFiles { get; init; }

    /// <summary>Share of each source that is kept for evaluation.</summary>
    public required double ValidationFraction { get; init; }

    /// <summary>Which share.</summary>
    public required ValidationSplit ValidationSplit { get; init; }

    internal static DataConfig Read(ConfigReader reader)
    {
        string? trainFile = reader.Text("train_file");
        string[] trainFiles = reader.Texts("train_files", 1000) ?? [], stores = reader.Texts("stores", 1000) ?? [];
        double[] weights = reader.Numbers("weights", 1e-6, 1e9, 1000) ?? [];
        string[] files = trainFile == null ? trainFiles : [trainFile, .. trainFiles];
        if (files.Length + stores.Length == 0) reader.Missing("train_file", "a file or folder; or train_files, or stores");
        if (files.Concat(stores).Any(string.IsNullOrEmpty)) reader.Conflict("train_file, train_files or stores has an empty name; accepted: names of files and folders");
        if (weights.Length > 0 && weights.Length != files.Length + stores.Length) reader.Conflict($"weights has {weights.Length} numbers for {files.Length + stores.Length} sources; accepted: one a source, or none");
        return new DataConfig
        {
            TrainFiles = files,
            Stores = stores,
            Weights = weights.Length > 0 ? weights : null,
            JsonKey = reader.Text("json_key") ?? "text",
            SequenceLength = reader.Int("sequence_length", 2, 1 << 20, 256),
            Packing = reader.Choice("packing", s_packings, Packing.Documents),
            ValidationFiles = reader.Texts("validation_files", 1000) ?? [],
            ValidationFraction = reader.Number("validation_fraction", 0, 0.9, 0),
            ValidationSplit = reader.Choice("validation_split", s_splits, ValidationSplit.Tail),
        };
    }
}
