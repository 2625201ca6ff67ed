using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Fewer bits for a model's weights.</summary>
internal static class QuantizeCommand
{
    public static Command Create()
    {
        var input = new Argument<string>("in") { Description = "GGUF file of f32, f16 or bf16, or Hugging Face directory" };
        var output = new Argument<string>("out") { Description = "GGUF file" };
        var type = new Argument<string>("type") { Description = $"One of {string.Join(", ", QuantizationRecipe.Names)}" };
        var tensors = new Option<string[]>("--tensor") { Description = "PATTERN=TYPE for tensors by name, * is any run of characters; the last that matches counts", DefaultValueFactory = _ => [] };
        var importance = new Option<string>("--imatrix") { Description = "safetensors file with the importance of each weight's columns: an f32 vector a tensor, under its name in GGUF files" };
        var force = new Option<bool>("--force") { Description = "Replace what is at OUT" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Say which tensor gets which type, and write nothing" };
        var command = new Command("quantize", """
            Quantize a model's weights to a GGUF file. TYPE is a type for all matrices, or a recipe such as Q4_K_M that gives more bits where errors cost most.

            Examples:
              tandem quantize my-model model.Q4_K_M.gguf Q4_K_M
              tandem quantize model.F16.gguf small.gguf Q4_0 --tensor "*.ffn_down.weight=q6_k"
              tandem quantize my-model model.gguf IQ4_XS --dry-run
            """)
        {
            input, output, type, tensors, importance, force, dryRun,
        };
        command.SetAction(parse =>
        {
            string from = parse.GetValue(input)!, to = parse.GetValue(output)!;
            QuantizationRecipe recipe = QuantizationRecipe.Get(parse.GetValue(type)!);
            if (!parse.GetValue(force) && Path.Exists(to)) throw new TandemException($"'{to}' exists already; give another name, or --force");
            using var interrupt = new Interrupt();
            using GgufContent content = GgufContent.Open(from);
            var quantizer = new Quantizer(content, recipe, [.. parse.GetValue(tensors)!.Select(Override)], Importance(parse.GetValue(importance)));
            var clock = Stopwatch.StartNew();
            if (!parse.GetValue(dryRun)) WriteDisplay.Run(progress => quantizer.Write(to, progress, interrupt.Token));
            Print(quantizer);
            if (parse.GetValue(dryRun)) return 0;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{to}: {new FileInfo(to).Length:N0} bytes in {clock.Elapsed.TotalSeconds:F1} s"));
            return 0;
        });
        return command;
    }

    private static TypeOverride Override(string text)
    {
        int equals = text.LastIndexOf('=');
        if (equals <= 0) throw new TandemException($"--tensor {text}; accepted: PATTERN=TYPE, for example *.ffn_down.weight=q6_k");
        DType? type = DTypes.Find(text[(equals + 1)..]);
        return type is { } found && Blocks.Has(found)
            ? new TypeOverride(text[..equals], found)
            : throw new TandemException($"--tensor {text}: there is no type '{text[(equals + 1)..]}'; accepted: {string.Join(", ", DTypes.All.Where(Blocks.Has).Select(t => t.Name()))}");
    }

    private static unsafe Dictionary<string, float[]>? Importance(string? path)
    {
        if (path == null) return null;
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Tensors.ToDictionary(t => t.Name, t =>
        {
            var columns = new float[t.Shape.Count];
            fixed (float* to = columns) t.CopyTo(DType.F32, to);
            return columns;
        });
    }

    private static void Print(Quantizer quantizer)
    {
        int width = quantizer.Tensors.Select(t => t.Name.Length).DefaultIfEmpty().Max() + 2;
        foreach (QuantizedTensor t in quantizer.Tensors)
        {
            string error = t.Error is { } value ? value.ToString("F5", CultureInfo.InvariantCulture) : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{t.Name.PadRight(width)}{t.Shape.ToString(),-20}{t.From.Name(),-6}-> {t.To.Name(),-8}{t.Bytes,15:N0}  {error}").TrimEnd());
        }

        ModelFacts.PrintTotals([.. quantizer.Tensors.Select(t => new TensorFacts(t.Name, t.To.Name(), t.Shape.ToString(), t.Shape.Count, t.Bytes))]);
    }
}
