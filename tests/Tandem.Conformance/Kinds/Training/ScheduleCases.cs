using System.Text.Json;
using Tandem.Training;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>Learning-rate schedules: the rate of every step. Step s of the reference, counted from 0, is the engine's at s.</summary>
internal static class ScheduleCases
{
    // JSON numbers are f64; two orders of the same few operations differ by less.
    private const double Tolerance = 1e-12;

    private const string Warmup = "num_warmup_steps", Total = "num_training_steps";

    // By transformers' function: the options that are understood and the schedule.
    private static readonly (string Function, string[] Options, Func<double, OptimizerOptions, LearningRateSchedule> Create)[] Table =
    [
        ("get_constant_schedule", [], (peak, _) => new ConstantSchedule(peak)),
        ("get_constant_schedule_with_warmup", [Warmup], (peak, o) => new ConstantSchedule(peak, (long)o[Warmup])),
        ("get_linear_schedule_with_warmup", [Warmup, Total], (peak, o) => new LinearSchedule(peak, 0, (long)o[Warmup], (long)o[Total])),
        ("get_cosine_schedule_with_warmup", [Warmup, Total, "num_cycles"], (peak, o) => Cosine(peak, 0, o)),
        (
            "get_cosine_with_min_lr_schedule_with_warmup", [Warmup, Total, "num_cycles", "min_lr", "min_lr_rate"],
            (peak, o) => Cosine(peak, o.Number("min_lr", peak * o["min_lr_rate"]), o)
        ),
        (
            "get_cosine_with_hard_restarts_schedule_with_warmup", [Warmup, Total, "num_cycles"],
            (peak, o) => new CosineRestartsSchedule(peak, 0, (long)o[Warmup], (long)o[Total], o.Number("num_cycles", 1))
        ),
        (
            "get_polynomial_decay_schedule_with_warmup", [Warmup, Total, "lr_end", "power"],
            (peak, o) => new PolynomialSchedule(peak, o.Number("lr_end", 1e-7), (long)o[Warmup], (long)o[Total], o.Number("power", 1))
        ),
        ("get_inverse_sqrt_schedule", [Warmup, "timescale"], (peak, o) => new InverseSqrtSchedule(peak, (long)o[Warmup], (long)o["timescale"])),
        (
            "get_wsd_schedule", [Warmup, Total, "num_stable_steps", "num_decay_steps", "min_lr_ratio", "num_cycles", "warmup_type", "decay_type"],
            (peak, o) => new WsdSchedule(
                peak,
                peak * o["min_lr_ratio"],
                (long)o[Warmup],
                (long)o.Number("num_stable_steps", o[Total] - o[Warmup] - o["num_decay_steps"]),
                (long)o["num_decay_steps"])
            {
                WarmupShape = Shape(o.Text("warmup_type") ?? "linear"),
                DecayShape = Shape(o.Text("decay_type") ?? "cosine"),
                Cycles = o.Number("num_cycles", 0.5),
            }
        ),
    ];

    /// <summary>Runs the cases of <c>schedules.json</c>.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        foreach (JsonProperty entry in folder.Json("schedules.json").EnumerateObject())
        {
            context.Report.Case($"{folder.Name}/schedules.json {entry.Name}", checks =>
            {
                var options = new OptimizerOptions(entry.Value.GetProperty("options"));
                string? function = entry.Value.GetProperty("function").GetString();
                (_, string[]? known, Func<double, OptimizerOptions, LearningRateSchedule>? create) = Array.Find(Table, row => row.Function == function);
                if (create == null) throw new UnsupportedException($"schedule {function}");
                if (options.Names.FirstOrDefault(o => !known.Contains(o)) is { } unknown) throw new UnsupportedException($"schedule {function}: {unknown}");
                double peak = entry.Value.GetProperty("base_lr").GetDouble(), worst = 0;
                LearningRateSchedule schedule = create(peak, options);
                long step = 0;
                foreach (JsonElement rate in entry.Value.GetProperty("lr").EnumerateArray())
                    worst = Math.Max(worst, Math.Abs(rate.GetDouble() - schedule.At(step++)));
                checks.Within($"lr of {step} steps", worst / peak, Tolerance);
            });
        }
    }

    private static CosineSchedule Cosine(double peak, double minimum, OptimizerOptions o) =>
        new(peak, minimum, (long)o[Warmup], (long)o[Total]) { Cycles = o.Number("num_cycles", 0.5), HoldsAtEnd = false };

    private static DecayShape Shape(string name) => name switch
    {
        "linear" => DecayShape.Linear,
        "cosine" => DecayShape.Cosine,
        "1-sqrt" => DecayShape.OneMinusSqrt,
        _ => throw new UnsupportedException($"schedule shape {name}"),
    };
}
