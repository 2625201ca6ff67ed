using Tandem.Inference;

namespace Tandem.Examples;

/// <summary>The example of docs/generation.md, which a test holds against the page and runs.</summary>
internal static class LibraryExample
{
    public static async Task Run(string folder, string[] questions)
    {
        using Generator generator = Generator.Load(folder);
        var options = new SamplingOptions { Temperature = 0.7f, TopP = 0.95f, MaxTokens = 40, Stop = ["\n"], Seed = 1 };

        await foreach (string piece in generator.StreamAsync("Anna has a ball.", options)) Console.Write(piece);

        Completion one = generator.Generate("Anna has a ball.", options with { LogProbs = 3 });
        foreach (CompletionToken token in one.Tokens) Console.WriteLine($"{token.Text,-10} {token.LogProb,8:F3}  next best {token.Alternatives[1].LogProb:F3}");

        foreach (Completion answer in generator.CompleteAll(questions, options)) Console.WriteLine($"{answer.Prompt} -> {answer.Text} ({answer.Finish})");
    }
}
