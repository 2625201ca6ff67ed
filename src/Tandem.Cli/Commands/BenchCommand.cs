using System.CommandLine;
using Tandem.Cli.Bench;

namespace Tandem.Cli.Commands;

/// <summary>Figures beside the machine's limits, measured in turn in one run. What a figure means is in docs/performance.md.</summary>
internal static class BenchCommand
{
    private static readonly Option<int> Threads = new("--threads") { Description = "Threads; 0 is one a core", Recursive = true };
    private static readonly Option<int> Repetitions = new("--repetitions") { Description = "Times that everything is measured in turn", DefaultValueFactory = _ => 5, Recursive = true };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON", Recursive = true };
    private static readonly Option<bool> Markdown = new("--markdown") { Description = "Print Markdown tables", Recursive = true };

    public static Command Create() => new("bench", "Measure speed and memory beside what the machine allows. Example: tandem bench train --config 0 --profile")
    {
        Threads, Repetitions, Json, Markdown,
        MatMul(), Attention(), Train(), Generate(), Tokenizer(), Template(), Startup(), Make(),
    };

    private static Command MatMul()
    {
        Option<int[]> sizes = List("--sizes", "Square products", 64, 128, 256, 512, 1024, 2048, 4096);
        Option<int[]> rows = List("--rows", "Rows of thin products; 1 also streams 256 MiB of weights", 1, 4, 16, 64);
        Option<string[]> shapes = List("--shapes", "Other products, ROWSxOUTPUTSxINPUTS", Array.Empty<string>());
        Option<string[]> types = List("--types", "Types of weights", "f32", "bf16", "f16");
        var command = new Command("matmul", "The products of linear layers beside OpenBLAS's on the same shapes") { sizes, rows, shapes, types };
        command.SetAction((parse, cancel) => Report(parse, (report, threads, repetitions) => MatMulBench.Run(
            report,
            new MatMulOptions(
                [.. parse.GetValue(sizes)!.Select(n => AtLeastOne("--sizes", n))],
                [.. parse.GetValue(rows)!.Select(n => AtLeastOne("--rows", n))],
                [.. parse.GetValue(shapes)!.Select(Shape)],
                WeightTypes(parse.GetValue(types)!)),
            threads,
            repetitions,
            cancel)));
        return command;
    }

    private static Command Attention()
    {
        Option<int[]> lengths = List("--lengths", "Tokens of the document", 512, 1024, 2048, 4096, 8192);
        var command = new Command("attention", "Attention of one document, forward and backward") { lengths };
        command.SetAction((parse, cancel) => Report(parse, (report, threads, repetitions) =>
            AttentionBench.Run(report, [.. parse.GetValue(lengths)!.Select(n => AtLeastOne("--lengths", n))], threads, repetitions, cancel)));
        return command;
    }

    private static Command Make()
    {
        var output = new Argument<string>("out") { Description = "GGUF file" };
        var like = new Option<string>("--like") { Description = "Shape: " + MakeModel.Names, DefaultValueFactory = _ => "llama-1b" };
        var type = new Option<string>("--type") { Description = "Types of the weights, as tandem quantize has them", DefaultValueFactory = _ => "Q4_K_M" };
        var seed = new Option<ulong>("--seed") { Description = "Key of the random numbers" };
        var layers = new Option<int?>("--layers") { Description = "Another number of layers" };
        var vocabulary = new Option<int?>("--vocab-size") { Description = "Another number of tokens" };
        var force = new Option<bool>("--force") { Description = "Replace what is at OUT" };
        var command = new Command("make", "Write a GGUF file of a known shape with random weights; other programs load it too. Example: tandem bench make 1b.gguf --like llama-1b --type Q4_K_M")
        {
            output, like, type, seed, layers, vocabulary, force,
        };
        command.SetAction(parse =>
        {
            MakeModel.Run(
                parse.GetValue(output)!, parse.GetValue(like)!, parse.GetValue(type)!, parse.GetValue(seed), parse.GetValue(layers), parse.GetValue(vocabulary), parse.GetValue(force));
            return 0;
        });
        return command;
    }

    private static Command Train()
    {
        Option<int[]> config = List("--config", "Configurations, 0 to 3", 0, 1, 2, 3);
        Option<bool> profile = Profile();
        var memoryOf = new Option<int?>("--memory-of") { Description = "Print the memory of one configuration only", Hidden = true };
        var command = new Command("train", "Training steps of four Llama-shaped models") { config, profile, memoryOf };
        command.SetAction((parse, cancel) =>
        {
            if (parse.GetValue(memoryOf) is { } only)
            {
                TrainBench.PrintMemory(only, WorkerCount(parse));
                return Task.FromResult(0);
            }

            return Report(parse, (report, threads, repetitions) =>
            {
                foreach (int i in parse.GetValue(config)!) TrainBench.Run(report, i, threads, repetitions, parse.GetValue(profile), cancel);
            });
        });
        return command;
    }

