using System.CommandLine;
using Tandem.Inference;

namespace Tandem.Cli.Commands;

internal static class GenerateCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model directory (config.json, model.safetensors, tokenizer.json)" };
        var prompt = new Argument<string>("prompt") { Description = "Text to continue; '-' reads standard input", DefaultValueFactory = _ => "" };
        var maxTokens = new Option<int>("--max-tokens") { Description = "Tokens to generate", DefaultValueFactory = _ => 128 };
        var temperature = new Option<float>("--temperature") { Description = "0 takes the most likely token", DefaultValueFactory = _ => 1 };
        var topK = new Option<int>("--top-k") { Description = "Keep the k most likely tokens; 0 keeps all" };
        var topP = new Option<float>("--top-p") { Description = "Keep the most likely tokens up to this sum", DefaultValueFactory = _ => 1 };
        var minP = new Option<float>("--min-p") { Description = "Drop tokens below this share of the most likely" };
        var penalty = new Option<float>("--repetition-penalty") { Description = "1 is none", DefaultValueFactory = _ => 1 };
        var seed = new Option<ulong>("--seed") { Description = "The same seed gives the same text" };
        var stop = new Option<string[]>("--stop") { Description = "Text that ends the generation; may be given several times", DefaultValueFactory = _ => [] };
        var threads = new Option<int>("--threads") { Description = "Threads; 0 is one a core" };
        var command = new Command("generate", "Continue a text. Example: tandem generate my-model \"Once upon a time\" --max-tokens 50")
        {
            model, prompt, maxTokens, temperature, topK, topP, minP, penalty, seed, stop, threads,
        };
        command.SetAction((parse, cancel) =>
        {
            using Generator generator = Generator.Load(parse.GetValue(model)!, parse.GetValue(threads));
            string text = parse.GetValue(prompt)!;
            if (text == "-") text = Console.In.ReadToEnd();
            var options = new SamplingOptions
            {
                MaxTokens = parse.GetValue(maxTokens),
                Temperature = parse.GetValue(temperature),
                TopK = parse.GetValue(topK),
                TopP = parse.GetValue(topP),
                MinP = parse.GetValue(minP),
                RepetitionPenalty = parse.GetValue(penalty),
                Seed = parse.GetValue(seed),
                Stop = parse.GetValue(stop)!,
            };
            Console.Write(text);
            foreach (string piece in generator.Stream(text, options, cancel)) Console.Write(piece);
            Console.WriteLine();
            return Task.FromResult(0);
        });
        return command;
    }
}
