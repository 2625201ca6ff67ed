using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.Json;

namespace Tandem.Cli.Bench;

/// <summary>The machine and the build that a report names.</summary>
internal static class Machine
{
    /// <summary>The processor's name, as the system gives it.</summary>
    public static string Processor { get; } = ReadProcessor();

    /// <summary>Widest vectors that the runtime uses in hardware, in bits.</summary>
    public static int VectorBits =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;

    /// <summary>The commit the build was made from, shortened; null if the build does not know.</summary>
    public static string? Commit
    {
        get
        {
            string version = typeof(Machine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
            int plus = version.IndexOf('+');
            return plus < 0 ? null : version[(plus + 1)..Math.Min(version.Length, plus + 9)];
        }
    }

    /// <summary>One line.</summary>
    public static string Describe(int threads) =>
        $"{Processor}, {Environment.ProcessorCount} cores, {threads} threads, {VectorBits}-bit vectors, {RuntimeInformation.FrameworkDescription}"
        + (Commit is { } commit ? $", commit {commit}" : "");

    /// <summary>The same as JSON members.</summary>
    public static void Write(Utf8JsonWriter json, int threads)
    {
        json.WriteString("processor", Processor);
        json.WriteNumber("cores", Environment.ProcessorCount);
        json.WriteNumber("threads", threads);
        json.WriteNumber("vector_bits", VectorBits);
        json.WriteString("runtime", RuntimeInformation.FrameworkDescription);
        if (Commit is { } commit) json.WriteString("commit", commit);
    }

    private static string ReadProcessor()
    {
        const string Info = "/proc/cpuinfo";
        string? line = File.Exists(Info) ? File.ReadLines(Info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line == null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }
}
