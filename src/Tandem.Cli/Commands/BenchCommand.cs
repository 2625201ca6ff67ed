using System.CommandLine;
using Tandem.Cli.Bench;

namespace Tandem.Cli.Commands;

/// <summary>Figures beside the machine's limits, measured in turn in one run.</summary>
internal static class BenchCommand
{
    private static readonly Option<int> Threads = new("--threads") { Description = "Threads; 0 is one a core", Recursive = true };
    private static readonly Option<int> Repetitions = new("--repetitions") { Description = "Times that everything is measured in turn", DefaultValueFactory = _ => 5, Recursive = true };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON", Recursive = true };
    private static readonly Option<bool> Markdown = new("--markdown") { Description = "Print a Markdown table", Recursive = true };

    public static Command Create() => new("bench", "Measure speed and memory beside what the machine allows. Example: tandem bench train --config 0 --profile")
    {
        Threads, Repetitions, Json, Markdown,
        TrainCommand(),
    };

    private static Command TrainCommand()
    {
        var config = new Option<int[]>("--config") { Description = "Configurations, 0 to 3; all if not given", DefaultValueFactory = _ => [0, 1, 2, 3], AllowMultipleArgumentsPerToken = true };
        var profile = new Option<bool>("--profile") { Description = "Print the time by op" };
        var memoryOf = new Option<int?>("--memory-of") { Description = "Print the memory of one configuration only", Hidden = true };
        var command = new Command("train", "Training steps of four Llama-shaped models") { config, profile, memoryOf };
        command.SetAction((parse, cancel) => Report(parse, report =>
        {
            if (parse.GetValue(memoryOf) is { } index)
            {
                TrainBench.PrintMemory(index, WorkerCount(parse));
                return false;
            }

            foreach (int i in parse.GetValue(config)!)
            {
                if (i < 0 || i >= BenchModels.Training.Count) throw new TandemException($"--config {i}, wanted 0 to {BenchModels.Training.Count - 1}");
                TrainBench.Run(report, i, WorkerCount(parse), RepetitionCount(parse), parse.GetValue(profile), cancel);
            }

            return true;
        }));
        return command;
    }

    private static Task<int> Report(ParseResult parse, Func<BenchReport, bool> measure)
    {
        var report = new BenchReport("tandem " + string.Join(' ', parse.Tokens.Select(t => t.Value)), WorkerCount(parse));
        if (measure(report)) report.Print(parse.GetValue(Json) ? ReportFormat.Json : parse.GetValue(Markdown) ? ReportFormat.Markdown : ReportFormat.Text);
        return Task.FromResult(0);
    }

    private static int WorkerCount(ParseResult parse) => parse.GetValue(Threads) switch
    {
        0 => Environment.ProcessorCount,
        > 0 and int n => n,
        int n => throw new TandemException($"--threads {n}, wanted 0 (one a core) or more"),
    };

    private static int RepetitionCount(ParseResult parse) =>
        parse.GetValue(Repetitions) is > 0 and int n ? n : throw new TandemException($"--repetitions {parse.GetValue(Repetitions)}, wanted 1 or more");
}
