using System.Globalization;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cli.Bench;

/// <summary>Sums an execution profile by op.</summary>
internal static class ProfileTable
{
    private const int Steps = 3;

    private static readonly string[] Columns = ["op", "nodes", "ms", "share", "GFLOP/s", "of peak", "GB/s", "of read", "busy"];

    /// <summary>Profiles a few steps more and gives the time of one.</summary>
    /// <param name="name">What is run.</param>
    /// <param name="step">Runs a step.</param>
    /// <param name="attach">Sets the profile of what runs it.</param>
    /// <param name="workers">Its threads.</param>
    /// <param name="sizes">A step's sizes, by which operations and bytes are counted.</param>
    /// <param name="limits">What has been measured as the machine's best.</param>
    public static (string Name, string[] Columns, List<string[]> Cells) Of(string name, Action step, Action<ExecutionProfile?> attach, int workers, StepSizes sizes, Limits limits)
    {
        var profile = new ExecutionProfile();
        step();
        attach(profile);
        for (int i = 0; i < Steps; i++) step();
        attach(null);

        (BenchCase peak, double peakFlops) = limits.Peak;
        double peakRate = peakFlops / peak.Median, readRate = ReadBandwidth.Bytes / limits.Read.Median;
        double total = profile.Entries.Sum(e => e.Elapsed.TotalSeconds);
        var cells = new List<string[]>();
        foreach (IGrouping<string, ProfileEntry> op in profile.Entries.GroupBy(Name).OrderByDescending(g => g.Sum(e => e.Elapsed.TotalSeconds)))
        {
            double seconds = op.Sum(e => e.Elapsed.TotalSeconds) / Steps;
            double flops = op.Sum(e => Flops(e, sizes));
            double bytes = op.Sum(e => Bytes(e.Node, sizes));
            bool isProduct = flops > 2 * bytes;
            cells.Add(
            [
                op.Key,
                op.Select(e => e.Node).Distinct().Count().ToString(CultureInfo.InvariantCulture),
                BenchReport.Number(seconds * 1e3),
                Percent(seconds * Steps / total),
                isProduct ? BenchReport.Number(flops / seconds / 1e9) : "",
                isProduct ? Percent(flops / seconds / peakRate) : "",
                isProduct ? "" : BenchReport.Number(bytes / seconds / 1e9),
                isProduct ? "" : Percent(bytes / seconds / readRate),
                Percent(op.Sum(e => e.Busy.TotalSeconds) / workers / (seconds * Steps)),
            ]);
        }

        return ($"{name} ({BenchReport.Number(total / Steps * 1e3)} ms; bytes are operands read and results written once; busy is the share of the workers' time spent on items)", Columns, cells);

        static string Name(ProfileEntry e) => e switch
        {
            { Part: { } part } => $"{e.Node.Op.Name}: {part}",
            { Node.Op: Fused fused } => string.Join(", ", fused.Parts.CountBy(p => p.Node.Op.Name).Select(p => p.Value == 1 ? p.Key : $"{p.Value} {p.Key}")),
            _ => e.Node.Op.Name,
        };
    }

    private static string Percent(double share) => (share * 100).ToString("F1", CultureInfo.InvariantCulture) + " %";

    // A part of the loss head is one product or none. The gradient of attention counts as two forward passes, one for its keys and one for its queries.
    // An attention's count is that of one document of all rows: equal documents have as many times less as there are of them.
    private static double Flops(ProfileEntry e, StepSizes sizes)
    {
        double flops = e.Node.Op.Flops(e.Node, sizes);
        return e.Node.Op switch
        {
            Attention => flops / sizes.Segments,
            AttentionGrad => flops / sizes.Segments * e.Part switch { "heads" => 1, "keys" or "queries" => 0.5, _ => 0 },
            LinearCrossEntropyGrad => e.Part is "logits" or "dx" or "dw" ? flops / 3 : 0,
            _ => flops,
        };
    }

    private static double Bytes(Node node, StepSizes sizes) =>
        node.Op is LinearCrossEntropyGrad ? 0 : node.Inputs.Concat(node.Outputs).Sum(v => (double)sizes.Bytes(v.Type));
}
