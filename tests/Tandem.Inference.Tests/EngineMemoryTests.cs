using Tandem.Cpu;
using Tandem.Integration.Tests;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>Models that need more memory than there is: refused before anything is taken, with both figures; a cache that nobody asked for shrinks instead.</summary>
public sealed class EngineMemoryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-memory-").FullName;
    private readonly ThreadTeam _team = new(1);

    public EngineMemoryTests()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 4096));
        model.Save(Model1);
        TokenizerJson.Save(Tokenizer.OfBytes(), Path.Combine(Model1, TokenizerJson.FileName));
    }

    private string Model1 => Path.Combine(_folder, "model");

    public void Dispose()
    {
        _team.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_model_that_does_not_fit_is_refused_with_both_figures_before_its_weights_are_read()
    {
        TandemException e = Assert.Throws<TandemException>(() => Generator.Load(Model1, 1, new EngineOptions { Machine = MachineMemory.Of(100_000) }));
        Assert.Matches(@"needs [\d.]+ MiB of memory \(weights [\d.]+ MiB, activations [\d.]+ MiB, keys and values of \d+ tokens [\d.]+ MiB\), and 0\.1 MiB are available; accepted: .*--max-length.*--cache-type-k", e.Message);
        long pending = 0;
        Model.Load(Model1, prepare: m => pending = m.PendingBytes).Dispose();
        using Model loaded = Model.Load(Model1);
        Assert.True(pending > 4 * loaded.NumParameters);
        Assert.Equal(0, loaded.PendingBytes);
    }

    [Fact]
    public void A_cache_that_was_asked_for_must_fit_and_another_shrinks()
    {
        using Model model = Model.Load(Model1);
        var options = new EngineOptions { MaxSequences = 2, MaxRows = 16 };
        using var whole = new Engine(model, _team, options);
        long steps = whole.Plan.ArenaBytes + whole.Plan.StateBytes - whole.CacheBytes, block = whole.CacheBytes / whole.TotalBlocks;
        Assert.Equal(4 * 4096 / (long)Graph.BatchView.BlockTokens, whole.TotalBlocks);
        MachineMemory half = MachineMemory.Of(steps + (whole.CacheBytes / 2));
        using var smaller = new Engine(model, _team, options with { Machine = half });
        Assert.InRange(smaller.TotalBlocks, 1, whole.TotalBlocks / 2);
        Assert.True(smaller.TotalBlocks * block <= whole.CacheBytes / 2);

        // A length that was asked for fits once; tokens that were asked for fit whole.
        using var once = new Engine(model, _team, options with { MaxLength = 4096, Machine = half });
        Assert.True(once.TotalBlocks >= 4096 / Graph.BatchView.BlockTokens);
        TandemException e = Assert.Throws<TandemException>(() => new Engine(model, _team, options with { CacheTokens = 4 * 4096, Machine = half }));
        Assert.Contains("keys and values of 16,384 tokens", e.Message, StringComparison.Ordinal);
        e = Assert.Throws<TandemException>(() => new Engine(model, _team, options with { MaxLength = 4096, Machine = MachineMemory.Of(steps + (8 * block)) }));
        Assert.Contains("keys and values of 4,096 tokens", e.Message, StringComparison.Ordinal);
    }
}
