using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Tandem.Training;

namespace Tandem.Cli;

/// <summary>Shows a run: a progress bar with loss, rate and time left on a terminal, a line now and then elsewhere.</summary>
internal sealed class TrainingDisplay(long first, long last, int logEvery)
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private ProgressTask? _task;
    private long _tokens;
    private double _smoothed = double.NaN;

    /// <summary>Runs steps <paramref name="first"/> + 1 to <paramref name="last"/> and gives the losses.</summary>
    public static List<double> Run(long first, long last, Func<long, StepResult> step, CancellationToken cancel, int logEvery = 50)
    {
        var losses = new List<double>();
        var display = new TrainingDisplay(first, last, logEvery);
        display.Show(() =>
        {
            for (long i = first + 1; i <= last && !cancel.IsCancellationRequested; i++)
            {
                StepResult result = step(i);
                losses.Add(result.Loss);
                if (result.SkippedFor != null) display.Warn($"step {i} skipped: the gradient of {result.SkippedFor} is not finite");
                display.Stepped(i, result, result.Valid, 0);
            }
        });
        return losses;
    }

    /// <summary>Shows progress while <paramref name="work"/> runs.</summary>
    public void Show(Action work)
    {
        if (Console.IsOutputRedirected)
        {
            work();
            return;
        }

        AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 24 }, new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                _task = context.AddTask("training", maxValue: Math.Max(1, last - first));
                work();
            });
        _task = null;
    }

    /// <summary>After a step.</summary>
    /// <param name="step">Its number.</param>
    /// <param name="result">What it did.</param>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="peakShare">Share of the matrix peak; 0 is not shown.</param>
    public void Stepped(long step, StepResult result, long tokens, double peakShare)
    {
        if (result.SkippedFor != null) return;
        _tokens += tokens;
        _smoothed = double.IsNaN(_smoothed) ? result.Loss : (0.9 * _smoothed) + (0.1 * result.Loss);
        bool isLine = _task == null && (step % logEvery == 0 || step == last || step == first + 1);
        if (_task == null && !isLine) return;
        string peak = peakShare > 0 ? string.Create(CultureInfo.InvariantCulture, $"  {peakShare:P0} of peak") : "";
        string text = string.Create(CultureInfo.InvariantCulture, $"loss {(_task != null ? _smoothed : result.Loss):F3}  norm {result.GradientNorm:F2}  {_tokens / _clock.Elapsed.TotalSeconds:N0} tokens/s{peak}");
        if (_task != null)
        {
            _task.Value = step - first;
            _task.Description = Markup.Escape($"step {step}/{last}  {text}");
        }
        else
        {
            Console.WriteLine($"step {step}/{last}  {text}  {Left(_clock.Elapsed, step - first, last - first)}");
        }
    }

    /// <summary>A line of its own.</summary>
    public void Line(string text)
    {
        if (_task != null) AnsiConsole.WriteLine(text);
        else Console.WriteLine(text);
    }

    /// <summary>A warning.</summary>
    public void Warn(string text)
    {
        if (_task != null) AnsiConsole.WriteLine("warning: " + text);
        else Console.Error.WriteLine("warning: " + text);
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

    private static string Left(TimeSpan elapsed, long done, long all)
    {
        TimeSpan left = elapsed / Math.Max(1, done) * (all - done);
        return left.ToString(left.TotalHours >= 1 ? @"h\:mm\:ss" : @"m\:ss", CultureInfo.InvariantCulture) + " left";
    }
}
