using System.Diagnostics;

namespace Tandem.Cli.Bench;

/// <summary>How long this program takes from its start to its end when it only prints its help.</summary>
internal static class StartupBench
{
    private const double GoalMilliseconds = 150;

    public static void Run(BenchReport report, int repetitions, CancellationToken cancel)
    {
        SelfProcess.Run("--help");
        BenchCase help = new("--help", () => SelfProcess.Run("--help")), version = new("--version", () => SelfProcess.Run("--version"));
        BenchCase.RunInterleaved([help, version], repetitions, cancel);
        foreach (BenchCase c in (BenchCase[])[help, version])
        {
            report.Rows.Add(new BenchRow("start to end with " + c.Name, c.Median * 1e3, "ms")
            {
                Spread = c.Spread,
                Limit = GoalMilliseconds,
                LimitName = "goal",
                Ratio = c.Median * 1e3 / GoalMilliseconds,
            });
        }

        using Process self = Process.GetCurrentProcess();
        report.Notes.Add("measured binary: " + self.MainModule?.FileName);
    }
}
