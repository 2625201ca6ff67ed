using System.CommandLine;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Cli.Commands;

internal static class PlanCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model directory or config.json" };
        var tokens = new Option<int>("--tokens") { Description = "Rows of a step", DefaultValueFactory = _ => 2048 };
        var sequences = new Option<int>("--sequences") { Description = "Sequences of a step", DefaultValueFactory = _ => 8 };
        var cacheTokens = new Option<int>("--cache-tokens") { Description = "Tokens in the key/value cache", DefaultValueFactory = _ => 16384 };
        var graph = new Option<bool>("--graph") { Description = "Print every node" };
        var command = new Command("plan", "Print what training and serving a model will need, before anything runs. Example: tandem plan config.json --tokens 2048")
        {
            model, tokens, sequences, cacheTokens, graph,
        };
        command.SetAction(parse =>
        {
            string path = parse.GetValue(model)!;
            ModelConfig config = ModelConfig.Load(Directory.Exists(path) ? Path.Combine(path, HfDirectory.ConfigName) : path);
            int rows = parse.GetValue(tokens), segments = parse.GetValue(sequences), workers = Environment.ProcessorCount;
            int blocks = (parse.GetValue(cacheTokens) + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
            foreach ((ModelGraph g, StepSizes bounds) in ((ModelGraph, StepSizes)[])
                [
                    (ModelGraphs.Train(config, new TrainingGraph()), StepSizes.ForTraining(rows, segments)),
                    (ModelGraphs.Serve(config, new KvPlacement(DType.F32, blocks)), StepSizes.ForServing(rows, segments)),
                ])
            {
                var plan = Plan.Compile(g, bounds, CpuBackend.Instance, workers);
                if (parse.GetValue(graph)) Console.WriteLine(g);
                Console.WriteLine(plan.Describe());
            }

            return 0;
        });
        return command;
    }
}
