using System.CommandLine;
using System.Globalization;
using Tandem.Inference;
using Tandem.Training;

namespace Tandem.Cli.Commands;

internal static class TrainCommand
{
    public static Command Create()
    {
        var path = new Argument<string?>("config") { Description = "The run, as JSON; see docs/training.md", Arity = ArgumentArity.ZeroOrOne };
        var set = new Option<string[]>("--set") { Description = "Overrides a key: --set learning_rate=1e-3 --set data.sequence_length=128", DefaultValueFactory = _ => [] };
        var schema = new Option<bool>("--schema") { Description = "Print the JSON schema of configs, for editors, and end" };
        var command = new Command("train", "Train a model. A run that was stopped goes on where it was. Example: tandem train config.json --set max_steps=100") { path, set, schema };
        command.SetAction((parse, _) => Task.FromResult(parse.GetValue(schema) ? PrintSchema() : Run(parse.GetValue(path), parse.GetValue(set)!)));
        return command;
    }

    private static int PrintSchema()
    {
        Console.Write(ConfigSchema.Write());
        return 0;
    }

    private static int Run(string? path, string[] overrides)
    {
        if (path == null) throw new TandemException("no config; accepted: tandem train CONFIG.json (docs/training.md), or tandem train --schema");
        TrainConfig config = TrainConfig.Load(path, overrides);
        using var stop = new StopSignal("stopping after this step; again to end at once, without saving");
        using var run = new TrainingRun(config);
        foreach (string warning in run.Warnings) Console.Error.WriteLine("warning: " + warning);
        double peak = MachinePeak.Measure(run.Team);
        Describe(run, peak);

        var display = new TrainingDisplay(run.Trainer.Step, config.MaxSteps, config.LoggingSteps);
        var events = new TrainingEvents
        {
            Stepped = report => Show(display, report),
            Sampled = samples => Show(display, samples),
            Warned = display.Warn,
            Generate = samples => Generate(run, samples),
        };
        using var loop = new TrainingLoop(run, events, peak);
        RunEnd end = RunEnd.Finished;
        display.Show(() => end = loop.Run(stop.Token));
        Finish(run, end, Command(path, overrides));
        return end == RunEnd.Cancelled ? StopSignal.ExitCode : 0;
    }

    private static void Describe(TrainingRun run, double peak)
    {
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{run.Data.TrainTokens:N0} tokens to train on, {run.Data.ValidationTokens:N0} to evaluate; {run.Trainer.Model.NumParameters / 1e6:F1} M parameters; {run.Trainer.Plan.TotalBytes / 1048576.0:F0} MiB planned"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"matrix peak {peak / 1e9:F0} GFLOP/s with {run.Team.Workers} threads (a product in f32, measured now); shares of it count 6 N + 6 L T d operations a token"));
        if (run.ResumedFrom != null) Console.WriteLine($"going on after step {run.Trainer.Step}, from {run.ResumedFrom}");
    }

    private static void Show(TrainingDisplay display, StepReport report)
    {
        display.Stepped(report.Result.Step, report.Result, report.Tokens, report.PeakShare);
        if (report.Evaluation is not { } evaluation) return;
        string best = report.State.BestStep == report.Result.Step ? ", the best so far" : "";
        display.Line(string.Create(CultureInfo.InvariantCulture, $"step {report.Result.Step}: validation {evaluation.Loss:F4} nats a token, {evaluation.BitsPerByte:F4} bits a byte{best}"));
    }

    private static void Show(TrainingDisplay display, IReadOnlyList<SampleReport> samples)
    {
        foreach (SampleReport sample in samples) display.Line($"step {sample.Step}, sample: {sample.Prompt}{sample.Text}");
    }

    private static List<string> Generate(TrainingRun run, SamplesConfig samples)
    {
        using var generator = new Generator(run.Trainer.Model, run.Tokenizer, run.Team, new EngineOptions { MaxSequences = Math.Max(1, samples.Prompts.Count) });
        return [.. samples.Prompts.Select((prompt, i) => generator.Complete(prompt, new SamplingOptions
        {
            MaxTokens = samples.MaxTokens,
            Temperature = (float)samples.Temperature,
            TopK = samples.TopK,
            TopP = (float)samples.TopP,
            Seed = samples.Seed + (ulong)i,
        }))];
    }

    private static void Finish(TrainingRun run, RunEnd end, string command)
    {
        string saved = TrainerCheckpoint.Newest(run.Config.OutputDir)!;
        if (end == RunEnd.EarlyStopped) Console.WriteLine($"stopped early: {run.State.WorseEvaluations} evaluations were not better");
        if (run.State.BestLoss is { } best) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"best evaluation: {best:F4} nats a token at step {run.State.BestStep}"));
        if (run.Config.Report.Html) Console.WriteLine($"report: {Path.Combine(run.Config.OutputDir, HtmlReport.FileName)}");
        Console.WriteLine(end == RunEnd.Cancelled ? $"stopped after step {run.Trainer.Step}; saved {saved}; go on with: {command}" : $"saved {saved}; try: tandem generate {saved} \"...\"");
    }

    private static string Command(string path, string[] overrides) => string.Join(' ', [$"tandem train {path}", .. overrides.Select(o => $"--set {o}")]);
}
