using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.Models;
using Tandem.TestKit;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>
/// Each op between an embedding and a loss head, on odd shapes: the twin's gradients are finite differences, the kernels' are the twin's.
/// </summary>
public sealed unsafe class OpTests
{
    private const int Vocabulary = 23;
    private const int Positions = 40;

    // Three heads of seven.
    private const int Width = 21;

    private static readonly Dictionary<string, Func<GraphBuilder, Value, Value>> Bodies = new()
    {
        ["layer norm"] = (g, x) => g.ApplyAll(new LayerNorm(1e-3f), "norm", x, Weight(g, "w", Width), Weight(g, "b", Width))[0],
        ["layer norm without bias"] = (g, x) => g.ApplyAll(new LayerNorm(1e-3f), "norm", x, Weight(g, "w", Width))[0],
        ["layer norm and residual"] = (g, x) => g.Apply(new Add(), "sum", x, g.ApplyAll(new LayerNorm(1e-3f), "norm", x, Weight(g, "w", Width))[0]),
        ["silu"] = (g, x) => g.Apply(new Activation(ActivationKind.Silu), "act", x),
        ["gelu tanh"] = (g, x) => g.Apply(new Activation(ActivationKind.GeluTanh), "act", x),
        ["gelu erf"] = (g, x) => g.Apply(new Activation(ActivationKind.GeluErf), "act", x),
        ["relu"] = (g, x) => g.Apply(new Activation(ActivationKind.Relu), "act", x),
        ["relu2"] = (g, x) => g.Apply(new Activation(ActivationKind.Relu2), "act", x),
        ["reglu"] = (g, x) => Gated(g, x, ActivationKind.Relu),
        ["geglu"] = (g, x) => Gated(g, x, ActivationKind.GeluErf),
        ["linear"] = (g, x) => g.Apply(new Linear(), "linear", x, Weight(g, "w", 19, Width), Weight(g, "b", 19)),
        ["linear transposed"] = (g, x) => g.Apply(new Linear(Transposed: true), "linear", x, Weight(g, "w", Width, 19), Weight(g, "b", 19)),
        ["linear transposed, x read twice"] = (g, x) => g.Apply(
            new Add(), "sum", g.Apply(new Linear(true), "one", x, Weight(g, "w", Width, 35)), g.Apply(new Linear(true), "two", x, Weight(g, "v", Width, 35))),
        ["split columns"] = (g, x) =>
        {
            IReadOnlyList<Value> parts = g.ApplyAll(new SplitColumns([5, 1, 15]), "split", x);
            return g.Apply(new JoinColumns(), "join", parts[2], g.Apply(new Activation(ActivationKind.Silu), "act", parts[0]), parts[1]);
        },
        ["learned positions"] = (g, x) => g.Apply(new Add(), "sum", x, g.Apply(new Embedding(), "positions", Weight(g, "wpe", Positions, Width), DecoderInputs.RowPositions(g))),
        ["dropout"] = (g, x) => g.Apply(new Dropout(0.3f), "drop", g.Apply(new Activation(ActivationKind.Silu), "act", x), g.Input(DecoderInputs.Random, Dropout.RandomType)),
        ["rope"] = (g, x) => g.Apply(new Rope(7, 6), "rope", x, RopeTable(g, 6)),
        ["rope partial"] = (g, x) => g.Apply(new Rope(7, 4), "rope", x, RopeTable(g, 4)),
        ["rope interleaved"] = (g, x) => g.Apply(new Rope(7, 6, Interleaved: true), "rope", x, RopeTable(g, 6)),
        ["rope interleaved partial"] = (g, x) => g.Apply(new Rope(7, 2, Interleaved: true), "rope", x, RopeTable(g, 2)),
    };

    public static TheoryData<string> Ops => [.. Bodies.Keys];

    [Theory]
    [MemberData(nameof(Ops))]
    public void Gradients_of_the_twin_are_finite_differences(string op)
    {
        using var batch = new Batch(64, 4, 16);
        ModelGraph graph = Build(Bodies[op], batch);
        ReferenceInterpreter twin = Twin(graph, batch);
        twin.Run(Stage.Close);
        foreach (Value parameter in graph.Parameters)
        {
            double[] gradient = twin.Named(GradientBuilder.AccumulatorName(parameter.Name));

            // The first token's row of the table, so that the embedding's gradient is not zero there.
            int first = parameter.Name == "table" ? batch.View.Tokens[0] * Width : 0;
            foreach (int i in (int[])[first, first + 2, gradient.Length / 2, gradient.Length - 1])
            {
                const double H = 1e-5;
                double difference = (Loss(parameter.Name, i, H) - Loss(parameter.Name, i, -H)) / (2 * H);
                Assert.Equal(gradient[i], difference, 1e-6 * Math.Max(1, gradient.Max(Math.Abs)));
            }
        }

        double Loss(string name, int index, double step)
        {
            ReferenceInterpreter moved = Twin(graph, batch);
            moved.Bindings[name][index] += step;
            moved.Run(Stage.Forward);
            return moved.Output(ModelGraphs.Loss)[0];
        }
    }

