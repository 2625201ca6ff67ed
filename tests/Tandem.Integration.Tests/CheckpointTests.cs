using Tandem.Cpu;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Invariant 9, and what lies on disk.</summary>
public sealed class CheckpointTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-checkpoint-").FullName;

    [Fact]
    public void A_restart_in_the_middle_has_the_same_bits_as_none()
    {
        using var team = new ThreadTeam(2);
        using Model through = TinyModels.Initialized(TinyModels.Llama());
        using (Trainer trainer = Trainer(through, team)) Steps(trainer, 12);

        using Model first = TinyModels.Initialized(TinyModels.Llama());
        using (Trainer trainer = Trainer(first, team))
        {
            Steps(trainer, 5);
            TrainerCheckpoint.Save(trainer, _folder, keep: 2);
        }

        using Model second = TinyModels.Initialized(TinyModels.Llama(), seed: 99);
        using (Trainer trainer = Trainer(second, team))
        {
            TrainerCheckpoint.Restore(trainer, TrainerCheckpoint.Newest(_folder)!);
            Assert.Equal(5, trainer.Step);
            Steps(trainer, 12);
        }

        Assert.All(through.WeightNames, n => Assert.Equal(through.Get(n), second.Get(n)));
    }

    [Fact]
    public void Keeps_the_newest_and_passes_over_what_is_not_complete()
    {
        using var team = new ThreadTeam(1);
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using Trainer trainer = Trainer(model, team);
        for (int i = 1; i <= 4; i++)
        {
            Steps(trainer, i);
            TrainerCheckpoint.Save(trainer, _folder, keep: 2);
        }

        Directory.CreateDirectory(Path.Combine(_folder, "step-9.partial"));
        Assert.Equal(["step-3", "step-4", "step-9.partial"], Directory.GetDirectories(_folder).Select(Path.GetFileName).Order());
        Assert.EndsWith("step-4", TrainerCheckpoint.Newest(_folder), StringComparison.Ordinal);
    }

    [Fact]
    public void A_saved_model_loads_with_the_same_bits_and_another_models_checkpoint_is_refused()
    {
        using var team = new ThreadTeam(1);
        using Model model = TinyModels.Initialized(TinyModels.Llama(tied: true));
        string saved = Path.Combine(_folder, "model");
        model.Save(saved);
        using Model loaded = Model.Load(saved);
        Assert.Equal(model.WeightNames, loaded.WeightNames);
        Assert.All(model.WeightNames, n => Assert.Equal(model.Get(n), loaded.Get(n)));

        using Model untied = TinyModels.Initialized(TinyModels.Llama());
        using Trainer trainer = Trainer(untied, team);
        TandemException error = Assert.Throws<TandemException>(() => TrainerCheckpoint.Restore(trainer, saved));
        Assert.Contains("another model", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Trainer Trainer(Model model, ThreadTeam team) => new(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 4 });

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
