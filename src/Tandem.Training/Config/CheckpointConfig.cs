using Tandem.Models;

namespace Tandem.Training;

/// <summary>When checkpoints are saved and which are kept.</summary>
public sealed record CheckpointConfig
{
    /// <summary>The keys.</summary>
    public static IReadOnlyList<ConfigKey> Keys { get; } =
    [
        new("save_steps", "integer", "500", "1 to 2147483647", "Steps between checkpoints"),
        new("save_total_limit", "integer", "2", "1 to 2147483647", "Newest checkpoints that are kept, besides the best one"),
        new("save_best", "boolean", "true", "true or false", "Whether an evaluation better than all before saves a checkpoint that is kept"),
        new("save_in_background", "boolean", "true", "true or false", "Whether training goes on while a copy of the state is written; takes the state's memory twice"),
        new("stop_on_save_error", "boolean", "true", "true or false", "Whether a checkpoint that cannot be written ends the run; else it is reported and the run goes on"),
    ];

    /// <summary>Steps between checkpoints.</summary>
    public required int SaveSteps { get; init; }

    /// <summary>Newest checkpoints that are kept.</summary>
    public required int SaveTotalLimit { get; init; }

    /// <summary>Whether the best checkpoint is kept.</summary>
    public required bool SaveBest { get; init; }

    /// <summary>Whether training goes on while a checkpoint is written.</summary>
    public required bool InBackground { get; init; }

    /// <summary>Whether a checkpoint that cannot be written ends the run.</summary>
    public required bool StopOnError { get; init; }

    internal static CheckpointConfig Read(ConfigReader reader) => new()
    {
        SaveSteps = reader.Int("save_steps", 1, int.MaxValue, 500),
        SaveTotalLimit = reader.Int("save_total_limit", 1, int.MaxValue, 2),
        SaveBest = reader.Bool("save_best", true),
        InBackground = reader.Bool("save_in_background", true),
        StopOnError = reader.Bool("stop_on_save_error", true),
    };
}
