using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tandem.Graph.Ops;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>
/// Optimizers on a problem whose gradients do not depend on the weights: all weights after every step, the state after the last. And moving averages.
/// </summary>
internal static partial class OptimizerCases
{
    /// <summary>File with the initial weights and the gradients.</summary>
    public const string Problem = "problem.safetensors";

    private const string Averages = "ema";

    // PyTorch's Muon multiplies in bf16, which costs one to two hundredths of a step (single steps up to 0.026, by the goldens of both).
    private const double MuonBFloat16Tolerance = 0.02;

    private static readonly Dictionary<string, string> TorchAdamStates = new() { ["m"] = "exp_avg", ["v"] = "exp_avg_sq" };

    private static readonly Dictionary<string, string> TorchMomentum = new() { ["m"] = "momentum_buffer", ["momentum"] = "momentum_buffer" };

    // By the program whose optimizer it is: the options that are understood, the goldens' names of the op's states, the op.
    private static readonly Row[] Table =
    [
        new(
            "torch.optim.AdamW", ["lr", "betas", "eps", "weight_decay"], TorchAdamStates,
            o => new AdamW(o.At("betas", 0), o.At("betas", 1), o["eps"], o["weight_decay"])),
        new(
            "torch.optim.Adam", ["lr", "betas", "eps", "weight_decay"], TorchAdamStates,
            o => new Adam(o.At("betas", 0), o.At("betas", 1), o["eps"], o["weight_decay"])),
        new(
            "torch.optim.SGD", ["lr", "momentum", "dampening", "nesterov", "weight_decay"], TorchMomentum,
            o => new Sgd(o["momentum"], o.Flag("nesterov"), o["dampening"], o["weight_decay"])),
        new("own code: Lion", ["lr", "beta1", "beta2", "weight_decay"], [], o => new Lion(o["beta1"], o["beta2"], o["weight_decay"])),
        new(
            "torch.optim.Adafactor", ["lr", "beta2_decay", "eps", "d", "weight_decay"], new() { ["row"] = "row_var", ["column"] = "col_var", ["v"] = "variance" },
            o => new Adafactor(o["beta2_decay"], o.At("eps", 0), o.At("eps", 1), o["d"], o["weight_decay"]) { Form = AdafactorForm.Torch }),
        new(
            "transformers.Adafactor", ["lr", "scale_parameter", "relative_step", "warmup_init", "weight_decay", "eps", "clip_threshold", "decay_rate", "beta1"],
            new() { ["row"] = "exp_avg_sq_row", ["column"] = "exp_avg_sq_col", ["v"] = "exp_avg_sq", ["m"] = "exp_avg" },
            o => new Adafactor(o["decay_rate"], o.At("eps", 0), o.At("eps", 1), o["clip_threshold"], o["weight_decay"])
            {
                Beta1 = o["beta1"],
                RelativeStep = o.Flag("relative_step"),
                ScaleParameter = o.Flag("scale_parameter"),
                WarmupInit = o.Flag("warmup_init"),
            }),
        new(
            "own code: MuonExact", ["lr", "weight_decay", "momentum", "nesterov", "ns_steps", "coef", "adjust"], new() { ["momentum"] = "m" },
            o => Muon(o, "coef", "adjust")),
        new(
            "torch.optim.Muon", ["lr", "weight_decay", "momentum", "nesterov", "ns_steps", "ns_coefficients", "adjust_lr_fn", "eps"], TorchMomentum,
            o => Muon(o, "ns_coefficients", "adjust_lr_fn")) { StepTolerance = MuonBFloat16Tolerance },
    ];

