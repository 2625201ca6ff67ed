using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Tandem.Training;

namespace Tandem.Cli;

/// <summary>Shows a run: a progress bar with loss, rate and time left on a terminal, a line now and then elsewhere.</summary>
internal static class TrainingDisplay
{
    /// <summary>Runs steps <paramref name="first"/> + 1 to <paramref name="last"/> and gives the losses.</summary>
    public static List<double> Run(long first, long last, Func<long, StepResult> step, CancellationToken cancel, int logEvery = 50)
    {
        var losses = new List<double>();
        var clock = Stopwatch.StartNew();
        long tokens = 0;
        void Steps(Action<long, string>? show)
        {
            for (long i = first + 1; i <= last && !cancel.IsCancellationRequested; i++)
            {
                StepResult result = step(i);
                losses.Add(result.Loss);
                tokens += result.Valid;
                string text = string.Create(CultureInfo.InvariantCulture, $"loss {result.Loss:F3}  norm {result.GradientNorm:F2}  {tokens / clock.Elapsed.TotalSeconds:F0} tokens/s");
                if (result.SkippedFor != null) Console.Error.WriteLine($"step {i} skipped: the gradient of {result.SkippedFor} is not finite");
                if (show != null) show(i, text);
                else if (i % logEvery == 0 || i == last) Console.WriteLine($"step {i}/{last}  {text}  {Left(clock.Elapsed, i - first, last - first)}");
            }
        }

        if (Console.IsOutputRedirected)
        {
            Steps(null);
            return losses;
        }

        AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask("training", maxValue: last - first);
                Steps((i, text) =>
                {
                    task.Value = i - first;
                    task.Description = Markup.Escape($"step {i}/{last}  {text}");
                });
            });
        return losses;
    }

    /// <summary>The losses as a curve of characters.</summary>
    public static string Curve(IReadOnlyList<double> losses, int width = 72, int height = 12)
    {
        if (losses.Count < 2) return "";
        double[] columns = [.. Enumerable.Range(0, width).Select(x => losses.Skip(x * losses.Count / width).Take(Math.Max(1, losses.Count / width)).DefaultIfEmpty(losses[^1]).Average())];
        double max = columns.Max(), min = Math.Min(0, columns.Min());
        var lines = new List<string>();
        for (int row = height; row >= 1; row--)
        {
            double from = min + ((max - min) * (row - 1) / height);
            string label = row == height ? max.ToString("F2", CultureInfo.InvariantCulture) : row == 1 ? min.ToString("F2", CultureInfo.InvariantCulture) : "";
            lines.Add($"{label,6} |" + string.Concat(columns.Select(c => c > from ? (c > min + ((max - min) * row / height) ? ' ' : '*') : ' ')));
        }

        lines.Add("       +" + new string('-', width));
        lines.Add($"        step 1{new string(' ', Math.Max(1, width - 12 - $"{losses.Count}".Length))}step {losses.Count}");
        return string.Join('\n', lines);
    }

    private static string Left(TimeSpan elapsed, long done, long all) =>
        (elapsed / done * (all - done)).ToString(@"m\:ss", CultureInfo.InvariantCulture) + " left";
}
