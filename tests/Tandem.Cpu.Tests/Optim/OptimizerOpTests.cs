using CsCheck;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.TestKit;
using Xunit;

namespace Tandem.Cpu.Tests;

/// <summary>Optimizers as ops of a graph: PyTorch's and transformers' trajectories in every layout, the f64 twins on odd shapes, narrow weights, averages.</summary>
public sealed unsafe class OptimizerOpTests
{
    private const int Steps = 10;

    private static readonly Dictionary<string, Golden> s_goldens = new()
    {
        ["adamw"] = new(new AdamW(0.9, 0.95, 1e-8, 0.1), 0.01, ("m", "exp_avg"), ("v", "exp_avg_sq")),
        ["adam_l2"] = new(new Adam(0.9, 0.999, 1e-8, 0.1), 0.01, ("m", "exp_avg"), ("v", "exp_avg_sq")),
        ["sgd"] = new(new Sgd(0, false, 0, 0.1), 0.01),
        ["sgd_momentum"] = new(new Sgd(0.9, false, 0, 0.1), 0.01, ("m", "momentum_buffer")),
        ["sgd_nesterov"] = new(new Sgd(0.9, true, 0, 0.1), 0.01, ("m", "momentum_buffer")),
        ["lion"] = new(new Lion(0.9, 0.99, 0.1), 1e-3, ("m", "m")),
        ["adafactor_torch"] = new(
            new Adafactor(-0.8, 1.1920928955078125e-07, 1e-3, 1, 0.1) { Form = AdafactorForm.Torch }, 0.01, ("row", "row_var"), ("column", "col_var"), ("v", "variance")),
        ["adafactor_hf_relative"] = new(
            new Adafactor(-0.8, 1e-30, 1e-3, 1, 0) { RelativeStep = true, ScaleParameter = true }, 1, ("row", "exp_avg_sq_row"), ("column", "exp_avg_sq_col"), ("v", "exp_avg_sq")),
        ["adafactor_hf_fixed_lr"] = new(
            new Adafactor(-0.8, 1e-30, 1e-3, 1, 0.1) { Beta1 = 0.9 }, 0.01, ("row", "exp_avg_sq_row"), ("column", "exp_avg_sq_col"), ("v", "exp_avg_sq"), ("m", "exp_avg")),
        ["muon_exact_original"] = new(new Muon(0.95, true, 0.1), 0.02, ("momentum", "m")),
        ["muon_exact_match_rms"] = new(new Muon(0.95, false, 0.1) { Adjust = MuonAdjust.MatchAdamW }, 0.02, ("momentum", "m")),
    };

    private static readonly OptimizerOp[] s_optimizers =
    [
        .. s_goldens.Values.Select(g => g.Optimizer), new Sgd(0.9, false, 0.3, 0), new AdamW(0.9, 0.95, 1e-8, 0.1) { LearningRateFactor = 0.25 },
        new Adafactor(-0.8, 1e-30, 1e-3, 1, 0.1) { RelativeStep = true, WarmupInit = true, Beta1 = 0.5 },
    ];

    public static TheoryData<string, Layout> GoldenCases
    {
        get
        {
            var cases = new TheoryData<string, Layout>();
            foreach (string name in s_goldens.Keys)
                foreach (Layout layout in (Layout[])[Layout.RowMajor, Layout.Panel16, Layout.Panel16Transposed]) cases.Add(name, layout);
            return cases;
        }
    }

    public static TheoryData<int> Optimizers => [.. Enumerable.Range(0, s_optimizers.Length)];

