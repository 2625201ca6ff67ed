using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.TestKit;
using Xunit;

namespace Tandem.Cpu.Tests.Attention;

/// <summary>Attention with sinks inside a differentiated graph: embedding, projections, attention, loss.</summary>
public sealed unsafe class SinkGraphTests
{
    private const int Vocabulary = 19, Hidden = 16;
    private static readonly AttentionSpec Spec = new(4, 2, 8, 6, 0.4f, 5, 3f);
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 21).Select(i => i * 7 % Vocabulary)];

    [Fact]
    public void Sinks_get_the_gradient_of_the_loss_and_accumulate()
    {
        ModelGraph graph = Graph();
        using var team = new ThreadTeam(2);
        using var batch = Batch();
        using var instance = new CpuInstance(Plan.Compile(graph, StepSizes.ForTraining(21, 2), CpuBackend.Instance, 2), team);
        Dictionary<string, double[]> bindings = Bindings(graph);
        foreach (Value value in graph.Parameters)
        {
            float[] rows = [.. bindings[value.Name].Select(x => (float)x)];
            fixed (float* p = rows)
                Layouts.Pack(value.Type, p, instance[value]);
        }

        foreach (string name in (string[])["tokens", "labels"])
        {
            for (int i = 0; i < Tokens.Length; i++)
                ((int*)instance[name])[i] = (int)bindings[name][i];
        }

        double[] expected = Run(graph, batch, bindings).Named(GradientBuilder.AccumulatorName("sinks"));
        Assert.True(expected.Min(Math.Abs) > 1e-4);
        for (int pass = 1; pass <= 2; pass++)
        {
            instance.Run(Stage.Forward, batch.View, batch.Sizes);
            instance.Run(Stage.Backward, batch.View, batch.Sizes);
            instance.Run(Stage.Close, batch.View, batch.Sizes);
            float* actual = (float*)instance[GradientBuilder.AccumulatorName("sinks")];
            for (int h = 0; h < Spec.NumHeads; h++)
                Assert.Equal(pass * expected[h], actual[h], 1e-5);
        }

        for (int h = 0; h < Spec.NumHeads; h++)
        {
            const double H = 1e-5;
            double up = Loss(graph, batch, bindings, h, H), down = Loss(graph, batch, bindings, h, -H);
            Assert.Equal((up - down) / (2 * H), expected[h], 1e-6);
        }
    }

    private static double Loss(ModelGraph graph, Batch batch, Dictionary<string, double[]> bindings, int head, double step)
    {
        var changed = new Dictionary<string, double[]>(bindings) { ["sinks"] = (double[])bindings["sinks"].Clone() };
        changed["sinks"][head] += step;
        return Run(graph, batch, changed).Output("loss")[0];
    }

    private static ReferenceInterpreter Run(ModelGraph graph, Batch batch, Dictionary<string, double[]> bindings)
    {
        var twin = new ReferenceInterpreter(graph, batch.View);
        foreach ((string name, double[] values) in bindings)
            twin.Bindings[name] = values;
        twin.Run(Stage.Close);
        return twin;
    }

    private static Dictionary<string, double[]> Bindings(ModelGraph graph)
    {
        var random = new Random(3);
        Dictionary<string, double[]> bindings = graph.Parameters.ToDictionary(
            p => p.Name, p => Enumerable.Range(0, (int)p.Type.Width).Select(_ => (double)((2 * random.NextSingle()) - 1)).ToArray());
        bindings["tokens"] = [.. Tokens.Select(t => (double)t)];
        bindings["labels"] = [.. Tokens.Select(t => (double)((t + 3) % Vocabulary))];
        return bindings;
    }

    private static Batch Batch()
    {
        Batch batch = Tandem.Graph.Batch.ForTraining(StepSizes.ForTraining(21, 2));
        batch.AddDocument(Tokens.AsSpan(0, 13), new int[13]);
        batch.AddDocument(Tokens.AsSpan(13), new int[8]);
        return batch;
    }

    private static ModelGraph Graph()
    {
        var g = new GraphBuilder("sinks");
        Value Weight(string name, int rows, int columns) => g.Parameter(name, new TensorType(DType.F32, RowSymbol.None, rows, columns).With(Layout.Panel16));
        Value Project(string name, Value x, int width) => g.Apply(new Linear(), name, x, Weight(name, width, x.Type.Dims[0]));
        TensorType ids = new(DType.I32, RowSymbol.Tokens);
        Value x = g.Apply(new Embedding(), "embed", Weight("embed", Vocabulary, Hidden), g.Input("tokens", ids));
        Value q = Project("q", x, Spec.NumHeads * Spec.HeadDim), k = Project("k", x, Spec.NumKvHeads * Spec.HeadDim), v = Project("v", x, Spec.NumKvHeads * Spec.ValueDim);
        Value blocks = g.Apply(new KvWrite(Spec), "kv", k, v);
        Value sinks = g.Parameter("sinks", new TensorType(DType.F32, RowSymbol.None, Spec.NumHeads));
        Value o = g.ApplyAll(new Graph.Ops.Attention(Spec), "attention", q, blocks, sinks)[0];
        Value loss = g.ApplyAll(new LinearCrossEntropy(), "loss", o, Weight("head", Vocabulary, Spec.NumHeads * Spec.ValueDim), g.Input("labels", ids))[0];
        g.Output("loss", loss);
        Assert.Contains(GradientBuilder.Backward(g, loss), p => p.Parameter == sinks);
        return g.Build();
    }
}
