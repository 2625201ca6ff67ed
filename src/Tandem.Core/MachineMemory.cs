using System.Globalization;

namespace Tandem;

/// <summary>
/// How much memory this process can still take: what the system has available, within the limits of the control groups that it runs in. What is about to take much asks here
/// first, so that a model which does not fit is refused with figures and not killed halfway.
/// </summary>
public sealed class MachineMemory
{
    private const string Unlimited = "max";

    // Version 1 writes no limit as the largest multiple of a page.
    private const long LeastUnlimited = 1L << 60;

    private readonly string? _root;
    private readonly long _fixed;

    /// <summary>Reads what Linux says below a folder; / is the machine itself.</summary>
    /// <param name="root">The folder that has <c>proc</c> and <c>sys</c>.</param>
    public MachineMemory(string root)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        _root = root;
    }

    private MachineMemory(long bytes) => _fixed = bytes;

    /// <summary>This machine.</summary>
    public static MachineMemory Own { get; } = new("/");

    /// <summary>Bytes that can be taken now.</summary>
    public long Available
    {
        get
        {
            if (_root == null) return _fixed;
            if (Field("proc/meminfo", "MemAvailable:") is not { } kibibytes) return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
            return Math.Max(0, Math.Min(kibibytes * 1024, LeftInGroups()));
        }
    }

    /// <summary>A machine that always has as much.</summary>
    public static MachineMemory Of(long bytes) => new(bytes);

    /// <summary>Refuses what does not fit.</summary>
    /// <param name="what">What takes the memory, for the error.</param>
    /// <param name="advice">What would take less.</param>
    /// <param name="parts">What it is made of, and the bytes of each part.</param>
    /// <exception cref="TandemException">The parts are more than is available.</exception>
    public void Require(string what, string advice, params ReadOnlySpan<(string Name, long Bytes)> parts)
    {
        long needed = 0;
        foreach ((_, long bytes) in parts) needed += bytes;
        long available = Available;
        if (needed <= available) return;
        string list = string.Join(", ", parts.ToArray().Where(p => p.Bytes > 0).Select(p => $"{p.Name} {Size(p.Bytes)}"));
        throw new TandemException($"{what} needs {Size(needed)} of memory ({list}), and {Size(available)} are available; {advice}");
    }

    private static string Size(long bytes) => bytes >= 1L << 30
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):F2} GiB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):F1} MiB");

    // The least that any group above this process leaves.
    private long LeftInGroups()
    {
        long left = long.MaxValue;
        foreach (string line in Lines("proc/self/cgroup"))
        {
            string[] parts = line.Split(':', 3);
            if (parts.Length != 3) continue;
            bool isUnified = parts[1].Length == 0;
            if (!isUnified && !parts[1].Split(',').Contains("memory")) continue;

            // Inside a container the path may be that of the machine, and the group stand at the top.
            for (string path = parts[2].TrimEnd('/'); ; path = path[..Math.Max(0, path.LastIndexOf('/'))])
            {
                left = Math.Min(left, isUnified ? Left($"sys/fs/cgroup{path}", "memory.max", "memory.current", "inactive_file ") : Left($"sys/fs/cgroup/memory{path}", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "));
                if (path.Length == 0) break;
            }
        }

        return left;
    }

    // Pages of files that nobody uses count as used, and are given up when others are wanted.
    private long Left(string group, string limitFile, string usedFile, string inactive)
    {
        string? limit = Lines($"{group}/{limitFile}").FirstOrDefault(), used = Lines($"{group}/{usedFile}").FirstOrDefault();
        if (limit is null or Unlimited || used == null || !long.TryParse(limit, CultureInfo.InvariantCulture, out long most) || most >= LeastUnlimited) return long.MaxValue;
        return long.TryParse(used, CultureInfo.InvariantCulture, out long taken) ? most - taken + (Field($"{group}/memory.stat", inactive) ?? 0) : long.MaxValue;
    }

    private long? Field(string file, string name)
    {
        if (Lines(file).FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal)) is not { } line) return null;
        string value = line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
        return long.TryParse(value, CultureInfo.InvariantCulture, out long number) ? number : null;
    }

    private string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(_root!, file));
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // Not this system, or not this version of control groups.
            return [];
        }
    }
}
