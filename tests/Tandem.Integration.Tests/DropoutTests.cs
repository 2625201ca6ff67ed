using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>What is dropped depends on seed, op, step, sample, position and channel, and on nothing else.</summary>
public sealed unsafe class DropoutTests
{
    [Fact]
    public void The_mean_is_preserved_and_the_share_is_the_rate()
    {
        foreach (float rate in (float[])[0.1f, 0.5f, 0.9f])
        {
            float[] y = Dropped(rate, seed: 1, step: 0, "drop", (7, 512));
            double n = y.Length, kept = y.Count(v => v != 0), sigma = Math.Sqrt(rate / (1 - rate) / n);
            Assert.All(y, v => Assert.True(v == 0 || v == (float)(1 / (1 - (double)rate))));
            Assert.Equal(1 - rate, kept / n, 4 * Math.Sqrt(rate * (1 - rate) / n));
            Assert.Equal(1, y.Average(v => (double)v), 4 * sigma);
        }
    }

    [Fact]
    public void Every_key_changes_what_is_dropped()
    {
        float[] y = Dropped(0.5f, seed: 1, step: 0, "drop", (7, 16));
        Assert.Equal(y, Dropped(0.5f, seed: 1, step: 0, "drop", (7, 16)));
        Share(y, Dropped(0.5f, seed: 2, step: 0, "drop", (7, 16)));
        Share(y, Dropped(0.5f, seed: 1, step: 1, "drop", (7, 16)));
        Share(y, Dropped(0.5f, seed: 1, step: 0, "other", (7, 16)));
        Share(y, Dropped(0.5f, seed: 1, step: 0, "drop", (8, 16)));
        Share(y[Width..], y[..^Width]);

        // Independent masks agree on half of their elements.
        static void Share(float[] a, float[] b)
        {
            double equal = a.Zip(b, (x, z) => x == z ? 1.0 : 0).Average();
            Assert.Equal(0.5, equal, 4 * Math.Sqrt(0.25 / a.Length));
        }
    }

    [Fact]
    public void Packing_does_not_change_what_is_dropped()
    {
        float[] alone = Dropped(0.3f, 1, 4, "drop", (7, 40)), packed = Dropped(0.3f, 1, 4, "drop", (3, 21), (7, 40), (5, 9));
        Assert.Equal(alone, packed[(21 * Width)..(61 * Width)]);
    }

    [Fact]
    public void A_packed_batch_equals_its_documents_and_threads_change_no_bit()
    {
        (float[][] gradients, float[] losses) = Gradients(2, [0, 1, 2]);
        Assert.Equal(gradients, Gradients(1, [0, 1, 2]).Gradients);
        Assert.Equal(gradients, Gradients(3, [0, 1, 2]).Gradients);
        Assert.Equal(gradients, Gradients(2, [0], [1], [2]).Gradients);
        Assert.Equal(gradients, Gradients(2, [0, 1], [2]).Gradients);
        Assert.Equal(losses, Gradients(2, [0, 1]).Losses.Concat(Gradients(2, [2]).Losses));
        Assert.NotEqual(gradients, Gradients(2, dropout: 0, [0, 1, 2]).Gradients);
    }

