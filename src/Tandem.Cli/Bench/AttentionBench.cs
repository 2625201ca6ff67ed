using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cli.Bench;

/// <summary>Causal attention of one document, forward and backward, and how time and memory grow with its length.</summary>
internal static class AttentionBench
{
    private const int NumHeads = 12, HeadDim = 64;

    public static void Run(BenchReport report, IReadOnlyList<int> lengths, int threads, int repetitions, CancellationToken cancel)
    {
        using var team = new ThreadTeam(threads);
        using var limits = new Limits(team);
        var runs = new List<(int Length, SingleOp Op, BenchCase Forward, BenchCase Backward)>();
        try
        {
            foreach (int length in lengths)
            {
                SingleOp op = Build(length, team);
                runs.Add((length, op, new BenchCase($"forward {length}", () => op.Run(Stage.Forward)), new BenchCase($"backward {length}", () => op.Run(Stage.Backward))));
            }

            BenchCase.RunInterleaved([.. limits.Cases, .. runs.Select(r => r.Forward), .. runs.Select(r => r.Backward)], repetitions, cancel);
            limits.AddRows(report);
            foreach ((int length, _, BenchCase forward, BenchCase backward) in runs)
            {
                report.Rows.Add(limits.RatioToPeak($"{length} tokens: forward", forward, Flops(length)));
                report.Rows.Add(limits.RatioToPeak($"{length} tokens: backward", backward, 2 * Flops(length)));
                report.Rows.Add(Both(limits, length, forward, backward));
            }

            for (int i = 1; i < runs.Count; i++) AddGrowth(report, runs[i - 1], runs[i]);
        }
        finally
        {
            foreach ((_, SingleOp op, _, _) in runs) op.Dispose();
        }
    }

    // Half of two full products: a query sees the keys up to its own.
    private static double Flops(int length) => 2.0 * length * length * NumHeads * HeadDim;

    private static BenchRow Both(Limits limits, int length, BenchCase forward, BenchCase backward)
    {
        (BenchCase peak, double peakFlops) = limits.Peak;
        double rate = 3 * Flops(length) / (forward.Median + backward.Median), limit = peakFlops / peak.Median;
        return new BenchRow($"{length} tokens: both", rate / 1e9, "GFLOP/s") { Limit = limit / 1e9, LimitName = limits.PeakName, Ratio = rate / limit };
    }

    private static void AddGrowth(BenchReport report, (int Length, SingleOp Op, BenchCase Forward, BenchCase Backward) small, (int Length, SingleOp Op, BenchCase Forward, BenchCase Backward) large)
    {
        double longer = (double)large.Length / small.Length, time = (large.Forward.Median + large.Backward.Median) / (small.Forward.Median + small.Backward.Median);
        double memory = (double)large.Op.Plan.TotalBytes / small.Op.Plan.TotalBytes;
        report.Rows.Add(new BenchRow($"time, {small.Length} to {large.Length} tokens", time, "times") { Limit = longer * longer, LimitName = "T^2", Ratio = time / (longer * longer) });
        report.Rows.Add(new BenchRow($"memory, {small.Length} to {large.Length} tokens", memory, "times") { Limit = longer, LimitName = "T", Ratio = memory / longer });
    }

    private static SingleOp Build(int length, ThreadTeam team) => new(
        g =>
        {
            var spec = new AttentionSpec(NumHeads, NumHeads, HeadDim, HeadDim, 1 / MathF.Sqrt(HeadDim));
            var rows = new TensorType(DType.F32, RowSymbol.Tokens, NumHeads * HeadDim);
            Value q = g.Input("q", rows);
            Value blocks = g.Apply(new KvWrite(spec), "kv", g.Input("k", rows), g.Input("v", rows));
            IReadOnlyList<Value> forward = g.ApplyAll(new Attention(spec), "attention", q, blocks);
            g.Fragment = Stage.Backward;
            IReadOnlyList<Value> backward = g.ApplyAll(new AttentionGrad(spec), "attention.grad", q, blocks, forward[0], forward[1], g.Input("do", rows));
            for (int i = 0; i < backward.Count; i++) g.Output($"gradient.{i}", backward[i]);
        },
        length,
        team);
}