    [Theory]
    [MemberData(nameof(Ops))]
    public void Kernels_agree_with_the_twin(string op)
    {
        using var batch = new Batch(64, 4, 16);
        using var team = new ThreadTeam(2);
        ModelGraph graph = Build(Bodies[op], batch);
        Plan plan = Plan.Compile(graph, StepSizes.ForTraining(64, 4), CpuBackend.Instance, team.Workers);
        using var instance = new CpuInstance(plan, team, new Dictionary<string, NativeBuffer>
        {
            [DecoderInputs.Tokens] = batch.Tokens,
            [DecoderInputs.Positions] = batch.Positions,
            [DecoderInputs.Labels] = batch.Labels,
        });
        foreach (Value value in graph.Parameters.Concat(graph.States.Where(s => s.Name == DecoderInputs.RopeTable)))
        {
            fixed (float* rows = Values(value)) Layouts.Pack(value.Type, rows, instance[value]);
        }

        if (graph.Inputs.FirstOrDefault(v => v.Name == DecoderInputs.Random) is { } random) new long[] { 5, 17 }.CopyTo(new Span<long>(instance[random], 2));
        instance.Run(Stage.Forward, batch.View, batch.Sizes);
        instance.Run(Stage.Backward, batch.View, batch.Sizes);
        instance.Run(Stage.Close, batch.View, batch.Sizes);
        ReferenceInterpreter twin = Twin(graph, batch);
        twin.Run(Stage.Close);
        double loss = twin.Output(ModelGraphs.Loss)[0];
        Assert.Equal(loss, *(double*)instance.Output(ModelGraphs.Loss), 1e-6 * loss);
        foreach (Value parameter in graph.Parameters)
        {
            Value accumulator = graph.Find(GradientBuilder.AccumulatorName(parameter.Name));
            var actual = new float[accumulator.Type.Width];
            fixed (float* rows = actual) Layouts.Unpack(accumulator.Type, instance[accumulator], rows);
            double[] expected = twin.Named(accumulator.Name);
            double scale = expected.Max(Math.Abs), worst = 0;
            for (int i = 0; i < actual.Length; i++) worst = Math.Max(worst, Math.Abs(actual[i] - expected[i]) / scale);
            Assert.True(worst < 1e-5, $"gradient of {parameter.Name} is off by {worst}");
        }
    }

    [Fact]
    public void A_transposed_weight_is_the_same_memory_and_the_same_bits()
    {
        var straight = new TensorType(DType.F32, RowSymbol.None, 19, 21).With(Layout.Panel16);
        var transposed = new TensorType(DType.F32, RowSymbol.None, 21, 19).With(Layout.Panel16Transposed);
        Assert.Equal(straight.RowBytes, transposed.RowBytes);
        var rows = new float[19 * 21];
        Philox.Stream(1, "w").FillNormal(rows);
        float[] columns = [.. Enumerable.Range(0, rows.Length).Select(i => rows[(i % 19 * 21) + (i / 19)])];
        using NativeBuffer one = new(straight.RowBytes), two = new(transposed.RowBytes);
        fixed (float* r = rows) Layouts.Pack(straight, r, one.Pointer);
        fixed (float* c = columns) Layouts.Pack(transposed, c, two.Pointer);
        Assert.Equal(one.Span<float>().ToArray(), two.Span<float>().ToArray());
    }