    [Theory]
    [MemberData(nameof(GoldenCases))]
    public void Trajectories_are_those_of_the_goldens(string name, Layout layout)
    {
        Golden golden = s_goldens[name];
        Goldens problem = Goldens.Load("optim/problem"), file = Goldens.Load("optim/" + name);
        var types = new Dictionary<string, TensorType>();
        foreach (string tensor in (string[])["w_wide", "w_tall", "b"])
            if (file.Has("param." + tensor)) types[tensor] = Type(problem.Shape("param." + tensor), layout);
        using var run = new OptimizerRun(golden.Optimizer, types);
        foreach (string tensor in types.Keys) run.Set(tensor, problem.Floats("param." + tensor));
        for (int t = 1; t <= Steps; t++)
        {
            run.Step(golden.LearningRate, t, types.ToDictionary(p => p.Key, p => Part(problem.Floats("grad." + p.Key), t)));
            foreach (string tensor in types.Keys) Check(file, tensor, $"step {t}", Part(file.Floats("param." + tensor), t), run.Get(tensor));
        }

        foreach (string tensor in types.Keys)
        {
            foreach ((string kind, string stored) in golden.States.Where(s => file.Has($"state.{s.Stored}.{tensor}")))
                Check(file, tensor, kind, file.Floats($"state.{stored}.{tensor}"), run.Get(AddOptimizer.StateName(kind, tensor)));
            PaddingIsZero(run, tensor);
        }
    }

