using System.Diagnostics;

namespace Tandem.Cli.Bench;

/// <summary>Something that is timed beside others.</summary>
/// <param name="Name">Name, as printed while it runs.</param>
/// <param name="Run">One execution.</param>
internal sealed record BenchCase(string Name, Action Run)
{
    private double[] _seconds = [];

    /// <summary>Seconds of one execution, repetition by repetition.</summary>
    public IReadOnlyList<double> Seconds => _seconds;

    /// <summary>Median of <see cref="Seconds"/>.</summary>
    public double Median => Statistics.Median(_seconds);

    /// <summary>Half the range of <see cref="Seconds"/> as a share of the median.</summary>
    public double Spread => (_seconds.Max() - _seconds.Min()) / 2 / Median;

    /// <summary>Median over the repetitions of how many times faster this did <paramref name="work"/> than <paramref name="other"/> did its own.</summary>
    public double RatioTo(BenchCase other, double work, double otherWork) =>
        Statistics.Median([.. _seconds.Zip(other._seconds, (a, b) => work / a / (otherWork / b))]);

    /// <summary>
    /// Runs the cases in turn, <paramref name="repetitions"/> times over, so that what else happens on the machine meets all of them alike.
    /// Short ones are run several times for one sample.
    /// </summary>
    public static void RunInterleaved(IReadOnlyList<BenchCase> cases, int repetitions, CancellationToken cancel)
    {
        int[] calls = [.. cases.Select(c => WarmUp(c, cancel))];
        foreach (BenchCase c in cases) c._seconds = new double[repetitions];
        for (int r = 0; r < repetitions; r++)
        {
            for (int i = 0; i < cases.Count; i++)
            {
                cancel.ThrowIfCancellationRequested();
                Progress($"{r + 1}/{repetitions} {cases[i].Name}");
                cases[i]._seconds[r] = cases[i].Sample(calls[i]);
            }
        }

        Progress("");
    }

    // Long enough for the tiered compiler to have seen all that is called, and to know how many calls make a sample.
    private static int WarmUp(BenchCase c, CancellationToken cancel)
    {
        const double MinSeconds = 0.15, SampleSeconds = 0.04;
        cancel.ThrowIfCancellationRequested();
        Progress("warming up " + c.Name);
        Settle();
        var all = Stopwatch.StartNew();
        double shortest = double.MaxValue;
        do
        {
            long start = Stopwatch.GetTimestamp();
            c.Run();
            shortest = Math.Min(shortest, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        while (all.Elapsed.TotalSeconds < MinSeconds);
        return (int)Math.Clamp(SampleSeconds / shortest, 1, 100_000);
    }

    // On a terminal only, and on one line that is written over.
    private static void Progress(string text)
    {
        const int Width = 78;
        if (!Console.IsErrorRedirected) Console.Error.Write("\r" + (text.Length > Width ? text[..Width] : text.PadRight(Width)) + (text.Length == 0 ? "\r" : ""));
    }

    private double Sample(int calls)
    {
        Settle();
        if (calls > 1) Run();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++) Run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }

    // Workers of the case before spin a little before they sleep.
    private static void Settle() => Thread.Sleep(10);
}

/// <summary>What samples are summed up by.</summary>
internal static class Statistics
{
    /// <summary>The middle value, or the mean of the two middle ones.</summary>
    public static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
