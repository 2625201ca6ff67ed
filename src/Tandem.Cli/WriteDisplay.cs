using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Tandem.Models;

namespace Tandem.Cli;

/// <summary>Shows how far the writing of a model is: a bar with rate and time left on a terminal, a line now and then elsewhere.</summary>
internal static class WriteDisplay
{
    private const double LineSeconds = 10;

    /// <summary>Runs the work, which tells its progress.</summary>
    public static void Run(Action<Action<WriteProgress>> work)
    {
        var clock = Stopwatch.StartNew();
        if (Console.IsErrorRedirected || Console.IsOutputRedirected)
        {
            double next = LineSeconds;
            work(p =>
            {
                if (clock.Elapsed.TotalSeconds < next) return;
                next = clock.Elapsed.TotalSeconds + LineSeconds;
                double left = clock.Elapsed.TotalSeconds * (p.BytesTotal - p.BytesDone) / Math.Max(1, p.BytesDone);
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{100.0 * p.BytesDone / Math.Max(1, p.BytesTotal):F0} %  {Rate(p, clock)}  {left:F0} s left  {p.Tensor}"));
            });
            return;
        }

        AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 24 }, new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask("writing");
                work(p =>
                {
                    task.MaxValue = Math.Max(1, p.BytesTotal);
                    task.Value = p.BytesDone;
                    task.Description = Markup.Escape($"{p.Tensor}  {Rate(p, clock)}");
                });
            });
    }

    private static string Rate(WriteProgress p, Stopwatch clock) => string.Create(CultureInfo.InvariantCulture, $"{p.BytesDone / 1e6 / Math.Max(1e-3, clock.Elapsed.TotalSeconds):F1} MB/s");
}
