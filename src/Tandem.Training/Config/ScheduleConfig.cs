using Tandem.Models;

namespace Tandem.Training;

/// <summary>The keys of a configuration that make the learning rate's schedule.</summary>
public static class ScheduleConfig
{
    /// <summary>The largest learning rate that is taken for one.</summary>
    private const double LargestRate = 100;

    private static readonly (string Name, ScheduleKind Value)[] s_kinds =
    [
        ("constant", ScheduleKind.Constant),
        ("constant_with_warmup", ScheduleKind.Constant),
        ("linear", ScheduleKind.Linear),
        ("cosine", ScheduleKind.Cosine),
        ("cosine_with_min_lr", ScheduleKind.Cosine),
        ("cosine_with_restarts", ScheduleKind.CosineRestarts),
        ("polynomial", ScheduleKind.Polynomial),
        ("inverse_sqrt", ScheduleKind.InverseSqrt),
        ("warmup_stable_decay", ScheduleKind.WarmupStableDecay),
    ];

    private static readonly (string Name, DecayShape Value)[] s_shapes = [("linear", DecayShape.Linear), ("cosine", DecayShape.Cosine), ("1-sqrt", DecayShape.OneMinusSqrt)];

    private enum ScheduleKind
    {
        Constant,
        Linear,
        Cosine,
        CosineRestarts,
        Polynomial,
        InverseSqrt,
        WarmupStableDecay,
    }

    /// <summary>The keys.</summary>
    public static IReadOnlyList<ConfigKey> Keys { get; } =
    [
        new("learning_rate", "number", "5e-5", "0 to 100", "Largest learning rate"),
        new("min_learning_rate", "number", "0", "0 to learning_rate", "Learning rate at the end of a schedule that falls"),
        new("lr_scheduler_type", "choice", "\"cosine\"", string.Join(", ", s_kinds.Select(k => k.Name)), "Shape of the learning rate's schedule"),
        new("warmup_steps", "integer", "0", "0 to 2147483647", "Steps over which the learning rate rises to its peak"),
        new("warmup_ratio", "number", "0", "0 to 1", "Warm-up as a share of lr_decay_steps; instead of warmup_steps"),
        new("lr_decay_steps", "integer", "null", "1 to 2147483647", "Step at which the minimum is reached; max_steps when absent"),
        new("lr_num_cycles", "integer", "1", "1 to 1000000", "Number of cosines of cosine_with_restarts"),
        new("lr_power", "number", "1", "0 to 100", "Power of polynomial"),
        new("lr_timescale", "integer", "0", "0 to 2147483647", "Timescale of inverse_sqrt in steps; 0 is the warm-up, or 10000 without one"),
        new("lr_wsd_decay_steps", "integer", "null", "0 to 2147483647", "Steps of decay of warmup_stable_decay, at the end; a tenth of lr_decay_steps when absent"),
        new("lr_wsd_decay_type", "choice", "\"cosine\"", string.Join(", ", s_shapes.Select(s => s.Name)), "Shape of the decay of warmup_stable_decay"),
    ];

    /// <summary>Reads the keys; mistakes are noted in the reader.</summary>
    internal static LearningRateSchedule Read(ConfigReader reader, int maxSteps)
    {
        double peak = reader.Number("learning_rate", 0, LargestRate, 5e-5), minimum = reader.Number("min_learning_rate", 0, LargestRate, 0);
        ScheduleKind kind = reader.Choice("lr_scheduler_type", s_kinds, ScheduleKind.Cosine);
        int total = reader.Int("lr_decay_steps", 1, int.MaxValue, Math.Max(1, maxSteps)), warmup = reader.Int("warmup_steps", 0, int.MaxValue, 0);
        double ratio = reader.Number("warmup_ratio", 0, 1, 0);
        int cycles = reader.Int("lr_num_cycles", 1, 1_000_000, 1), timescale = reader.Int("lr_timescale", 0, int.MaxValue, 0);
        double power = reader.Number("lr_power", 0, 100, 1);
        int decay = reader.Int("lr_wsd_decay_steps", 0, int.MaxValue, total / 10);
        DecayShape shape = reader.Choice("lr_wsd_decay_type", s_shapes, DecayShape.Cosine);

        if (ratio > 0 && warmup > 0) reader.Conflict("warmup_steps and warmup_ratio are both given; accepted: one of them");
        if (warmup == 0) warmup = (int)Math.Ceiling(total * ratio);
        if (minimum > peak) reader.Conflict($"min_learning_rate {ConfigReader.Show(minimum)} is above learning_rate {ConfigReader.Show(peak)}; accepted: 0 to learning_rate");
        bool hasEnd = kind is not (ScheduleKind.Constant or ScheduleKind.InverseSqrt);
        if (hasEnd && warmup > total) reader.Conflict($"warmup_steps {warmup} is above lr_decay_steps {total}; accepted: 0 to {total}");
        else if (kind == ScheduleKind.WarmupStableDecay && decay > total - warmup) reader.Conflict($"lr_wsd_decay_steps {decay} does not fit between a warm-up of {warmup} and lr_decay_steps {total}; accepted: 0 to {total - warmup}");
        return kind switch
        {
            ScheduleKind.Constant => new ConstantSchedule(peak, warmup),
            ScheduleKind.Linear => new LinearSchedule(peak, minimum, warmup, total),
            ScheduleKind.Cosine => new CosineSchedule(peak, minimum, warmup, total),
            ScheduleKind.CosineRestarts => new CosineRestartsSchedule(peak, minimum, warmup, total, cycles),
            ScheduleKind.Polynomial => new PolynomialSchedule(peak, minimum, warmup, total, power),
            ScheduleKind.InverseSqrt => new InverseSqrtSchedule(peak, warmup, timescale),
            _ => new WsdSchedule(peak, minimum, warmup, Math.Max(0, total - warmup - decay), decay) { DecayShape = shape },
        };
    }
}
