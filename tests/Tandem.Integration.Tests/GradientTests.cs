using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Models;
using Tandem.TestKit;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Invariant 1: the f64 twins' gradients are finite differences, and the f32 kernels agree with the twins.</summary>
public sealed unsafe class GradientTests
{
    private const int Seed = 11;

    [Theory]
    [InlineData("llama")]
    [InlineData("llama_tied")]
    [InlineData("gpt2")]
    [InlineData("gpt2_dropout")]
    public void Gradients_of_kernels_are_those_of_the_twins(string name)
    {
        using Model model = TinyModels.Initialized(TinyModels.Named(name));
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 80, MaxDocuments = 4, Seed = Seed });
        Fill(trainer.Batch);
        trainer.Accumulate();
        ReferenceInterpreter twin = Twin(model, trainer.Plan.Graph, trainer.Batch);
        twin.Run(Stage.Close);
        foreach (string weight in model.WeightNames)
        {
            double[] expected = twin.Named(GradientBuilder.AccumulatorName(weight));
            float[] actual = trainer.Gradient(weight)!;
            double scale = expected.Max(Math.Abs), worst = 0, signed = 0;
            for (int i = 0; i < expected.Length; i++)
            {
                worst = Math.Max(worst, Math.Abs(actual[i] - expected[i]) / scale);
                signed += (actual[i] - expected[i]) / scale / expected.Length;
            }

            Assert.True(worst < 1e-5, $"{weight}: {worst}");
            Assert.True(Math.Abs(signed) < 1e-6, $"{weight}: mean signed residual {signed}");
        }
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("llama_tied")]
    [InlineData("gpt2")]
    [InlineData("gpt2_dropout")]
    public void Gradients_of_the_twins_are_finite_differences(string name)
    {
        using Model model = TinyModels.Initialized(TinyModels.Named(name));
        using var batch = new Batch(80, 4, 16);
        Fill(batch);
        ModelGraph graph = ModelGraphs.Train(model.Config, new TrainingGraph { Loss = new LinearCrossEntropy(0.1f, 0.01f) });
        ReferenceInterpreter twin = Twin(model, graph, batch);
        twin.Run(Stage.Close);
        foreach (string weight in model.WeightNames)
        {
            double[] gradient = twin.Named(GradientBuilder.AccumulatorName(weight));
            double scale = gradient.Max(Math.Abs);
            foreach (int i in (int[])[0, gradient.Length / 3, gradient.Length - 1])
            {
                const double H = 1e-5;
                double up = LossAt(model, graph, batch, weight, i, H), down = LossAt(model, graph, batch, weight, i, -H);
                Assert.Equal(gradient[i], (up - down) / (2 * H), 1e-6 * Math.Max(1, scale));
            }
        }
    }

    private static double LossAt(Model model, ModelGraph graph, Batch batch, string name, int index, double step)
    {
        ReferenceInterpreter twin = Twin(model, graph, batch);
        twin.Bindings[name][index] += step;
        twin.Run(Stage.Close);
        return twin.Output(ModelGraphs.Loss)[0];
    }

    // Three documents of odd lengths, one with uncounted labels.
    private static void Fill(Batch batch)
    {
        batch.Clear();
        int[] lengths = [33, 7, 19];
        for (int i = 0; i < lengths.Length; i++)
        {
            int[] tokens = TinyModels.Tokens(lengths[i], i);
            int[] labels = TinyModels.NextTokens(tokens);
            if (i == 1) labels.AsSpan(0, 3).Fill(-100);
            batch.AddDocument(tokens, labels, i);
        }
    }

    private static ReferenceInterpreter Twin(Model model, ModelGraph graph, Batch batch)
    {
        var twin = new ReferenceInterpreter(graph, batch.View);
        foreach (string name in model.WeightNames) twin.Bindings[name] = [.. model.Get(name).Select(x => (double)x)];
        Dictionary<string, NativeBuffer> bindings = model.Bindings(batch);
        twin.Bindings[DecoderInputs.Random] = [Seed, 0];
        if (bindings.TryGetValue(DecoderInputs.RopeTable, out NativeBuffer? table))
            twin.Bindings[DecoderInputs.RopeTable] = [.. table.Span<float>().ToArray().Select(x => (double)x)];
        foreach (string name in (string[])[DecoderInputs.Tokens, DecoderInputs.Positions, DecoderInputs.Labels])
            twin.Bindings[name] = [.. bindings[name].Span<int>()[..batch.NumRows].ToArray().Select(x => (double)x)];
        return twin;
    }
}