    [Fact]
    public void Muon_is_within_the_rounding_of_torchs_bf16_iteration()
    {
        Goldens problem = Goldens.Load("optim/problem"), file = Goldens.Load("optim/muon_torch_bf16");
        var types = new Dictionary<string, TensorType>();
        foreach (string tensor in (string[])["w_wide", "w_tall"]) types[tensor] = Type(problem.Shape("param." + tensor), Layout.Panel16);
        var op = new Muon(0.95, true, 0.1);
        using var run = new OptimizerRun(op, types);
        foreach (string tensor in types.Keys) run.Set(tensor, problem.Floats("param." + tensor));
        for (int t = 1; t <= Steps; t++)
        {
            run.Step(0.02, t, types.ToDictionary(p => p.Key, p => Part(problem.Floats("grad." + p.Key), t)));
            foreach ((string tensor, TensorType type) in types)
            {
                float[] wanted = Part(file.Floats("param." + tensor), t), actual = run.Get(tensor);
                double update = 0.02 * op.Adjustment(type.Dims[0], type.Dims[1]);
                Assert.All(wanted.Zip(actual), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 0.02 * t * update));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void Kernels_agree_with_the_twins_on_odd_shapes(int index) => Gen.Select(Gen.Int[1, 40], Gen.Int[1, 40], Gen.Int[0, 2], Gen.Int[1, 3], Gen.Int[0, 1000]).Sample(
        (rows, columns, layout, threads, seed) =>
        {
            OptimizerOp op = s_optimizers[index];
            TensorType type = Type([rows, columns], ((Layout[])[Layout.RowMajor, Layout.Panel16, Layout.Panel16Transposed])[layout]);
            using var run = new OptimizerRun(op, new Dictionary<string, TensorType> { ["w"] = type }, threads: threads);
            float[] start = Random(rows * columns, seed);
            run.Set("w", start);
            double[] p = [.. start.Select(x => (double)x)];
            double[][] states = [.. op.StatesOf(type).Select(s => new double[s.Type.Width])];
            for (int t = 1; t <= 3; t++)
            {
                float[] gradient = Random(rows * columns, seed + t);
                double[] hyper = [0.01, 0.5, t, 0, 0, 0, 0, 0], g = [.. gradient.Select(x => (double)x)];
                run.Step(0.01, t, new Dictionary<string, float[]> { ["w"] = gradient }, scale: 0.5);
                OptimizerReference.Step(op, hyper, type, p, g, states);
                Assert.All(run.Get(GradientBuilder.AccumulatorName("w")), x => Assert.Equal(0f, x));
            }

            // Lion's sign may turn where its argument is rounding noise.
            double largest = p.Max(Math.Abs);
            int off = p.Zip(run.Get("w"), (a, b) => Math.Abs(a - b)).Count(d => !(d <= 1e-5 * largest));
            Assert.True(off <= (op is Lion ? 1 : 0), $"{op.Describe()} {type}: {off} elements are off");
            PaddingIsZero(run, "w");
        },
        iter: 30);

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void The_layout_and_the_threads_change_no_bit(int index)
    {
        OptimizerOp op = s_optimizers[index];
        float[] Run(Layout layout, int threads)
        {
            using var run = new OptimizerRun(op, new Dictionary<string, TensorType> { ["w"] = Type([37, 51], layout) }, threads: threads);
            run.Set("w", Random(37 * 51, 1));
            for (int t = 1; t <= 4; t++) run.Step(0.01, t, new Dictionary<string, float[]> { ["w"] = Random(37 * 51, 10 + t) }, 0.3);
            return run.Get("w");
        }

        float[] expected = Run(Layout.RowMajor, 1);
        foreach (Layout layout in (Layout[])[Layout.RowMajor, Layout.Panel16, Layout.Panel16Transposed])
            Assert.Equal(expected, Run(layout, 3));
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void Narrow_weights_are_the_rounded_f32_trajectory(int index)
    {
        OptimizerOp op = s_optimizers[index];
        foreach (Layout layout in (Layout[])[Layout.RowMajor, Layout.Panel16, Layout.Panel16Transposed])
        {
            TensorType type = Type([19, 35], layout);
            using var exact = new OptimizerRun(op, new Dictionary<string, TensorType> { ["w"] = type });
            using var bf16 = new OptimizerRun(op, new Dictionary<string, TensorType> { ["w"] = type.With(DType.BF16) });
            using var f16 = new OptimizerRun(op, new Dictionary<string, TensorType> { ["w"] = type.With(DType.F16) });
            OptimizerRun[] runs = [exact, bf16, f16];
            foreach (OptimizerRun run in runs) run.Set("w", Random(19 * 35, 3));
            for (int t = 1; t <= 4; t++)
            {
                var gradients = new Dictionary<string, float[]> { ["w"] = Random(19 * 35, 20 + t) };
                foreach (OptimizerRun run in runs) run.Step(0.01, t, gradients, 0.7);
                float[] wanted = exact.Get("w");
                Assert.Equal(wanted, bf16.Get("master.w"));
                Assert.Equal(wanted, f16.Get("master.w"));
                Assert.Equal(wanted.Select(x => BFloat16.FromSingle(x).ToSingle()), bf16.Get("w"));
                Assert.Equal(wanted.Select(x => (float)(Half)x), f16.Get("w"));
            }

            PaddingIsZero(bf16, "w");
            PaddingIsZero(f16, "w");
        }
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void Stochastic_rounding_is_reproducible_whatever_the_layout(int index)
    {
        OptimizerOp op = s_optimizers[index] with { StochasticRounding = 5 };
        float[] Run(Layout layout, OptimizerOp optimizer, int threads)
        {
            using var run = new OptimizerRun(optimizer, new Dictionary<string, TensorType> { ["w"] = Type([19, 35], layout).With(DType.BF16) }, threads: threads);
            Assert.DoesNotContain(run.Graph.States, s => s.Name.StartsWith("master.", StringComparison.Ordinal));
            run.Set("w", Random(19 * 35, 3));
            for (int t = 1; t <= 4; t++) run.Step(0.01, t, new Dictionary<string, float[]> { ["w"] = Random(19 * 35, 20 + t) });
            PaddingIsZero(run, "w");
            return run.Get("w");
        }

        float[] expected = Run(Layout.RowMajor, op, 1);
        Assert.Equal(expected, Run(Layout.Panel16, op, 3));
        Assert.Equal(expected, Run(Layout.Panel16Transposed, op, 2));
        Assert.NotEqual(expected, Run(Layout.RowMajor, op with { StochasticRounding = 6 }, 1));
    }

    [Fact]
    public void Stochastic_rounding_is_without_bias()
    {
        // A step far below half a unit of bf16's last place would be lost by rounding to nearest; on the mean it must arrive.
        const int N = 20000;
        const double Rate = 1e-4;
        var op = new Sgd(0, false, 0, 0) { StochasticRounding = 1 };
        using var run = new OptimizerRun(op, new Dictionary<string, TensorType> { ["w"] = new TensorType(DType.BF16, RowSymbol.None, N) });
        var ones = new float[N];
        ones.AsSpan().Fill(1);
        run.Set("w", ones);
        for (int t = 1; t <= 20; t++) run.Step(-Rate, t, new Dictionary<string, float[]> { ["w"] = ones });
        double mean = run.Get("w").Average(x => (double)x), deviation = 1.0 / 128 * Math.Sqrt(20 * Rate * 128 / N);
        Assert.InRange(mean, 1 + (20 * Rate) - (5 * deviation), 1 + (20 * Rate) + (5 * deviation));
    }

    [Theory]
    [InlineData("constant", false)]
    [InlineData("warmup", true)]
    public void Averages_are_those_of_the_goldens(string kind, bool warmup)
    {
        Goldens file = Goldens.Load("optim/ema");
        foreach (DType dtype in (DType[])[DType.F32, DType.BF16])
        {
            foreach (string tensor in (string[])["w_wide", "w_tall"])
            {
                float[] inputs = file.Floats("input." + tensor), wanted = file.Floats($"ema_{kind}.{tensor}");
                TensorType type = Type(file.Shape("input." + tensor)[1..], Layout.Panel16).With(dtype);
                using var run = new OptimizerRun(
                    new Sgd(0, false, 0, 0), new Dictionary<string, TensorType> { [tensor] = type }, new UpdateOptions { Groups = [], Ema = new Ema(0.9, warmup) });
                run.Set(tensor, Part(inputs, 1));
                for (int t = 1; t < Steps; t++)
                {
                    // Descent without momentum at rate 1 from one input to the next.
                    float[] next = Part(inputs, t + 1), before = run.Get(dtype == DType.F32 ? tensor : AddOptimizer.MasterName(tensor));
                    run.Step(1, t, new Dictionary<string, float[]> { [tensor] = [.. before.Zip(next, (a, b) => a - b)] });
                    file.Check($"ema of {tensor} at {t}", wanted.AsSpan((t - 1) * next.Length, next.Length), run.Get(AddOptimizer.AverageName(tensor)), 2e-6);
                }
            }
        }
    }

    [Fact]
    public void Groups_give_decay_and_rate_and_vectors_do_not_decay()
    {
        var types = new Dictionary<string, TensorType>
        {
            ["a.weight"] = new(DType.F32, RowSymbol.None, 4, 4),
            ["b.weight"] = new(DType.F32, RowSymbol.None, 4, 4),
            ["norm"] = new(DType.F32, RowSymbol.None, 4),
        };
        var slow = new ParameterGroup("slow", p => p.Name == "b.weight") { LearningRateFactor = 0.5 };
        using var run = new OptimizerRun(new Sgd(0, false, 0, 0.1), types, new UpdateOptions { Groups = [slow, ParameterGroup.Vectors] });
        foreach ((string name, TensorType type) in types) run.Set(name, [.. Enumerable.Repeat(1f, (int)type.Width)]);
        run.Step(1, 1, types.ToDictionary(t => t.Key, t => new float[t.Value.Width]));
        Assert.All(run.Get("a.weight"), x => Assert.Equal(0.9f, x));
        Assert.All(run.Get("b.weight"), x => Assert.Equal(0.95f, x));
        Assert.All(run.Get("norm"), x => Assert.Equal(1f, x));
        Assert.Equal(3, run.Graph.Nodes.Count(n => n.Op is Sgd));
    }

    [Fact]
    public void Muon_leaves_vectors_embeddings_and_the_head_to_adamw()
    {
        var builder = new GraphBuilder("g");
        var matrix = new TensorType(DType.F32, RowSymbol.None, 8, 8);
        Value table = builder.Parameter("table", matrix), hidden = builder.Parameter("hidden", matrix), norm = builder.Parameter("norm", new TensorType(DType.F32, RowSymbol.None, 8));
        builder.Apply(new Embedding(), "embedding", table, builder.Input("tokens", new TensorType(DType.I32, RowSymbol.Tokens)));
        foreach (Value p in (Value[])[table, hidden, norm]) builder.State(GradientBuilder.AccumulatorName(p.Name), p.Type);
        ModelGraph graph = AddOptimizer.Run(builder.Build(), new Muon(0.95, true, 0.1));
        Assert.Equal(["hidden"], graph.Nodes.Where(n => n.Op is Muon).Select(n => n.Inputs[1].Name));
        Assert.Equal(["norm", "table"], graph.Nodes.Where(n => n.Op is AdamW).SelectMany(n => n.Inputs).Where(v => v.Kind == ValueKind.Parameter).Select(v => v.Name).Order());
        Assert.Equal(["optim.m.norm", "optim.m.table", "optim.momentum.hidden", "optim.v.norm", "optim.v.table"], graph.States.Where(AddOptimizer.IsSaved).Select(s => s.Name).Order());
    }

    [Fact]
    public void Wrong_operands_are_refused_by_name()
    {
        var types = new Dictionary<string, TensorType> { ["w"] = new(DType.F16, RowSymbol.None, 4, 4) };
        Assert.Contains("stochastic rounding is for bf16", Assert.Throws<GraphException>(() => new OptimizerRun(new Lion(0.9, 0.99, 0) { StochasticRounding = 1 }, types)).Message, StringComparison.Ordinal);
        Assert.Contains("dampening 0.1", Assert.Throws<GraphException>(() => new OptimizerRun(new Sgd(0.9, true, 0.1, 0), types)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        foreach (OptimizerOp op in s_optimizers)
        {
            using var run = new OptimizerRun(op, new Dictionary<string, TensorType> { ["w"] = Type([40, 40], Layout.Panel16) }, new UpdateOptions { Groups = [], Ema = new Ema(0.9) }, threads: 1);
            for (int t = 1; t <= 3; t++) run.Step(0.01, t);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int t = 4; t <= 8; t++) run.Step(0.01, t);
            Assert.True(GC.GetAllocatedBytesForCurrentThread() == before, op.Describe());
        }
    }

    private static TensorType Type(int[] shape, Layout layout) => new TensorType(DType.F32, RowSymbol.None, shape).With(shape.Length == 2 ? layout : Layout.RowMajor);

    private static float[] Part(float[] steps, int t)
    {
        int n = steps.Length / Steps;
        return steps.AsSpan((t - 1) * n, n).ToArray();
    }

    private static float[] Random(int n, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, n).Select(_ => (2 * random.NextSingle()) - 1)];
    }

    private static void Check(Goldens golden, string tensor, string what, float[] wanted, float[] actual) =>
        golden.Check($"{tensor} {what}", wanted, actual, Math.Max(10 * golden.Index.GetProperty("fp32_max_rel").GetProperty(tensor).GetDouble(), 2e-6));

    // The weight, its gradient and everything kept for it have as many zero elements more as they have padding.
    private static void PaddingIsZero(OptimizerRun run, string tensor)
    {
        foreach (Value value in run.Graph.Values.Where(v => v.Kind is ValueKind.Parameter or ValueKind.State && v.Name.EndsWith(tensor, StringComparison.Ordinal)))
        {
            int size = value.Type.DType.Size();
            var logical = new HashSet<long>(Enumerable.Range(0, (int)value.Type.Width).Select(i => Layouts.Place(value.Type, i)));
            byte[] bytes = run.Bytes(value.Name);
            for (int i = 0; i < bytes.Length / size; i++)
                if (!logical.Contains(i)) Assert.All(bytes.AsSpan(i * size, size).ToArray(), b => Assert.Equal(0, b));
        }
    }

    private sealed record Golden(OptimizerOp Optimizer, double LearningRate, params (string Kind, string Stored)[] States);
}
