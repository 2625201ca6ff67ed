using System.Text;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>Malformed safetensors files: each must be refused with the right category of error, or accepted, as its entry in <c>cases.json</c> says.</summary>
internal static class SafetensorsCases
{
    private const string Accept = "accept", List = "cases.json";

    /// <summary>Whether a folder holds such cases.</summary>
    public static bool Has(CaseFolder folder) => folder.Has(List) && folder.Files.Any(f => f.EndsWith(".safetensors", StringComparison.Ordinal));

    /// <summary>Runs the cases of a folder.</summary>
    public static void Run(CaseFolder folder, RunContext context) => context.Report.List($"{folder.Name}/{List}", () =>
    {
        foreach (JsonElement entry in folder.Json(List).EnumerateArray())
        {
            string file = entry.GetProperty("file").GetString()!, expected = entry.GetProperty("expect").GetString()!;
            context.Report.Case($"{folder.Name}/{file}", checks =>
            {
                string verdict = Open(folder, file);
                if (Matches(expected, verdict)) checks.Equal(verdict, verdict, verdict);
                else checks.Fail("verdict", $"{verdict}, wanted {expected}");
            });
        }
    });

    // One category, several joined by _or_, or one of the free forms. Names of categories are suggestions: where a file ends too early, the data it lacks
    // lie beyond its end, and a header that is longer than the file is one that the file ends in.
    internal static bool Matches(string expected, string verdict) => expected switch
    {
        "accept_or_reject" => true,
        "any_error" => verdict != Accept,
        "truncated" => verdict is "truncated" or "data_out_of_file",
        "header_too_large" => verdict is "header_too_large" or "truncated",
        _ => expected.Split("_or_").Contains(verdict),
    };

    private static string Open(CaseFolder folder, string file)
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("tandem-conformance-");
        try
        {
            folder.CopyTo(directory.FullName, [file]);
            using SafetensorsFile opened = SafetensorsFile.Open(Path.Combine(directory.FullName, file));
            return Accept;
        }
        catch (CheckpointException e)
        {
            return Snake(e.Error.ToString());
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    // The categories' names: BadJson is bad_json, UnknownDType unknown_dtype.
    internal static string Snake(string name)
    {
        var snake = new StringBuilder();
        for (int i = 0; i < name.Length; i++)
        {
            if (i > 0 && char.IsUpper(name[i]) && char.IsLower(name[i - 1])) snake.Append('_');
            snake.Append(char.ToLowerInvariant(name[i]));
        }

        return snake.ToString();
    }
}
