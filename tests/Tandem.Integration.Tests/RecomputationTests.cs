using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Passes;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Invariant 4: activation recomputation changes no bit, at any granularity, and takes less memory.</summary>
public sealed class RecomputationTests
{
    private static readonly Recomputation[] Choices =
        [Recomputation.Full, Recomputation.Cheap, new(1, 0), new(0, 1), new(1, 1)];

    [Fact]
    public void Any_choice_has_the_bits_of_none()
    {
        float[][] none = Run(new TrainerOptions { MaxTokens = 64, MaxDocuments = 4 });
        Assert.All(Choices, choice => Assert.Equal(none, Run(new TrainerOptions { MaxTokens = 64, MaxDocuments = 4, Recomputation = choice })));
    }

    [Fact]
    public void More_recomputation_takes_less_memory()
    {
        ModelConfig config = TinyModels.Llama() with { NumLayers = 6, LayerWindows = new int[6] };
        long[] arena = [.. Enumerable.Range(0, Recomputation.Steps(6)).Select(step => Compile(config, Recomputation.Step(step, 6)).ArenaBytes)];
        Assert.True(arena[^1] < 0.5 * arena[0], $"{arena[^1]} of {arena[0]}");
        for (int i = 1; i < arena.Length; i++) Assert.True(arena[i] <= arena[i - 1], $"step {i}: {arena[i]} after {arena[i - 1]}");
        Assert.Equal(Compile(config, Recomputation.Full).ArenaBytes, arena[^1]);
    }

    [Fact]
    public void A_limit_is_kept_with_as_little_recomputation_as_possible()
    {
        ModelConfig config = TinyModels.Llama() with { NumLayers = 6, LayerWindows = new int[6] };
        for (int step = 0; step < Recomputation.Steps(6); step++)
        {
            Plan exact = Compile(config, Recomputation.Step(step, 6));
            Plan found = TrainingPlan.Compile(config, new TrainingGraph(), StepSizes.ForTraining(256, 4), 2, exact.TotalBytes);
            Assert.True(found.TotalBytes <= exact.TotalBytes);
            Assert.True(found.Graph.Nodes.Count <= exact.Graph.Nodes.Count);
        }

        var e = Assert.Throws<TandemException>(() => TrainingPlan.Compile(config, new TrainingGraph(), StepSizes.ForTraining(256, 4), 2, 1000));
        Assert.Contains("the limit is 0 MiB", e.Message, StringComparison.Ordinal);
    }

    private static Plan Compile(ModelConfig config, Recomputation choice) =>
        TrainingPlan.Compile(config, new TrainingGraph { Recomputation = choice }, StepSizes.ForTraining(256, 4), 2);

    private static float[][] Run(TrainerOptions options)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, options);
        for (int i = 0; i < 4; i++)
        {
            trainer.Batch.Clear();
            foreach (int document in (int[])[i, i + 7])
            {
                int[] tokens = TinyModels.Tokens(21 + document, document);
                trainer.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens), document);
            }

            trainer.Accumulate();
            trainer.Update(3e-3);
        }

        return [.. model.WeightNames.Select(model.Get)];
    }
}
