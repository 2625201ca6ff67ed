using System.Globalization;

namespace Tandem.Cli.Bench;

/// <summary>Resident memory of this process as Linux counts it.</summary>
internal static class ProcessMemory
{
    /// <summary>Bytes that are resident now.</summary>
    public static long Resident => Read("VmRSS:");

    /// <summary>Bytes that were resident at most.</summary>
    public static long Peak => Read("VmHWM:");

    private static long Read(string key)
    {
        const string Status = "/proc/self/status";
        if (!File.Exists(Status)) throw new TandemException($"resident memory is read from {Status}, which this system does not have");
        string line = File.ReadLines(Status).First(l => l.StartsWith(key, StringComparison.Ordinal));
        return 1024 * long.Parse(line[key.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture);
    }
}
