using Tandem.Models;

namespace Tandem.Training;

/// <summary>When the validation text is evaluated and what follows from it.</summary>
public sealed record EvaluationConfig
{
    /// <summary>The keys.</summary>
    public static IReadOnlyList<ConfigKey> Keys { get; } =
    [
        new("eval_steps", "integer", "0", "0 to 2147483647", "Steps between evaluations of the validation text; 0 is none"),
        new("eval_max_sequences", "integer", "0", "0 to 2147483647", "Sequences of an evaluation at the most, from the start of the validation text; 0 is all"),
        new("early_stopping_patience", "integer", "0", "0 to 2147483647", "Evaluations in a row without a better loss that end the run; 0 never does"),
        new("early_stopping_threshold", "number", "0", "0 to 1000", "How much lower a loss must be to be better, in nats a token"),
    ];

    /// <summary>Steps between evaluations; 0 is none.</summary>
    public required int Steps { get; init; }

    /// <summary>Sequences of an evaluation at the most; 0 is all.</summary>
    public required int MaxSequences { get; init; }

    /// <summary>Evaluations in a row without a better loss that end the run; 0 never does.</summary>
    public required int Patience { get; init; }

    /// <summary>How much lower a loss must be to be better.</summary>
    public required double Threshold { get; init; }

    internal static EvaluationConfig Read(ConfigReader reader)
    {
        var config = new EvaluationConfig
        {
            Steps = reader.Int("eval_steps", 0, int.MaxValue, 0),
            MaxSequences = reader.Int("eval_max_sequences", 0, int.MaxValue, 0),
            Patience = reader.Int("early_stopping_patience", 0, int.MaxValue, 0),
            Threshold = reader.Number("early_stopping_threshold", 0, 1000, 0),
        };
        if (config.Patience > 0 && config.Steps == 0) reader.Conflict("early_stopping_patience is given without eval_steps; accepted: both, or early_stopping_patience 0");
        return config;
    }
}
