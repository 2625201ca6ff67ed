using Tandem.Cpu;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Invariants 2, 3, 6 and 7 on the reference model.</summary>
public sealed class TrainerTests
{
    [Fact]
    public void Two_runs_and_any_number_of_threads_have_the_same_bits()
    {
        float[][] one = Run(threads: 1, steps: 20), again = Run(threads: 1, steps: 20), two = Run(threads: 2, steps: 20), three = Run(threads: 3, steps: 20);
        Assert.Equal(one, again);
        Assert.Equal(one, two);
        Assert.Equal(one, three);
    }

    // A tied table has two uses, each with a chain over tokens of its own.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_packed_batch_equals_its_documents_accumulated_one_by_one(bool tied)
    {
        float[][] packed = Gradients(tied, t => Add(t, 0, 1, 2), t => t.Accumulate());
        float[][] separate = Gradients(tied, t =>
        {
            Add(t, 0);
            t.Accumulate();
            Add(t, 1);
            t.Accumulate();
            Add(t, 2);
        }, t => t.Accumulate());
        Assert.Equal(packed, separate);

        float[][] unmasked = Gradients(tied, t =>
        {
            int[] all = [.. TinyModels.Tokens(21, 0), .. TinyModels.Tokens(32, 1), .. TinyModels.Tokens(9, 2)];
            t.Batch.AddDocument(all, TinyModels.NextTokens(all));
        }, t => t.Accumulate());
        Assert.NotEqual(packed, unmasked);
    }

    [Fact]
    public void A_step_that_needs_more_memory_than_there_is_is_refused_with_both_figures()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(1);
        var options = new TrainerOptions { MaxTokens = 64, MaxDocuments = 4 };
        long needed;
        using (var trainer = new Trainer(model, team, options)) needed = trainer.Plan.StateBytes + trainer.Plan.ArenaBytes;
        new Trainer(model, team, options with { Machine = MachineMemory.Of(needed) }).Dispose();
        TandemException e = Assert.Throws<TandemException>(() => new Trainer(model, team, options with { Machine = MachineMemory.Of(needed - 1) }));
        Assert.Matches(@"a step of 64 tokens needs [\d.]+ MiB of memory \(gradients and optimizer state [\d.]+ MiB, activations [\d.]+ MiB\), and [\d.]+ MiB are available; accepted: fewer tokens", e.Message);
    }

    [Fact]
    public void Chunks_of_the_loss_head_change_no_bit()
    {
        // 1,200 rows are two chunks, each document by itself is one.
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 400));
        using var team = new ThreadTeam(2);
        var options = new TrainerOptions { MaxTokens = 1200, MaxDocuments = 3 };
        using var together = new Trainer(model, team, options);
        using var alone = new Trainer(model, team, options);
        var losses = new List<float>();
        for (int i = 0; i < 3; i++)
        {
            int[] tokens = TinyModels.Tokens(400, i);
            together.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens), i);
            alone.Batch.Clear();
            alone.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens), i);
            alone.Accumulate();
            losses.AddRange(alone.TokenLosses);
        }

        together.Accumulate();
        Assert.Equal(losses, together.TokenLosses.ToArray());
        Assert.All(model.WeightNames, name => Assert.Equal(alone.Gradient(name), together.Gradient(name)));
    }

    [Theory]
    [InlineData(251, 1, 3, "row 1 of the batch has token 251; accepted: 0 to 250")]
    [InlineData(-1, 1, 3, "row 1 of the batch has token -1")]
    [InlineData(5, 251, 3, "row 1 of the batch has label 251")]
    [InlineData(5, 1, 65, "row 64 of the batch has position 64; the model has positions up to 63")]
    public void A_batch_that_no_table_holds_is_refused(int token, int label, int length, string expected)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(1);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 80, MaxDocuments = 1 });
        int[] tokens = TinyModels.Tokens(length, 0), labels = TinyModels.NextTokens(tokens);
        (tokens[1], labels[1]) = (token, label);
        trainer.Batch.AddDocument(tokens, labels);
        Assert.Contains(expected, Assert.Throws<TandemException>(trainer.Accumulate).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_labels_masked_gives_loss_zero_and_zero_gradients()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 1 });
        int[] labels = new int[30];
        labels.AsSpan().Fill(-100);
        trainer.Batch.AddDocument(TinyModels.Tokens(30, 1), labels);
        trainer.Accumulate();
        Assert.All(model.WeightNames, name => Assert.All(trainer.Gradient(name)!, g => Assert.Equal(0f, g)));
        StepResult step = trainer.Update(1e-3);
        Assert.Equal(0, step.Loss);
        Assert.Equal(0, step.GradientNorm);
        Assert.Null(step.SkippedFor);
    }

    [Fact]
    public void A_step_that_is_not_finite_is_skipped_by_name_and_changes_nothing()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 1 });
        float[] norm = model.Get("model.norm.weight");
        float good = norm[3];
        norm[3] = float.PositiveInfinity;
        model.Set("model.norm.weight", norm);
        float[] before = model.Get("lm_head.weight");
        Add(trainer, 0);
        trainer.Accumulate();
        StepResult step = trainer.Update(1e-3);
        Assert.NotNull(step.SkippedFor);
        Assert.Equal(0, trainer.Step);
        Assert.Equal(before, model.Get("lm_head.weight"));
        norm[3] = good;
        model.Set("model.norm.weight", norm);
        Add(trainer, 0);
        trainer.Accumulate();
        Assert.Null(trainer.Update(1e-3).SkippedFor);
        Assert.Equal(1, trainer.Step);
    }

    [Fact]
    public void A_step_allocates_no_managed_memory()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 1 });
        int[] tokens = TinyModels.Tokens(48, 0), labels = TinyModels.NextTokens(tokens);
        for (int i = 0; i < 3; i++) Step();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < 5; i++) Step();
        Assert.Equal(before, GC.GetTotalAllocatedBytes(precise: true));

        void Step()
        {
            trainer.Batch.Clear();
            trainer.Batch.AddDocument(tokens, labels);
            trainer.Accumulate();
            trainer.Update(1e-3);
        }
    }

    private static float[][] Run(int threads, int steps)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(threads);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 4 });
        for (int i = 0; i < steps; i++)
        {
            Add(trainer, i, i + 1);
            trainer.Accumulate();
            trainer.Update(3e-3);
        }

        return [.. model.WeightNames.Select(model.Get)];
    }

    private static float[][] Gradients(bool tied, Action<Trainer> fill, Action<Trainer> last)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(tied));
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 4 });
        fill(trainer);
        last(trainer);
        return [.. model.WeightNames.Select(n => trainer.Gradient(n)!)];
    }

    private static void Add(Trainer trainer, params ReadOnlySpan<int> documents)
    {
        trainer.Batch.Clear();
        foreach (int i in documents)
        {
            int[] tokens = TinyModels.Tokens(i % 3 == 0 ? 21 : i % 3 == 1 ? 32 : 9, i);
            trainer.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens), i);
        }
    }
}
