using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Invariant 14 in one process, and invariant 3.</summary>
public sealed class ShardTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void Gradients_of_logical_shards_are_added_as_a_balanced_tree(int shards)
    {
        float[][][] leaves = [.. Enumerable.Range(0, shards).Select(s => Gradients(1, t =>
        {
            Accumulate(t, 2 * s);
            Accumulate(t, (2 * s) + 1);
        }))];
        float[][] tree = Gradients(shards, t =>
        {
            for (int s = 0; s < shards; s++)
            {
                Accumulate(t, 2 * s);
                Accumulate(t, (2 * s) + 1);
                t.EndShard();
            }
        });
        Assert.Equal(Tree(leaves), tree);
    }

    [Fact]
    public void A_step_by_its_table_equals_the_calls_one_by_one()
    {
        float[][] byTable = Weights(t => t.RunStep(new Source(), 0, 8, 1e-3));
        float[][] byCalls = Weights(t =>
        {
            for (int m = 0; m < 8; m++)
            {
                Accumulate(t, m);
                if (m % 2 == 1) t.EndShard();
            }

            t.Update(1e-3);
        });
        Assert.Equal(byCalls, byTable);
    }

    [Fact]
    public void Microbatches_with_unequal_counts_of_tokens_accumulate_to_one_batch()
    {
        // A sum over tokens divided by the global count of valid tokens, never a mean of means.
        (StepResult one, float[][] together) = Step(t =>
        {
            t.Batch.Clear();
            for (int i = 0; i < 4; i++) Add(t, i);
            t.Accumulate();
        });
        (StepResult four, float[][] apart) = Step(t =>
        {
            for (int i = 0; i < 4; i++) Accumulate(t, i);
        });
        Assert.Equal(one.Valid, four.Valid);
        Assert.Equal(one.Loss, four.Loss, 1e-6 * one.Loss);
        Assert.Equal(one.GradientNorm, four.GradientNorm, 1e-6 * one.GradientNorm);
        for (int i = 0; i < together.Length; i++)
        {
            float largest = together[i].Max(MathF.Abs);
            for (int j = 0; j < together[i].Length; j++) Assert.Equal(together[i][j], apart[i][j], 1e-5f * largest);
        }
    }

    [Fact]
    public void A_table_of_eight_shards_merges_what_is_complete()
    {
        string[] table = [.. StepTable.Accumulate(8, 8).Select(e => e.Microbatch < 0 ? e.Fragment.ToString() : $"{e.Fragment} {e.Microbatch}")];
        Assert.Equal(
            [
                "forward 0", "backward 0", "close", "park.0",
                "forward 1", "backward 1", "close", "merge.0", "park.1",
                "forward 2", "backward 2", "close", "park.0",
                "forward 3", "backward 3", "close", "merge.0", "merge.1", "park.2",
                "forward 4", "backward 4", "close", "park.0",
                "forward 5", "backward 5", "close", "merge.0", "park.1",
                "forward 6", "backward 6", "close", "park.0",
                "forward 7", "backward 7", "close", "merge.0", "merge.1", "merge.2",
                "reduce", "update",
            ],
            table);
    }

    [Theory]
    [InlineData(4, 3)]
    [InlineData(6, 4)]
    [InlineData(0, 1)]
    [InlineData(4, 0)]
    public void Impossible_tables_are_refused(int microbatches, int shards) => Assert.Throws<TandemException>(() => StepTable.Accumulate(microbatches, shards));

    private static float[][] Tree(ReadOnlySpan<float[][]> leaves)
    {
        if (leaves.Length == 1) return leaves[0];
        float[][] left = Tree(leaves[..(leaves.Length / 2)]), right = Tree(leaves[(leaves.Length / 2)..]);
        return [.. left.Zip(right, (l, r) => l.Zip(r, (a, b) => a + b).ToArray())];
    }

    private static float[][] Gradients(int shards, Action<Trainer> run) => WithTrainer(shards, t =>
    {
        run(t);
        return (float[][])[.. t.Model.WeightNames.Select(n => t.Gradient(n)!)];
    });

    private static float[][] Weights(Action<Trainer> run) => WithTrainer(4, t =>
    {
        run(t);
        return (float[][])[.. t.Model.WeightNames.Select(t.Model.Get)];
    });

    private static (StepResult, float[][]) Step(Action<Trainer> run) => WithTrainer(1, t =>
    {
        run(t);
        float[][] gradients = [.. t.Model.WeightNames.Select(n => t.Gradient(n)!)];
        return (t.Update(1e-3), gradients);
    });

    private static T WithTrainer<T>(int shards, Func<Trainer, T> run)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 128, MaxDocuments = 4, LogicalShards = shards });
        return run(trainer);
    }

    private static void Accumulate(Trainer trainer, int document)
    {
        trainer.Batch.Clear();
        Add(trainer, document);
        trainer.Accumulate();
    }

    private static void Add(Trainer trainer, int document)
    {
        int[] tokens = TinyModels.Tokens(document % 3 == 0 ? 21 : document % 3 == 1 ? 32 : 9, document);
        trainer.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens), document);
    }

    private sealed class Source : IBatchSource
    {
        public void Fill(Batch batch, long index)
        {
            int document = (int)index;
            int[] tokens = TinyModels.Tokens(document % 3 == 0 ? 21 : document % 3 == 1 ? 32 : 9, document);
            batch.AddDocument(tokens, TinyModels.NextTokens(tokens), document);
        }
    }
}
