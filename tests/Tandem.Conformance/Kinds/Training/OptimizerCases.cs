using System.Text.Json;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>Optimizers on a problem whose gradients do not depend on the weights: all weights after every step, the state after the last.</summary>
internal static unsafe class OptimizerCases
{
    /// <summary>File with the initial weights and the gradients.</summary>
    public const string Problem = "problem.safetensors";

    // By the program whose optimizer it is. States are the goldens' names, in the order of the op's operands.
    private static readonly (string Source, string[] Options, Func<Options, (Op Op, string[] States)> Create)[] Table =
    [
        ("torch.optim.AdamW", ["lr", "betas", "eps", "weight_decay"], o => (new AdamW(o.Beta(0), o.Beta(1), o["eps"], o["weight_decay"]), ["exp_avg", "exp_avg_sq"])),
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
                if (!entry.Value.TryGetProperty("source", out JsonElement source)) throw new UnsupportedException(entry.Name);
                var options = new Options(entry.Value.GetProperty("options"));
                (_, string[]? known, Func<Options, (Op Op, string[] States)>? create) = Array.Find(Table, row => row.Source == source.GetString());
                if (create == null) throw new UnsupportedException($"optimizer {entry.Name}");
                if (options.Names.FirstOrDefault(o => !known.Contains(o)) is { } unknown) throw new UnsupportedException($"optimizer {entry.Name}: {unknown}");
                (Op op, string[] states) = create(options);
                Compare(op, states, options["lr"], problem, golden, entry.Value.GetProperty("fp32_max_rel"), context, checks);
            });
        }
    }

    private static void Compare(
        Op op, string[] states, double learningRate, GoldenTensors problem, GoldenTensors golden, JsonElement deviations, RunContext context, Checks checks)
    {
        string[] weights = [.. golden.Names.Where(n => n.StartsWith("param.", StringComparison.Ordinal)).Select(n => n["param.".Length..])];
        var builder = new GraphBuilder("optimizer") { Stage = Stage.Update };
        var operands = new List<Value> { builder.Input("hyper", AdamW.HyperType) };
        foreach (string weight in weights)
        {
            var type = new TensorType(DType.F32, RowSymbol.None, problem.Shape("param." + weight));
            operands.AddRange([builder.Parameter(weight, type), builder.State("grad." + weight, type), .. states.Select(s => builder.State($"state.{s}.{weight}", type))]);
        }

        builder.ApplyAll(op, "step", [.. operands]);
        var plan = Plan.Compile(builder.Build(), new StepSizes(1, 1, 1, 1), CpuBackend.Instance, context.Team.Workers);
        using var instance = new CpuInstance(plan, context.Team);
        foreach (string weight in weights) problem.Floats("param." + weight).CopyTo(Memory(instance, weight));
        var after = weights.ToDictionary(w => w, _ => new List<float>());
        double* hyper = (double*)instance["hyper"];
        int steps = problem.Shape("grad." + weights[0])[0];
        for (int t = 0; t < steps; t++)
        {
            hyper[AdamW.LearningRate] = learningRate;
            hyper[AdamW.GradientScale] = 1;
            hyper[AdamW.StepNumber] = t + 1;
            foreach (string weight in weights)
            {
                Span<float> gradient = Memory(instance, "grad." + weight);
                problem.Floats("grad." + weight).AsSpan(t * gradient.Length, gradient.Length).CopyTo(gradient);
            }

            instance.Run(Stage.Update, default, default);
            foreach (string weight in weights) after[weight].AddRange(Memory(instance, weight));
        }

        foreach (string weight in weights)
        {
            double allowed = OpCase.Allowed(deviations.GetProperty(weight).GetDouble());
            checks.MaxRelative("param." + weight, golden.Floats("param." + weight), after[weight].ToArray(), allowed);
            foreach (string state in states.Select(s => $"state.{s}.{weight}")) checks.MaxRelative(state, golden.Floats(state), Memory(instance, state), allowed);
        }
    }

    private static Span<float> Memory(CpuInstance instance, string name)
    {
        Value value = instance.Plan.Graph.Find(name);
        return new Span<float>(instance[value], (int)value.Type.Width);
    }

    /// <summary>The options of a case.</summary>
    private sealed class Options(JsonElement options)
    {
        /// <summary>The options that are set.</summary>
        public IEnumerable<string> Names => options.EnumerateObject().Where(o => o.Value.ValueKind is not (JsonValueKind.False or JsonValueKind.Null)).Select(o => o.Name);

        /// <summary>A number; 0 if it is absent.</summary>
        public double this[string name] => options.TryGetProperty(name, out JsonElement value) ? value.GetDouble() : 0;

        /// <summary>One of the betas.</summary>
        public double Beta(int index) => options.GetProperty("betas")[index].GetDouble();
    }
}
