using System.CommandLine;
using System.Globalization;
using Tandem.Cpu;
using Tandem.Graph.Ops;
using Tandem.Inference;
using Tandem.Models;
using Tandem.Training;
using Tandem.Training.Demo;

namespace Tandem.Cli.Commands;

/// <summary>From nothing to a model that tells stories whose facts hold, in about two minutes.</summary>
internal static class DemoCommand
{
    private const ulong Seed = 1;
    private const int Stories = 12000;
    private const int Samples = 100;
    private const string EndOfText = "<|endoftext|>";

    public static Command Create()
    {
        var output = new Option<string>("--output") { Description = "Folder for the corpus and the model", DefaultValueFactory = _ => "tandem-demo" };
        var steps = new Option<int>("--steps") { Description = "Training steps", DefaultValueFactory = _ => 1200 };
        var threads = new Option<int>("--threads") { Description = "Threads; 0 is one a core" };
        var command = new Command("demo", "Write a corpus, train a tokenizer and a model on it, and check the stories it tells (about two minutes).") { output, steps, threads };
        command.SetAction((parse, cancel) => Task.FromResult(Run(parse.GetValue(output)!, parse.GetValue(steps), parse.GetValue(threads), cancel)));
        return command;
    }

    private static int Run(string folder, int steps, int threads, CancellationToken cancel)
    {
        string[] stories = [.. Enumerable.Range(0, Stories).Select(i => StoryGrammar.Story(Seed, i))];
        Directory.CreateDirectory(folder);
        AtomicFile.WriteAllText(Path.Combine(folder, "stories.txt"), string.Join('\n', stories) + "\n");
        Console.WriteLine($"{Stories} stories in {Path.Combine(folder, "stories.txt")}, for example:\n  {stories[0]}");

        var bpe = new BpeTrainer();
        foreach (string story in stories) bpe.Add(story);
        Tokenizer tokenizer = bpe.Train(512, [EndOfText]);
        int end = tokenizer.Find(EndOfText)!.Value;
        int[][] documents = [.. stories.Select(s => (int[])[end, .. tokenizer.Encode(s), end])];
        Console.WriteLine($"tokenizer of {tokenizer.VocabSize} tokens, {documents.Average(d => d.Length):F0} tokens a story");

        ModelConfig config = Config(tokenizer.VocabSize, end);
        using var model = new Model(config);
        model.Initialize(Seed, 0.06);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"model of {model.NumParameters / 1e6:F1} M parameters, {steps} steps"));
        using var team = new ThreadTeam(threads);
        int before = CountValid(model, tokenizer, team, show: 1);

        using (var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 1280, MaxDocuments = 16, Optimizer = new AdamW(0.9, 0.98, 1e-8, 0.1) }))
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"a step is {trainer.Plan.Graph.Nodes.Count} ops in {trainer.Plan.TotalBytes / 1048576.0:F0} MiB, planned before it runs"));
            var source = new DocumentSource(documents, 16, Seed);
            var schedule = new CosineSchedule(2e-3, 1e-4, 60, steps);
            List<double> losses = TrainingDisplay.Run(
                0,
                steps,
                i =>
                {
                    trainer.Batch.Clear();
                    source.Fill(trainer.Batch, i - 1);
                    trainer.Accumulate();
                    return trainer.Update(schedule.At(i));
                },
                cancel);
            Console.WriteLine(TrainingDisplay.Curve(losses));
        }

        string saved = Path.Combine(folder, "model");
        model.Save(saved);
        TokenizerJson.Save(tokenizer, Path.Combine(saved, TokenizerJson.FileName));
        using Model loaded = Model.Load(saved);
        int after = CountValid(loaded, TokenizerJson.Load(Path.Combine(saved, TokenizerJson.FileName)), team, show: 5);
        Console.WriteLine($"\nThe model is in {saved}. Try:");
        Console.WriteLine($"  ./tandem generate {saved} \"Anna has a ball.\" --temperature 0.7");
        Console.WriteLine($"  ./tandem plan {saved}");
        Console.WriteLine($"grammar: {before * 100 / Samples} % -> {after * 100 / Samples} %");
        return cancel.IsCancellationRequested ? 130 : after * 100 / Samples >= 80 ? 0 : 1;
    }

    private static int CountValid(Model model, Tokenizer tokenizer, ThreadTeam team, int show)
    {
        using var engine = new Engine(model, team, new EngineOptions { CacheTokens = 64 * model.Config.MaxPositions });
        int end = model.Config.EosTokenIds[0], valid = 0;
        Request[] requests = [.. Enumerable.Range(0, Samples).Select(i => engine.Submit([end], new SamplingOptions { Seed = (ulong)i, Temperature = 0.6f, MaxTokens = 150 }))];
        while (engine.Step())
        {
        }

        for (int i = 0; i < Samples; i++)
        {
            string story = tokenizer.Decode(requests[i].Generated.Select(t => t.Id)).Trim();
            string? problem = StoryGrammar.Check(story);
            if (problem == null) valid++;
            if (i < show) Console.WriteLine($"  {(problem == null ? "[ok] " : "[no] ")}{(story.Length > 400 ? story[..400] + "..." : story).ReplaceLineEndings(" ")}{(problem == null ? "" : $"\n       ({(problem.Length > 120 ? problem[..120] : problem).ReplaceLineEndings(" ")})")}");
        }

        return valid;
    }

    private static ModelConfig Config(int vocabulary, int end) => new()
    {
        ModelType = "llama",
        VocabSize = vocabulary,
        HiddenSize = 192,
        IntermediateSize = 512,
        NumLayers = 5,
        NumHeads = 6,
        NumKvHeads = 2,
        HeadDim = 32,
        MaxPositions = 256,
        NormEps = 1e-5,
        Activation = HiddenActivation.Silu,
        TieWordEmbeddings = true,
        LayerWindows = [0, 0, 0, 0, 0],
        Rope = new RopeConfig { MaxPositions = 256 },
        BosTokenId = end,
        EosTokenIds = [end],
    };
}
