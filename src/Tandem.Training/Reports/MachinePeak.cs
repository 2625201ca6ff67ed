using System.Diagnostics;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>What a step's arithmetic is measured by.</summary>
public static class MachinePeak
{
    private const int Size = 768;

    /// <summary>
    /// Floating-point operations a second of a matrix product in f32 (768 x 768 x 768, both operands in the cache) with this engine's own kernel, the best of the repetitions
    /// within <paramref name="seconds"/>: the rate a step would have if it were matrix products only.
    /// </summary>
    public static double Measure(ThreadTeam team, double seconds = 0.3)
    {
        var g = new GraphBuilder("peak");
        Value x_TK = g.Input("x", new TensorType(DType.F32, RowSymbol.Tokens, Size));
        g.Output("y", g.Apply(new Linear(), "y", x_TK, g.Parameter("w", new TensorType(DType.F32, RowSymbol.None, Size, Size))));
        StepSizes bounds = StepSizes.ForTraining(Size, 1);
        using var batch = Batch.ForTraining(bounds);
        batch.AddDocument(new int[Size], new int[Size]);
        using var instance = new CpuInstance(Plan.Compile(AssignLayouts.Run(g.Build()), bounds, CpuBackend.Instance, team.Workers), team);
        double best = double.MaxValue;
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < seconds;)
        {
            long one = Stopwatch.GetTimestamp();
            instance.Run(Stage.Forward, batch.View, batch.Sizes);
            best = Math.Min(best, Stopwatch.GetElapsedTime(one).TotalSeconds);
        }

        return 2.0 * Size * Size * Size / best;
    }

    /// <summary>
    /// Floating-point operations of training on one token of a sequence of T: 6 N + 6 L T d, with N weights without the tables that are only looked up (an output head counts, tied or
    /// not), L layers, d = heads times their width; causal attention sees half of T on average. Documents packed into a sequence are counted as one of its length.
    /// </summary>
    public static double FlopsPerToken(Model model, int sequenceLength)
    {
        ModelConfig config = model.Config;
        long table = (long)config.VocabSize * config.HiddenSize;
        long lookedUp = (config.TieWordEmbeddings ? 0 : table) + (config.Rope == null ? (long)config.MaxPositions * config.HiddenSize : 0);
        return (6.0 * (model.NumParameters - lookedUp)) + (6.0 * config.NumLayers * sequenceLength * config.NumHeads * config.HeadDim);
    }
}
