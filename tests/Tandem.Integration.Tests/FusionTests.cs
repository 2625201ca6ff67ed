using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.Inference;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>Every fusion can be switched off, and the bits are the same.</summary>
public sealed class FusionTests
{
    public static TheoryData<Fusions> Some => [Fusions.Epilogues, Fusions.RowChains, Fusions.SharedRows, Fusions.Epilogues | Fusions.SharedRows, Fusions.All];

    [Theory]
    [MemberData(nameof(Some))]
    public void Training_has_the_bits_of_no_fusion(Fusions fusions) => Assert.Equal(Train(Fusions.None, default), Train(fusions, default));

    [Fact]
    public void Training_with_recomputation_has_the_bits_of_no_fusion() => Assert.Equal(Train(Fusions.None, default), Train(Fusions.All, Recomputation.Full));

    [Theory]
    [MemberData(nameof(Some))]
    public void Serving_has_the_bits_of_no_fusion(Fusions fusions) => Assert.Equal(Serve(Fusions.None), Serve(fusions));

    [Fact]
    public void A_layer_is_fused_as_the_design_says()
    {
        ModelGraph graph = ModelGraphs.Serve(TinyModels.Llama(), new KvPlacement(DType.F32, 8), new GraphOptions { Backend = CpuBackend.Instance });
        string[] fused = [.. graph.Nodes.Where(n => n.Block == 1 && n.Op is Fused).Select(n => $"{((Fused)n.Op).Kind} {n.Name}")];
        Assert.Equal(
            [
                "Parallel model.layers.1.self_attn.q_proj+k_proj+v_proj",
                "Tiles model.layers.1.self_attn.o_proj+residual",
                "Tiles model.layers.1.mlp.gate_proj+up_proj+act",
                "Tiles model.layers.1.mlp.down_proj+residual",
            ],
            fused);
    }

    [Fact]
    public void What_an_epilogue_takes_over_needs_no_memory_of_its_own()
    {
        var bounds = StepSizes.ForServing(64, 4);
        Plan plain = Compile(Fusions.None), fused = Compile(Fusions.All);
        Assert.True(fused.ArenaBytes <= plain.ArenaBytes, $"{fused.ArenaBytes} and {plain.ArenaBytes}");

        Plan Compile(Fusions fusions) => Plan.Compile(
            ModelGraphs.Serve(TinyModels.Llama(), new KvPlacement(DType.F32, 8), new GraphOptions { Backend = CpuBackend.Instance, Fusions = fusions }),
            bounds, CpuBackend.Instance, 2);
    }

    private static float[][] Train(Fusions fusions, Recomputation recomputation)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(tied: true));
        using var team = new ThreadTeam(2);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 64, MaxDocuments = 4, Fusions = fusions, Recomputation = recomputation });
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

    private static List<GeneratedToken[]> Serve(Fusions fusions)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama());
        using var team = new ThreadTeam(2);
        using var engine = new Engine(model, team, new EngineOptions { Fusions = fusions, PrefillChunk = 7 });
        Request[] requests = [.. Enumerable.Range(0, 5).Select(i => engine.Submit(TinyModels.Tokens(3 + (4 * i), i), new SamplingOptions { MaxTokens = 12, Seed = (ulong)i, IgnoreEos = true }))];
        while (engine.Step())
        {
        }

        return [.. requests.Select(r => r.Generated.ToArray())];
    }
}