    /// <summary>Runs the cases that <c>index.json</c> lists.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        GoldenTensors problem = folder.Tensors(Problem);
        foreach (JsonProperty entry in folder.Json("index.json").EnumerateObject())
        {
            context.Report.Case($"{folder.Name}/{entry.Name}", checks =>
            {
                GoldenTensors golden = folder.Tensors(entry.Name + ".safetensors");
                if (entry.Name == Averages) CompareAverages(golden, entry.Value.GetProperty("formula").GetString()!, context, checks);
                else Compare(Find(entry), entry.Value, problem, golden, context, checks);
            });
        }
    }

    private static Row Find(JsonProperty entry)
    {
        string? source = entry.Value.GetProperty("source").GetString();
        Row row = Array.Find(Table, r => r.Source == source) ?? throw new UnsupportedException($"optimizer {entry.Name}");
        string? unknown = new OptimizerOptions(entry.Value.GetProperty("options")).Names.FirstOrDefault(o => !row.Options.Contains(o));
        return unknown == null ? row : throw new UnsupportedException($"optimizer {entry.Name}: {unknown}");
    }

    private static Muon Muon(OptimizerOptions o, string coefficients, string adjust)
    {
        float[] wanted = [Tandem.Graph.Ops.Muon.A, Tandem.Graph.Ops.Muon.B, Tandem.Graph.Ops.Muon.C];
        if (o["ns_steps"] != Tandem.Graph.Ops.Muon.Iterations || wanted.Where((c, i) => c != (float)o.At(coefficients, i)).Any())
            throw new UnsupportedException("optimizer muon: another iteration");
        return new Muon(o["momentum"], o.Flag("nesterov"), o["weight_decay"])
        {
            Adjust = o.Text(adjust) switch
            {
                "original" => MuonAdjust.Original,
                "match_rms_adamw" => MuonAdjust.MatchAdamW,
                var other => throw new UnsupportedException($"optimizer muon: {adjust} {other}"),
            },
        };
    }

    private static void Compare(
        Row row, JsonElement entry, GoldenTensors problem, GoldenTensors golden, RunContext context, Checks checks)
    {
        var options = new OptimizerOptions(entry.GetProperty("options"));
        JsonElement deviations = entry.GetProperty("fp32_max_rel");
        OptimizerOp op = row.Create(options);
        string[] weights = [.. golden.Names.Where(n => n.StartsWith("param.", StringComparison.Ordinal)).Select(n => n["param.".Length..])];
        foreach (string weight in weights)
        {
            float[] start = problem.Floats("param." + weight), gradients = problem.Floats("grad." + weight), expected = golden.Floats("param." + weight);
            using var runner = new OptimizerRunner(op, problem.Shape("param." + weight), context.Team);
            start.CopyTo(runner.Weight);
            var actual = new List<float>();
            for (int t = 0; t < problem.Shape("grad." + weight)[0]; t++)
            {
                gradients.AsSpan(t * start.Length, start.Length).CopyTo(runner.Gradient);
                runner.Step(options["lr"], 1, t + 1);
                actual.AddRange(runner.Weight);
            }

            double allowed = OpCase.Allowed(deviations.GetProperty(weight).GetDouble());
            if (row.StepTolerance > 0) CompareSteps($"param.{weight}", start, expected, actual.ToArray(), row.StepTolerance, checks);
            else checks.MaxRelative($"param.{weight}", expected, actual.ToArray(), allowed);
            foreach (OptimizerState state in op.StatesOf(runner.Type))
            {
                string name = $"state.{row.States.GetValueOrDefault(state.Kind, state.Kind)}.{weight}";
                checks.MaxRelative(name, golden.Floats(name), runner.State(state.Kind), allowed);
            }
        }

        foreach (string name in golden.Names.Where(n => !checks.All.Any(c => c.What.EndsWith(n, StringComparison.Ordinal))))
            checks.Fail(name, "was not compared");
    }

    // How far the steps are from the reference's, relative to them, over the whole run.
    private static void CompareSteps(string what, float[] start, float[] expected, float[] actual, double tolerance, Checks checks)
    {
        double difference = 0, size = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            bool first = i < start.Length;
            double wanted = expected[i] - (first ? start[i] : expected[i - start.Length]), step = actual[i] - (first ? start[i] : actual[i - start.Length]);
            difference += (step - wanted) * (step - wanted);
            size += wanted * wanted;
        }

        checks.Within($"steps of {what}", Math.Sqrt(difference / size), tolerance);
    }

    private static void CompareAverages(GoldenTensors golden, string formula, RunContext context, Checks checks)
    {
        // The decays stand in the formula: constant: d_t = 0.9; warmup: d_t = min(0.9, (1+t)/(10+t)).
        double[] decays = [.. DecayPattern().Matches(formula).Select(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))];
        if (decays.Length != 2) throw new UnsupportedException($"averages by {formula}");
        (string Prefix, Ema Op)[] kinds = [("ema_constant.", new Ema(decays[0])), ("ema_warmup.", new Ema(decays[1], Warmup: true))];
        foreach (string name in golden.Names.Where(n => n.StartsWith("ema_", StringComparison.Ordinal)))
        {
            (string prefix, Ema op) = Array.Find(kinds, k => name.StartsWith(k.Prefix, StringComparison.Ordinal));
            if (prefix == null) throw new UnsupportedException($"averages {name}");
            string input = "input." + name[prefix.Length..];
            float[] series = golden.Floats(input);
            int[] shape = golden.Shape(input);
            using var runner = new OptimizerRunner(op, shape[1..], context.Team);
            int size = series.Length / shape[0];
            series.AsSpan(0, size).CopyTo(runner.Average);
            var actual = new List<float>();
            for (int t = 1; t < shape[0]; t++)
            {
                series.AsSpan(t * size, size).CopyTo(runner.Weight);
                runner.Step(0, 1, t);
                actual.AddRange(runner.Average);
            }

            checks.MaxRelative(name, golden.Floats(name), actual.ToArray(), OpCase.LeastTolerance);
        }
    }

    [GeneratedRegex(@"d_t = (?:min\()?([0-9.]+)")]
    private static partial Regex DecayPattern();

    /// <summary>A program's optimizer and the engine's.</summary>
    private sealed record Row(string Source, string[] Options, Dictionary<string, string> States, Func<OptimizerOptions, OptimizerOp> Create)
    {
        /// <summary>Where the reference is inexact itself: how far a step may be off, relative to the step.</summary>
        public double StepTolerance { get; init; }
    }
}
