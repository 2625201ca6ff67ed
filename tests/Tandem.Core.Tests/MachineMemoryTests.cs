using Xunit;

namespace Tandem.Core.Tests;

/// <summary>What is available, by the files in which Linux says so.</summary>
public sealed class MachineMemoryTests : IDisposable
{
    private const long Mib = 1 << 20;

    private readonly string _root = Directory.CreateTempSubdirectory("tandem-memory-").FullName;

    public MachineMemoryTests() => Write("proc/meminfo", "MemTotal:       16384000 kB\nMemFree:          100000 kB\nMemAvailable:    8192000 kB\n");

    private long Available => new MachineMemory(_root).Available;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Without_groups_it_is_what_the_system_has()
    {
        Assert.Equal(8192000L * 1024, Available);
        Assert.InRange(MachineMemory.Own.Available, 1, long.MaxValue);
        Assert.Equal(5, MachineMemory.Of(5).Available);

        // A path that begins nowhere, as no kernel writes it.
        Write("proc/self/cgroup", "0::outer\n\nno group\n");
        Assert.Equal(8192000L * 1024, Available);
    }

    [Fact]
    public void The_least_that_a_group_of_version_2_leaves_counts()
    {
        Write("proc/self/cgroup", "0::/outer/inner\n");
        Group("outer/inner", "max", 50 * Mib, 0);
        Assert.Equal(8192000L * 1024, Available);
        Group("outer", $"{300 * Mib}", 200 * Mib, 40 * Mib);
        Assert.Equal(140 * Mib, Available);
        Group("outer/inner", $"{100 * Mib}", 50 * Mib, 0);
        Assert.Equal(50 * Mib, Available);
        Group("", $"{70 * Mib}", 60 * Mib, 0);
        Assert.Equal(10 * Mib, Available);
        Group("", $"{70 * Mib}", 80 * Mib, 0);
        Assert.Equal(0, Available);

        void Group(string path, string most, long used, long inactive)
        {
            Write($"sys/fs/cgroup/{path}/memory.max", most + "\n");
            Write($"sys/fs/cgroup/{path}/memory.current", used + "\n");
            Write($"sys/fs/cgroup/{path}/memory.stat", $"anon 1\ninactive_file {inactive}\nactive_file 7\n");
        }
    }

    [Fact]
    public void A_group_of_version_1_counts_even_where_its_path_is_the_machines()
    {
        Write("proc/self/cgroup", "3:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", $"{300 * Mib}\n");
        Write("sys/fs/cgroup/memory/memory.usage_in_bytes", $"{100 * Mib}\n");
        Write("sys/fs/cgroup/memory/memory.stat", $"total_inactive_file {20 * Mib}\n");
        Assert.Equal(220 * Mib, Available);
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Assert.Equal(8192000L * 1024, Available);
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_both_figures()
    {
        MachineMemory machine = MachineMemory.Of(3L << 30);
        machine.Require("it", "take less", ("a", 2L << 30), ("b", 1L << 30));
        TandemException e = Assert.Throws<TandemException>(() => machine.Require("it", "take less", ("a", 2L << 30), ("b", 1L << 30), ("c", Mib)));
        Assert.Equal("it needs 3.00 GiB of memory (a 2.00 GiB, b 1.00 GiB, c 1.0 MiB), and 3.00 GiB are available; take less", e.Message);
    }

    private void Write(string file, string text)
    {
        string path = Path.Combine(_root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