    private static Command Generate()
    {
        Option<string[]> types = List("--types", "Types of weights", "f32", "bf16");
        var depth = new Option<int>("--depth") { Description = "Tokens before the generated ones of one more stream; 0 is none", DefaultValueFactory = _ => 2048 };
        Option<bool> profile = Profile();
        var cache = new CacheTypeOptions();
        var command = new Command("generate", "Generation with a Llama of 135 M random weights") { types, depth, profile };
        foreach (Option option in cache.All) command.Add(option);
        command.SetAction((parse, cancel) => Report(parse, (report, threads, repetitions) =>
            GenerateBench.Run(report, WeightTypes(parse.GetValue(types)!), cache.Read(parse), parse.GetValue(depth), threads, repetitions, parse.GetValue(profile), cancel)));
        return command;
    }

    private static Command Tokenizer()
    {
        var tokenizers = new Option<string[]>("--tokenizer") { Description = "Files tokenizer.json", Required = true, AllowMultipleArgumentsPerToken = true };
        Option<string[]> texts = List("--text", "Files of text", Array.Empty<string>());
        Option<string[]> kinds = List("--kinds", "Generated texts: " + string.Join(", ", BenchTexts.Kinds), [.. BenchTexts.Kinds]);
        var bytes = new Option<int>("--bytes") { Description = "Bytes of a generated text", DefaultValueFactory = _ => 1_000_000 };
        var hostile = new Option<int>("--hostile") { Description = "Also encode so many spaces, letters a and NULs, each as one text; 0 is none" };
        var command = new Command("tokenizer", "Encoding and decoding on one thread, batches on --threads") { tokenizers, texts, kinds, bytes, hostile };
        command.SetAction((parse, cancel) => Report(parse, (report, threads, repetitions) =>
        {
            (string, string)[] all =
            [
                .. parse.GetValue(kinds)!.Select(k => (k, BenchTexts.Make(k, AtLeastOne("--bytes", parse.GetValue(bytes))))),
                .. parse.GetValue(texts)!.Select(f => (Path.GetFileName(f), File.ReadAllText(f))),
            ];
            foreach (string path in parse.GetValue(tokenizers)!) TokenizerBench.Run(report, path, all, parse.GetValue(hostile), threads, repetitions, cancel);
        }));
        return command;
    }

    private static Command Template()
    {
        var templates = new Option<string[]>("--template") { Description = "Templates (.jinja) or models", Required = true, AllowMultipleArgumentsPerToken = true };
        var messages = new Option<int>("--messages") { Description = "Messages of the conversation", DefaultValueFactory = _ => 200 };
        var command = new Command("template", "Chat templates on a long conversation with tools, one thread") { templates, messages };
        command.SetAction((parse, cancel) => Report(parse, (report, _, repetitions) =>
            TemplateBench.Run(report, parse.GetValue(templates)!, AtLeastOne("--messages", parse.GetValue(messages)), repetitions, cancel)));
        return command;
    }

    private static Command Startup()
    {
        var command = new Command("startup", "Start of this program, with --help");
        command.SetAction((parse, cancel) => Report(parse, (report, _, repetitions) => StartupBench.Run(report, repetitions, cancel)));
        return command;
    }

    private static Option<bool> Profile() => new("--profile") { Description = "Print the time by op" };

    private static Option<T[]> List<T>(string name, string description, params T[] values) =>
        new(name) { Description = description, DefaultValueFactory = _ => values, AllowMultipleArgumentsPerToken = true };

    // On a thread of its own, so that Ctrl-C and SIGTERM end a long sample too: the parser's handler waits for a task, not for a call.
    private static Task<int> Report(ParseResult parse, Action<BenchReport, int, int> measure) => Task.Run(() =>
    {
        int threads = WorkerCount(parse);
        var report = new BenchReport("tandem " + string.Join(' ', parse.Tokens.Select(t => t.Value)), threads);
        measure(report, threads, AtLeastOne("--repetitions", parse.GetValue(Repetitions)));
        report.Print(parse.GetValue(Json) ? ReportFormat.Json : parse.GetValue(Markdown) ? ReportFormat.Markdown : ReportFormat.Text);
        return 0;
    });

    private static int WorkerCount(ParseResult parse) => parse.GetValue(Threads) is var n && n == 0 ? Environment.ProcessorCount : AtLeastOne("--threads", n);

    private static int AtLeastOne(string option, int value) => value >= 1 ? value : throw new TandemException($"{option} {value}, wanted 1 or more");

    private static DType[] WeightTypes(string[] names) => [.. names.Select(n => FloatTypeOption.Parse(n, "--types"))];

    private static ProductShape Shape(string text)
    {
        string[] parts = text.Split('x');
        return parts.Length == 3 && int.TryParse(parts[0], out int rows) && int.TryParse(parts[1], out int n) && int.TryParse(parts[2], out int k) && Math.Min(rows, Math.Min(n, k)) > 0
            ? new ProductShape(rows, n, k)
            : throw new TandemException($"--shapes {text}, wanted for example 512x2048x768");
    }
}
