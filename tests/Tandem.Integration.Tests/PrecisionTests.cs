using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Training with bf16 and f16 weights: master copies, loss scale, stochastic rounding.</summary>
public sealed unsafe class PrecisionTests : IDisposable
{
    private static readonly AdamW s_adamW = new(0.9, 0.95, 1e-8, 0.1);

    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-precision-").FullName;

    public static TheoryData<DType> Narrow => [DType.BF16, DType.F16];

    [Theory]
    [MemberData(nameof(Narrow))]
    public void Weights_are_their_rounded_master_copies_and_the_loss_follows_f32(DType type)
    {
        double[] exact = Train(DType.F32, new TrainerOptions(), 30, (_, _) => { });
        double[] narrow = Train(type, Scaled(type), 30, (model, trainer) =>
        {
            foreach (string name in model.WeightNames)
            {
                TensorType weight = model.TypeOf(name);
                Assert.Equal(weight.Dims.Length > 1 ? type : DType.F32, weight.DType);
                if (weight.DType == DType.F32) continue;
                float[] master = State(trainer, AddOptimizer.MasterName(name));
                Assert.Equal(master.Select(x => type == DType.BF16 ? BFloat16.FromSingle(x).ToSingle() : (float)(Half)x), model.Get(name));
            }
        });
        Assert.True(narrow[^1] < 0.5 * narrow[0], $"{narrow[0]} to {narrow[^1]}");

        // Weights are off by up to 2^-9 (2^-12) of themselves: a hundredth is far more than their rounding and far less than what a lost master copy costs.
        Assert.All(exact.Zip(narrow), pair => Assert.InRange(pair.Second, 0.99 * pair.First, 1.01 * pair.First));
    }

    [Theory]
    [MemberData(nameof(Narrow))]
    public void Threads_and_a_power_of_two_as_loss_scale_change_no_bit(DType type)
    {
        float[][] Weights(TrainerOptions options, int threads)
        {
            float[][] weights = [];
            Train(type, options, 10, (model, _) => weights = [.. model.WeightNames.Select(model.Get)], threads);
            return weights;
        }

        float[][] plain = Weights(new TrainerOptions(), 1);
        Assert.Equal(plain, Weights(new TrainerOptions(), 3));
        Assert.Equal(plain, Weights(new TrainerOptions { LossScaler = new LossScalerOptions { GrowthInterval = 3 } }, 2));
    }

    [Theory]
    [MemberData(nameof(Narrow))]
    public void A_restart_in_the_middle_has_the_same_bits_as_none(DType type)
    {
        TrainerOptions options = Scaled(type) with { Update = new UpdateOptions { Ema = new Ema(0.9) }, MaxTokens = 64, MaxDocuments = 4 };
        using var team = new ThreadTeam(2);
        using Model through = Initialized(type, 1), first = Initialized(type, 1), second = Initialized(type, 2);
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
        Assert.All(whole.OptimizerState, s => Assert.Equal(State(whole, s.Name), State(resumed, s.Name)));
    }

    [Fact]
    public void Stochastic_rounding_learns_without_master_copies_and_is_a_function_of_its_seed()
    {
        float[] Run(ulong seed, int threads)
        {
            float[] weights = [];
            double[] losses = Train(DType.BF16, new TrainerOptions { Optimizer = s_adamW with { StochasticRounding = seed } }, 30, (model, trainer) =>
            {
                weights = model.Get("model.layers.1.mlp.up_proj.weight");
                Assert.DoesNotContain(trainer.OptimizerState, s => s.Name.StartsWith("master.", StringComparison.Ordinal));
            }, threads);
            Assert.True(losses[^1] < 0.5 * losses[0], $"{losses[0]} to {losses[^1]}");
            return weights;
        }

        float[] one = Run(1, 1);
        Assert.Equal(one, Run(1, 3));
        Assert.NotEqual(one, Run(2, 1));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static TrainerOptions Scaled(DType type) => new() { Optimizer = s_adamW, LossScaler = type == DType.F16 ? new LossScalerOptions { GrowthInterval = 5 } : null };

    private static Model Initialized(DType type, ulong seed)
    {
        var model = new Model(TinyModels.Llama(), weightType: type);
        model.Initialize(seed, 0.15);
        return model;
    }

    private static double[] Train(DType type, TrainerOptions options, int steps, Action<Model, Trainer> last, int threads = 2)
    {
        using Model model = Initialized(type, 1);
        using var team = new ThreadTeam(threads);
        using var trainer = new Trainer(model, team, options with { MaxTokens = 64, MaxDocuments = 4 });
        double[] losses = [.. Enumerable.Range(1, steps).Select(i => Steps(trainer, i))];
        last(model, trainer);
        return losses;
    }

    private static double Steps(Trainer trainer, int last)
    {
        double loss = 0;
        while (trainer.Step < last)
        {
            trainer.Batch.Clear();
            foreach (int i in (int[])[1, 2])
            {
                int[] tokens = TinyModels.Tokens(15 + i, i);
                trainer.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens), i);
            }

            trainer.Accumulate();
            StepResult result = trainer.Update(3e-3);
            Assert.Null(result.SkippedFor);
            loss = result.Loss;
        }

        return loss;
    }

    private static float[] State(Trainer trainer, string name)
    {
        Value state = trainer.Plan.Graph.Find(name);
        var rows = new float[state.Type.Width];
        fixed (float* to = rows) Layouts.Unpack(state.Type, trainer[state], to);
        return rows;
    }
}