    [Theory]
    [InlineData("rope_half", 10, 10, false, 10000.0)]
    [InlineData("rope_interleaved", 10, 10, true, 10000.0)]
    [InlineData("rope_half_restart", 6, 6, false, 500.0)]
    public void Rope_turns_as_the_reference_does(string name, int headDim, int rotaryDim, bool interleaved, double theta)
    {
        using SafetensorsFile golden = SafetensorsFile.Open(Path.Combine(AppContext.BaseDirectory, "goldens", "ops", name + ".safetensors"));
        int rows = (int)golden["in.positions"].Shape.Count, width = (int)golden["in.x"].Shape.Count / rows;
        Assert.Equal(headDim, golden["in.x"].Shape[-1]);
        int[] positions = new Span<int>(golden["in.positions"].Pointer, rows).ToArray();
        var rope = new RopeConfig { Theta = theta, PartialRotaryFactor = (double)rotaryDim / headDim };
        using Models.RopeTable table = Models.RopeTable.Build(rope, headDim, positions.Max() + 1);
        foreach ((string from, string to, bool inverse) in ((string, string, bool)[])[("in.x", "out.y", false), ("dout.y", "grad.x", true)])
        {
            var g = new GraphBuilder("rope");
            Value x = g.Input("x", new TensorType(DType.F32, RowSymbol.Tokens, width));
            Value t = g.State(DecoderInputs.RopeTable, new TensorType(DType.F32, RowSymbol.None, 2, table.Positions, rotaryDim / 2));
            g.Output("y", g.Apply(new Rope(headDim, rotaryDim, interleaved, inverse), "rope", x, t));
            using var team = new ThreadTeam(1);
            using var instance = new CpuInstance(Plan.Compile(g.Build(), StepSizes.ForTraining(rows, 1), CpuBackend.Instance, 1), team);
            golden[from].CopyTo(DType.F32, instance["x"]);
            new Span<float>(table.Cos, 2 * table.Positions * table.Pairs).CopyTo(new Span<float>(instance[DecoderInputs.RopeTable], 2 * table.Positions * table.Pairs));
            using var batch = new Batch(rows, 1, 16);
            batch.AddDocument(new int[rows], new int[rows]);
            positions.CopyTo(batch.Positions.Span<int>());
            positions.CopyTo(new Span<int>(batch.View.RopeRows, positions.Length));
            instance.Run(Stage.Forward, batch.View, batch.Sizes);
            var expected = new float[rows * width];
            fixed (float* e = expected) golden[to].CopyTo(DType.F32, e);
            float* actual = (float*)instance.Output("y");
            double scale = expected.Max(MathF.Abs);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 3e-6 * scale);
        }
    }

    private static Value Weight(GraphBuilder g, string name, params int[] dims) => g.Parameter(name, new TensorType(DType.F32, RowSymbol.None, dims));

    private static Value RopeTable(GraphBuilder g, int rotaryDim) => g.State(DecoderInputs.RopeTable, new TensorType(DType.F32, RowSymbol.None, 2, Positions, rotaryDim / 2));

    private static Value Gated(GraphBuilder g, Value x, ActivationKind kind) =>
        g.Apply(new GatedActivation(kind), "gate", x, g.Apply(new Linear(), "up", x, Weight(g, "up", Width, Width)));

    // Two documents; one row is not counted.
    private static ModelGraph Build(Func<GraphBuilder, Value, Value> body, Batch batch)
    {
        int[] one = TinyModels.Tokens(17, 1, Vocabulary), two = TinyModels.Tokens(11, 2, Vocabulary);
        batch.AddDocument(one, TinyModels.NextTokens(one), sampleId: 3);
        batch.AddDocument(two, TinyModels.NextTokens(two), sampleId: 900);
        var g = new GraphBuilder("op");
        Value y = body(g, g.Apply(new Embedding(), "embed", Weight(g, "table", Vocabulary, Width), DecoderInputs.TokenIds(g)));
        Value labels = g.Input(DecoderInputs.Labels, new TensorType(DType.I32, RowSymbol.Tokens));
        Value loss = g.Apply(new LinearCrossEntropy(), "loss", y, Weight(g, "head", Vocabulary, y.Type.Dims[0]), labels);
        g.Output(ModelGraphs.Loss, loss);
        GradientBuilder.Backward(g, loss);
        return RemoveDeadCode.Run(AssignLayouts.Run(g.Build()));
    }

    private static float[] Values(Value value)
    {
        var values = new float[value.Type.Width];
        Philox.Stream(2, value.Name).FillNormal(values, 0, 0.1f, 0.7f);
        return values;
    }

    private static ReferenceInterpreter Twin(ModelGraph graph, Batch batch)
    {
        var twin = new ReferenceInterpreter(graph, batch.View);
        foreach (Value value in graph.Parameters) twin.Bindings[value.Name] = [.. Values(value).Select(x => (double)x)];
        foreach (Value value in graph.States.Where(s => s.Name == DecoderInputs.RopeTable)) twin.Bindings[value.Name] = [.. Values(value).Select(x => (double)x)];
        twin.Bindings[DecoderInputs.Random] = [5, 17];
        foreach ((string name, NativeBuffer buffer) in ((string, NativeBuffer)[])[(DecoderInputs.Tokens, batch.Tokens), (DecoderInputs.Positions, batch.Positions), (DecoderInputs.Labels, batch.Labels)])
            twin.Bindings[name] = [.. buffer.Span<int>()[..batch.NumRows].ToArray().Select(x => (double)x)];
        return twin;
    }
}
