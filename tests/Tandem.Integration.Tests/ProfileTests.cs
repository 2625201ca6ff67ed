using Tandem.Cpu;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>A profile counts what runs and changes nothing.</summary>
public sealed class ProfileTests
{
    [Fact]
    public void A_profile_has_every_node_once_a_step_and_changes_no_bit()
    {
        var profile = new ExecutionProfile();
        Assert.Equal(Weights(null), Weights(profile));

        // Phases of one part count each; a node of one phase counts once in each of the three steps.
        ProfileEntry norm = profile.Entries.First(e => e.Node.Op.Name == "rms-norm");
        Assert.Equal(3, norm.Calls);
        Assert.All(profile.Entries, e => Assert.True(e.Calls >= 3, e.Node.Name));
        Assert.Equal(["logits", "softmax", "dx", "dw", "sum"], profile.Entries.Where(e => e.Node.Op.Name == "linear-cross-entropy-grad").Select(e => e.Part));

        profile.Clear();
        Assert.Empty(profile.Entries);
    }

    private static float[][] Weights(ExecutionProfile? profile)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 1 }) { Profile = profile };
        int[] tokens = TinyModels.Tokens(60, 1);
        trainer.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens));
        for (int i = 0; i < 3; i++)
        {
            trainer.Accumulate();
            trainer.Update(1e-3);
        }

        if (profile != null) Assert.Equal(trainer.Plan.Graph.Nodes.Count, profile.Entries.Select(e => e.Node).Distinct().Count());
        return [.. model.WeightNames.Select(model.Get)];
    }
}