    [Fact]
    public void A_restart_in_the_middle_drops_the_same()
    {
        using var team = new ThreadTeam(2);
        string folder = Directory.CreateTempSubdirectory("tandem-dropout-").FullName;
        try
        {
            using Model through = TinyModels.Initialized(TinyModels.Gpt2(dropout: 0.2)), again = TinyModels.Initialized(TinyModels.Gpt2(dropout: 0.2), seed: 8);
            using (Trainer trainer = Trainer(through, team))
            {
                Steps(trainer, 2);
                TrainerCheckpoint.Save(trainer, folder, keep: 1);
                Steps(trainer, 5);
            }

            using (Trainer trainer = Trainer(again, team))
            {
                TrainerCheckpoint.Restore(trainer, TrainerCheckpoint.Newest(folder)!);
                Steps(trainer, 5);
            }

            Assert.All(through.WeightNames, n => Assert.Equal(through.Get(n), again.Get(n)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Serving_and_evaluation_drop_nothing_and_attention_dropout_is_refused_in_training()
    {
        ModelConfig config = TinyModels.Gpt2(dropout: 0.2) with { AttentionDropout = 0.1 };
        Assert.DoesNotContain(ModelGraphs.Serve(config, new KvPlacement(DType.F32, 4)).Nodes, n => n.Op is Dropout);
        Assert.DoesNotContain(ModelGraphs.Evaluate(config).Nodes, n => n.Op is Dropout);
        ModelGraph train = ModelGraphs.Train(config with { AttentionDropout = 0 }, new TrainingGraph());
        Assert.Equal(5, train.Nodes.Count(n => n.Op is Dropout && n.Stage == Stage.Forward));
        TandemException error = Assert.Throws<TandemException>(() => ModelGraphs.Train(config, new TrainingGraph()));
        Assert.Contains("attention_dropout (attn_pdrop in GPT-2's spelling) is 0.1", error.Message, StringComparison.Ordinal);
    }

    private const int Width = 37;

    private static int Length(int document) => document == 0 ? 21 : document == 1 ? 32 : 9;

    // Ones through one dropout, for documents of (sample, rows).
    private static float[] Dropped(float rate, long seed, long step, string name, params (int Sample, int Rows)[] documents)
    {
        var g = new GraphBuilder("dropout");
        Value x = g.Input("x", new TensorType(DType.F32, RowSymbol.Tokens, Width));
        g.Output("y", g.Apply(new Dropout(rate), name, x, g.Input(DecoderInputs.Random, Dropout.RandomType)));
        int rows = documents.Sum(d => d.Rows);
        StepSizes bounds = StepSizes.ForTraining(rows, documents.Length);
        using var team = new ThreadTeam(2);
        using var instance = new CpuInstance(Plan.Compile(g.Build(), bounds, CpuBackend.Instance, team.Workers), team);
        using Batch batch = Batch.ForTraining(bounds);
        foreach ((int sample, int count) in documents) batch.AddDocument(new int[count], new int[count], sample);
        new Span<float>(instance["x"], rows * Width).Fill(1);
        long* random = (long*)instance[DecoderInputs.Random];
        (random[0], random[1]) = (seed, step);
        instance.Run(Stage.Forward, batch.View, batch.Sizes);
        return new Span<float>(instance.Output("y"), rows * Width).ToArray();
    }

    private static (float[][] Gradients, float[] Losses) Gradients(int threads, params int[][] microbatches) => Gradients(threads, 0.2, microbatches);

    // The gradients of all microbatches and the losses of the last one.
    private static (float[][] Gradients, float[] Losses) Gradients(int threads, double dropout, params int[][] microbatches)
    {
        using Model model = TinyModels.Initialized(TinyModels.Gpt2(dropout: dropout));
        using var team = new ThreadTeam(threads);
        using Trainer trainer = Trainer(model, team);
        foreach (int[] documents in microbatches)
        {
            trainer.Batch.Clear();
            foreach (int i in documents)
            {
                int[] tokens = TinyModels.Tokens(Length(i), i);
                trainer.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens), sampleId: 100 + i);
            }

            trainer.Accumulate();
        }

        return ([.. model.WeightNames.Select(n => trainer.Gradient(n)!)], trainer.TokenLosses.ToArray());
    }

    private static Trainer Trainer(Model model, ThreadTeam team) => new(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 4, Seed = 9 });

    private static void Steps(Trainer trainer, int last)
    {
        var source = new DocumentSource([.. Enumerable.Range(0, 7).Select(i => TinyModels.Tokens(10 + i, i))], 3, seed: 5);
        while (trainer.Step < last)
        {
            trainer.Batch.Clear();
            source.Fill(trainer.Batch, trainer.Step);
            trainer.Accumulate();
            trainer.Update(1e-3);
        }
    }
}
