using System.CommandLine;
using System.Globalization;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Between GGUF files and Hugging Face directories.</summary>
internal static class ConvertCommand
{
    public static Command Create()
    {
        var input = new Argument<string>("in") { Description = "GGUF file, or Hugging Face directory" };
        var output = new Argument<string>("out") { Description = "The other one: a file that ends in .gguf, or a directory" };
        var type = FloatTypeOption.Create("--type", "What quantized weights of a GGUF file are expanded to");
        var force = new Option<bool>("--force") { Description = "Replace what is at OUT" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Say what would be written, and write nothing" };
        var command = new Command("convert", """
            Convert between GGUF files and Hugging Face directories, a piece of a tensor at a time: models larger than memory convert too.
            f32, f16 and bf16 stay as they are; quantized weights are expanded.

            Examples:
              tandem convert my-model model.gguf
              tandem convert model.Q4_K_M.gguf expanded --type bf16
            """)
        {
            input, output, type, force, dryRun,
        };
        command.SetAction(parse =>
        {
            string from = parse.GetValue(input)!, to = parse.GetValue(output)!;
            bool overwrite = parse.GetValue(force), dry = parse.GetValue(dryRun);
            using var interrupt = new Interrupt();
            if (Directory.Exists(from)) ToGguf(from, to, overwrite, dry, interrupt.Token);
            else if (GgufModel.IsGguf(from)) ToDirectory(from, to, parse.GetValue(type), overwrite, dry, interrupt.Token);
            else throw new TandemException($"'{from}'; accepted: a GGUF file, or a Hugging Face directory");
            return 0;
        });
        return command;
    }

    private static void ToGguf(string from, string to, bool overwrite, bool dry, CancellationToken cancel)
    {
        if (!to.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)) throw new TandemException($"'{to}'; accepted for a directory: a file that ends in .gguf");
        RequireFree(to, overwrite);
        using GgufContent content = GgufContent.Open(from);
        ModelFacts.PrintTotals([.. content.Tensors.Select(t => new TensorFacts(t.Name, t.Type.Name(), t.Shape.ToString(), t.Shape.Count, t.Shape.Bytes(t.Type)))]);
        if (!content.Metadata.Any(m => m.Key == "tokenizer.ggml.tokens")) Console.WriteLine($"there is no {TokenizerJson.FileName}: the file gets no vocabulary");
        if (dry) return;
        WriteDisplay.Run(progress => GgufWriter.Write(to, content.Metadata, [.. content.Tensors.Select(t => t.As(t.Type))], progress, cancel));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{to}: {new FileInfo(to).Length:N0} bytes"));
    }

    private static void ToDirectory(string from, string to, DType type, bool overwrite, bool dry, CancellationToken cancel)
    {
        if (File.Exists(to)) throw new TandemException($"'{to}' is a file; accepted for a GGUF file: a directory");
        RequireFree(Path.Combine(to, HfDirectory.ConfigName), overwrite);
        using GgufModel model = GgufModel.Open(from);
        ModelFacts.PrintTotals([.. model.Tensors.All.Select(t => new TensorFacts(t.Name, GgufToDirectory.TypeOf(t, type).Name(), t.Shape.ToString(), t.Shape.Count, t.Shape.Bytes(GgufToDirectory.TypeOf(t, type))))]);
        int expanded = model.Tensors.All.Count(t => t.BlockType != null);
        if (expanded > 0) Console.WriteLine($"{expanded} quantized tensors ({string.Join(", ", model.Tensors.All.Select(t => t.BlockType?.Name()).OfType<string>().Distinct())}) are expanded to {type.Name()}");
        if (GgufToDirectory.VocabularyProblem(model) is { } problem) Console.WriteLine($"no {TokenizerJson.FileName} is written: {problem}");
        if (dry) return;
        WriteDisplay.Run(progress => GgufToDirectory.Write(model, to, type, overwrite, progress, cancel));
        Console.WriteLine(to);
    }

    private static void RequireFree(string path, bool overwrite)
    {
        if (!overwrite && File.Exists(path)) throw new TandemException($"'{path}' exists already; give another name, or --force");
    }
}
