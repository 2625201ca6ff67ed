using System.CommandLine;
using System.Globalization;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Passes;
using Tandem.Models;
using Tandem.Training;

namespace Tandem.Cli.Commands;

/// <summary>What training and serving a model will need, before anything runs.</summary>
internal sealed class PlanCommand
{
    private readonly Argument<string> _model = new("model") { Description = "Model directory or config.json" };
    private readonly Option<string> _role = new("--role") { Description = "train, serve or both", DefaultValueFactory = _ => "both" };
    private readonly Option<int> _tokens = new("--tokens") { Description = "Rows of a step", DefaultValueFactory = _ => 2048 };
    private readonly Option<int> _sequences = new("--sequences") { Description = "Sequences of a step", DefaultValueFactory = _ => 8 };
    private readonly Option<int> _cacheTokens = new("--cache-tokens") { Description = "Tokens in the key/value cache", DefaultValueFactory = _ => 16384 };
    private readonly Option<DType> _weights = FloatTypeOption.Create("--weights", "Element type of matrices");
    private readonly CacheTypeOptions _cacheTypes = new();
    private readonly Option<long> _limit = new("--memory-limit") { Description = "MiB that training may take; activations are recomputed where it does not fit. 0 is no limit" };
    private readonly Option<int> _shards = new("--logical-shards") { Description = "Logical data shards of a training step, a power of two", DefaultValueFactory = _ => 1 };
    private readonly Option<int> _slots = new("--slots") { Description = "How many of the largest buffers to list", DefaultValueFactory = _ => 8 };
    private readonly Option<bool> _passes = new("--passes") { Description = "Print what each pass leaves of the graph" };
    private readonly Option<string> _graph = new("--graph") { Description = "Print every node after this pass: build, add-gradients, ..., fuse-nodes" };
    private readonly Option<FileInfo> _html = new("--html") { Description = "Write a page with pictures of the plans" };

    private PlanCommand()
    {
    }

    public static Command Create()
    {
        var options = new PlanCommand();
        var command = new Command(
            "plan",
            "Print what training and serving a model will need, before anything runs.\nExamples:\n  tandem plan my-model\n  tandem plan config.json --role train --tokens 4096 --memory-limit 8000\n  tandem plan config.json --passes --html plan.html\n  tandem plan config.json --role serve --graph fuse-nodes")
        {
            options._model, options._role, options._tokens, options._sequences, options._cacheTokens, options._weights, options._limit, options._shards,
            options._slots, options._passes, options._graph, options._html,
        };
        foreach (Option option in options._cacheTypes.All) command.Add(option);
        command.SetAction(options.Run);
        return command;
    }

    private int Run(ParseResult parse)
    {
        string path = parse.GetValue(_model)!, role = parse.GetValue(_role)!;
        if (role is not ("train" or "serve" or "both")) throw new TandemException($"--role {role}; accepted: train, serve, both");
        foreach (Option<int> positive in (Option<int>[])[_tokens, _sequences, _cacheTokens])
            if (parse.GetValue(positive) < 1) throw new TandemException($"{positive.Name} {parse.GetValue(positive)}; accepted: 1 or more");
        ModelConfig config = ModelConfig.Load(Directory.Exists(path) ? Path.Combine(path, HfDirectory.ConfigName) : path);
        DType weights = parse.GetValue(_weights);
        var plans = new List<Plan>();
        if (role != "serve") plans.Add(Training(parse, config, weights));
        if (role != "train") plans.Add(Serving(parse, config, weights));
        foreach (Plan plan in plans) Console.WriteLine(plan.Describe(parse.GetValue(_slots)));
        if (parse.GetValue(_html) is { } file)
        {
            AtomicFile.WriteAllText(file.FullName, PlanPicture.Html($"Plans of {path}", plans));
            Console.WriteLine($"pictures in {file}");
        }

        return 0;
    }

    private Plan Training(ParseResult parse, ModelConfig config, DType weights)
    {
        var bounds = StepSizes.ForTraining(parse.GetValue(_tokens), parse.GetValue(_sequences));
        var options = new TrainingGraph { WeightType = weights, Backend = CpuBackend.Instance, LogicalShards = parse.GetValue(_shards) };
        (Plan plan, Recomputation choice) = TrainingPlan.Choose(config, options, bounds, Environment.ProcessorCount, parse.GetValue(_limit) << 20);
        ModelGraphs.Train(config, options with { Recomputation = choice }, Trace(parse, "training"));
        if (choice != Recomputation.None) Console.WriteLine($"to keep the limit {choice.FullBlocks} blocks are recomputed, and of {choice.CheapBlocks} all but products and attention");
        return plan;
    }

    private Plan Serving(ParseResult parse, ModelConfig config, DType weights)
    {
        int blocks = (parse.GetValue(_cacheTokens) + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
        var options = new GraphOptions { WeightType = weights, Backend = CpuBackend.Instance };
        ModelGraph graph = ModelGraphs.Serve(config, new KvPlacement(_cacheTypes.Read(parse), blocks), options, Trace(parse, "serving"));
        return Plan.Compile(graph, StepSizes.ForServing(parse.GetValue(_tokens), parse.GetValue(_sequences)), CpuBackend.Instance, Environment.ProcessorCount);
    }

    private Action<string, ModelGraph>? Trace(ParseResult parse, string role)
    {
        bool passes = parse.GetValue(_passes);
        string? wanted = parse.GetValue(_graph);
        if (!passes && wanted == null) return null;
        if (passes) Console.WriteLine($"passes of {role}:");
        return (pass, graph) =>
        {
            if (passes)
            {
                string fragments = string.Join(", ", graph.Nodes.GroupBy(n => n.Fragment).Select(f => $"{f.Key} {f.Count()}"));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {pass,-24} {graph.Nodes.Count,5} nodes ({fragments}), {graph.Parameters.Count()} weights, {graph.States.Count()} states"));
            }

            if (wanted == pass) Console.WriteLine(graph);
        };
    }
}
