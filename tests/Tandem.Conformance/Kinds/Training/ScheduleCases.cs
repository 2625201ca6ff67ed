using System.Text.Json;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>Learning-rate schedules: the rate of every step.</summary>
internal static class ScheduleCases
{
    /// <summary>Runs the cases of <c>schedules.json</c>.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        foreach (JsonProperty entry in folder.Json("schedules.json").EnumerateObject())
            context.Report.Case($"{folder.Name}/schedules.json {entry.Name}", _ => throw new UnsupportedException($"schedule {entry.Name}"));
    }
}
