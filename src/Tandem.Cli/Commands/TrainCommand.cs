using System.CommandLine;
using System.Globalization;
using Tandem.Training;

namespace Tandem.Cli.Commands;

internal static class TrainCommand
{
    public static Command Create()
    {
        var path = new Argument<string>("config") { Description = "The run, as JSON; see docs/training.md" };
        var set = new Option<string[]>("--set") { Description = "Overrides a key: --set learning_rate=1e-3 --set data.sequence_length=128", DefaultValueFactory = _ => [] };
        var command = new Command("train", "Train a model. A run that was stopped goes on where it was. Example: tandem train config.json --set max_steps=100") { path, set };
        command.SetAction((parse, cancel) => Task.FromResult(Run(TrainConfig.Load(parse.GetValue(path)!, parse.GetValue(set)), parse.GetValue(path)!, cancel)));
        return command;
    }

    private static int Run(TrainConfig config, string path, CancellationToken cancel)
    {
        using var run = new TrainingRun(config);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{run.TrainTokens:N0} tokens to train on, {run.ValidationTokens:N0} to evaluate; {run.Trainer.Model.NumParameters / 1e6:F1} M parameters; {run.Trainer.Plan.TotalBytes / 1048576.0:F0} MiB planned"));
        if (run.Trainer.Step > 0) Console.WriteLine($"going on after step {run.Trainer.Step}");
        TrainingDisplay.Run(
            run.Trainer.Step,
            config.MaxSteps,
            step =>
            {
                StepResult result = run.Step();
                if (config.EvalSteps > 0 && step % config.EvalSteps == 0)
                {
                    (double nats, double bits) = run.Evaluate();
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {step}: validation {nats:F4} nats a token, {bits:F4} bits a byte"));
                }

                if (step % config.SaveSteps == 0) run.Save();
                return result;
            },
            cancel,
            config.LoggingSteps);
        string saved = run.Save();
        Console.WriteLine(cancel.IsCancellationRequested ? $"stopped; saved {saved}; go on with: tandem train {path}" : $"saved {saved}; try: tandem generate {saved} \"...\"");
        return cancel.IsCancellationRequested ? 130 : 0;
    }
}
