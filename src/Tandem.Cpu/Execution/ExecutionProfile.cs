using System.Diagnostics;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>Time that one part of a node took, over all steps since the profile was attached.</summary>
public sealed class ProfileEntry
{
    internal ProfileEntry(Node node, string? part)
    {
        Node = node;
        Part = part;
    }

    /// <summary>The node.</summary>
    public Node Node { get; }

    /// <summary>Which part of a kernel made of several; null for a kernel of one.</summary>
    public string? Part { get; }

    /// <summary>Executions.</summary>
    public long Calls { get; internal set; }

    /// <summary>Time from the start of the part to its barrier.</summary>
    public TimeSpan Elapsed { get; internal set; }

    /// <summary>Time that workers spent on items, summed over workers; less than workers times <see cref="Elapsed"/> where items are uneven or too few.</summary>
    public TimeSpan Busy { get; internal set; }
}

/// <summary>
/// Where the time of steps goes, node by node; see <see cref="CpuInstance.Profile"/>. Timing costs two clock reads an item, so a step is a little slower than without.
/// </summary>
public sealed class ExecutionProfile
{
    private readonly Dictionary<(Node Node, string? Part), ProfileEntry> _entries = [];

    /// <summary>What was timed, in order of first execution.</summary>
    public IReadOnlyCollection<ProfileEntry> Entries => _entries.Values;

    /// <summary>Forgets what was timed.</summary>
    public void Clear() => _entries.Clear();

    internal void Run(ThreadTeam team, Node node, KernelCall call)
    {
        long start = Stopwatch.GetTimestamp();
        var job = new TimedJob(call, team.Workers);
        team.Run(job, call.Items);
        (Node, string?) key = (node, call.PartName);
        if (!_entries.TryGetValue(key, out ProfileEntry? entry)) _entries[key] = entry = new ProfileEntry(node, call.PartName);
        entry.Elapsed += Stopwatch.GetElapsedTime(start);
        entry.Busy += job.Busy;
        entry.Calls++;
    }

    private sealed class TimedJob(KernelCall call, int workers) : ITeamJob
    {
        // A cache line a worker.
        private const int Stride = 8;

        private readonly long[] _ticks = new long[workers * Stride];

        public TimeSpan Busy => TimeSpan.FromSeconds((double)_ticks.Sum() / Stopwatch.Frequency);

        public void Run(int item, int worker)
        {
            long start = Stopwatch.GetTimestamp();
            call.Run(item, worker);
            _ticks[worker * Stride] += Stopwatch.GetTimestamp() - start;
        }
    }
}
