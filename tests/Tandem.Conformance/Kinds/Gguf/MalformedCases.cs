using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds.Gguf;

/// <summary>Malformed GGUF files: each must be refused with the right category of error, or accepted, as its entry in <c>cases.json</c> says, and never at the price of much memory.</summary>
internal static class MalformedCases
{
    private const string Accept = "accept", List = "cases.json";

    /// <summary>Whether a folder holds such cases.</summary>
    public static bool Has(CaseFolder folder) => folder.Has(List) && folder.Files.Any(f => f.EndsWith(".gguf", StringComparison.Ordinal));

    /// <summary>Runs the cases of a folder.</summary>
    public static void Run(CaseFolder folder, RunContext context) => context.Report.List($"{folder.Name}/{List}", () =>
    {
        foreach (JsonElement entry in folder.Json(List).EnumerateArray())
        {
            string file = entry.GetProperty("file").GetString()!, expected = entry.GetProperty("expect").GetString()!;
            context.Report.Case($"{folder.Name}/{file}", checks =>
            {
                byte[] bytes = folder.Read(file);
                string verdict = Open(file, bytes, out long allocated);
                if (SafetensorsCases.Matches(expected, verdict)) checks.Equal(verdict, verdict, verdict);
                else checks.Fail("verdict", $"{verdict}, wanted {expected}");
                if (allocated > (8L * bytes.Length) + (16 << 20)) checks.Fail("memory", $"{allocated} bytes allocated for a file of {bytes.Length}");
            });
        }
    });

    private static string Open(string name, byte[] bytes, out long allocated)
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("tandem-conformance-");
        long before = 0;
        try
        {
            string path = Path.Combine(directory.FullName, name);
            File.WriteAllBytes(path, bytes);
            before = GC.GetAllocatedBytesForCurrentThread();
            using GgufFile opened = GgufFile.Open(path);
            return opened.Architecture.Length > 0 ? Accept : "no architecture";
        }
        catch (GgufException e)
        {
            return SafetensorsCases.Snake(e.Error.ToString());
        }
        finally
        {
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            directory.Delete(recursive: true);
        }
    }
}
