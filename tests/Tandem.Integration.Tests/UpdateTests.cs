using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Invariant 11 and what else belongs to a step's second half: every optimizer in the trainer, its checkpoint, averages of weights.</summary>
public sealed unsafe class UpdateTests : IDisposable
{
    private static readonly OptimizerOp[] s_optimizers =
    [
        new AdamW(0.9, 0.95, 1e-8, 0.1), new Adam(0.9, 0.95, 1e-8, 0.01), new Sgd(0.9, true, 0, 0.01), new Lion(0.9, 0.99, 0.1),
        new Adafactor(-0.8, 1e-30, 1e-3, 1, 0) { ScaleParameter = true, Beta1 = 0.9 }, new Muon(0.95, true, 0.1) { Others = new AdamW(0.9, 0.95, 1e-8, 0.1) { LearningRateFactor = 0.2 } },
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-update-").FullName;

    public static TheoryData<int> Optimizers => [.. Enumerable.Range(0, s_optimizers.Length)];

    [Fact]
    public void Scaling_the_loss_by_powers_of_two_changes_no_bit()
    {
        (float[][] plain, StepResult[] plainSteps) = Run(new TrainerOptions(), 12);
        (float[][] scaled, StepResult[] steps) = Run(new TrainerOptions { LossScaler = new LossScalerOptions { InitialScale = 1024, GrowthInterval = 2 } }, 12);
        Assert.Equal(plain, scaled);
        Assert.Equal(1024 * 32, steps[^1].LossScale);
        Assert.Equal(plainSteps, steps.Select(s => s with { LossScale = 1 }));
    }

    [Fact]
    public void A_scale_that_overflows_falls_until_it_does_not_and_no_bit_changes()
    {
        (float[][] plain, _) = Run(new TrainerOptions(), 6);
        (float[][] scaled, StepResult[] steps) = Run(new TrainerOptions { LossScaler = new LossScalerOptions { InitialScale = Math.Pow(2, 126) } }, 6);
        Assert.True(steps.Count(s => s.SkippedFor != null) > 10);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], steps.Select(s => s.Step).Distinct());
        Assert.Equal(plain, scaled);
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void After_a_skipped_step_the_trajectory_is_that_without_its_batch(int index)
    {
        foreach (float bad in (float[])[float.PositiveInfinity, float.NaN])
        {
            TrainerOptions options = Options(index) with { LossScaler = new LossScalerOptions { InitialScale = 256 }, Update = new UpdateOptions { Ema = new Ema(0.9, true) } };
            using Model with = TinyModels.Initialized(TinyModels.Llama()), without = TinyModels.Initialized(TinyModels.Llama());
            using var team = new ThreadTeam(2);
            using var first = new Trainer(with, team, options);
            using var second = new Trainer(without, team, options);
            for (int batch = 0; batch < 6; batch++)
            {
                Accumulate(first, batch);
                if (batch == 3)
                {
                    Value gradient = first.Plan.Graph.Find(GradientBuilder.AccumulatorName("model.layers.1.mlp.up_proj.weight"));
                    ((float*)first[gradient])[Layouts.Place(gradient.Type, 5)] = bad;
                    StepResult skipped = first.Update(Schedule(first));
                    Assert.Equal(("model.layers.1.mlp.up_proj.weight", 3, 256.0), (skipped.SkippedFor, skipped.Step, skipped.LossScale));
                    Assert.Equal(new TrainerState(3, 1, new LossScalerState(128, 0)), first.State);
                    continue;
                }

                Accumulate(second, batch);
                Assert.Equal(second.Update(Schedule(second)) with { LossScale = 1 }, first.Update(Schedule(first)) with { LossScale = 1 });
            }

            Assert.Equal(5, first.Step);
            Assert.All(with.WeightNames, n => Assert.Equal(without.Get(n), with.Get(n)));
            Assert.Equal(StateOf(second), StateOf(first));
        }
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void Every_optimizer_learns_and_threads_change_no_bit(int index)
    {
        (float[][] one, StepResult[] steps) = Run(Options(index), 25, threads: 1, batches: 1);
        Assert.True(steps[^1].Loss < 0.8 * steps[0].Loss, $"{s_optimizers[index].Describe()}: {steps[0].Loss} to {steps[^1].Loss}");
        Assert.Equal(one, Run(Options(index), 25, threads: 3, batches: 1).Weights);
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void The_named_state_is_all_that_a_checkpoint_needs(int index)
    {
        TrainerOptions options = Options(index) with { Update = new UpdateOptions { Ema = new Ema(0.9) } };
        using var team = new ThreadTeam(2);
        using Model through = TinyModels.Initialized(TinyModels.Llama(tied: true)), first = TinyModels.Initialized(TinyModels.Llama(tied: true)), second = TinyModels.Initialized(TinyModels.Llama(tied: true), 9);
        using var whole = new Trainer(through, team, options);
        Steps(whole, 8);
        using (var trainer = new Trainer(first, team, options))
        {
            Steps(trainer, 4);
            TrainerCheckpoint.Save(trainer, _folder, keep: 1);
        }

        using var resumed = new Trainer(second, team, options);
        TrainerCheckpoint.Restore(resumed, TrainerCheckpoint.Newest(_folder)!);
        Steps(resumed, 8);
        Assert.All(through.WeightNames, n => Assert.Equal(through.Get(n), second.Get(n)));
        Assert.Equal(StateOf(whole), StateOf(resumed));
    }

    [Fact]
    public void Averages_follow_the_weights_and_can_be_copied_into_a_model()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama()), averaged = new(model.Config);
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 4, Update = new UpdateOptions { Ema = new Ema(0.75) } });
        var expected = model.WeightNames.ToDictionary(n => n, model.Get);
        for (int i = 1; i <= 4; i++)
        {
            Steps(trainer, i);
            foreach ((string name, float[] average) in expected)
            {
                float[] now = model.Get(name);
                for (int j = 0; j < now.Length; j++) average[j] = MathF.FusedMultiplyAdd(0.75f, average[j], 0.25f * now[j]);
            }
        }

        trainer.CopyAverages(averaged);
        Assert.All(expected, e => Assert.Equal(e.Value, trainer.Average(e.Key)));
        Assert.All(expected, e => Assert.Equal(e.Value, averaged.Get(e.Key)));
    }

    [Fact]
    public void A_learning_rate_that_is_no_number_is_refused()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(1);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 4 });
        Accumulate(trainer, 0);
        foreach (double rate in (double[])[double.NaN, double.PositiveInfinity, -1])
            Assert.Contains("accepted: a finite number", Assert.Throws<TandemException>(() => trainer.Update(rate)).Message, StringComparison.Ordinal);
        Assert.Equal(0, trainer.Step);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static TrainerOptions Options(int index) => new() { Optimizer = s_optimizers[index] };

    private static double Schedule(Trainer trainer) => (s_optimizers[2] == trainer.Options.Optimizer ? 10 : 1) * new CosineSchedule(1e-2, 1e-3, 2, 40).At(trainer.Step + 1);

    private static (float[][] Weights, StepResult[] Steps) Run(TrainerOptions options, int steps, int threads = 2, int batches = 7)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(threads);
        using var trainer = new Trainer(model, team, options with { MaxTokens = 64, MaxDocuments = 4 });
        var results = new List<StepResult>();
        while (trainer.Step < steps)
        {
            Accumulate(trainer, (int)trainer.Step % batches);
            results.Add(trainer.Update(Schedule(trainer)));
        }

        return ([.. model.WeightNames.Select(model.Get)], [.. results]);
    }

    private static void Steps(Trainer trainer, int last)
    {
        while (trainer.Step < last)
        {
            Accumulate(trainer, (int)trainer.Step);
            trainer.Update(Schedule(trainer));
        }
    }

    private static void Accumulate(Trainer trainer, int batch)
    {
        trainer.Batch.Clear();
        foreach (int i in (int[])[batch, batch + 1])
        {
            int[] tokens = TinyModels.Tokens(9 + (i % 3 * 7), i);
            trainer.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens), i);
        }

        trainer.Accumulate();
    }

    private static byte[][] StateOf(Trainer trainer) => [.. trainer.OptimizerState.Select(s => new ReadOnlySpan<byte>(trainer[s], (int)s.Type.RowBytes).ToArray())];
}
