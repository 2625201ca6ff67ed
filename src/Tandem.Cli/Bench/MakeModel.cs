using System.Diagnostics;
using System.Globalization;
using Tandem.Models;

namespace Tandem.Cli.Bench;

/// <summary>GGUF files with random weights in the shapes of known models, for measurements.</summary>
internal static class MakeModel
{
    private static readonly (string Name, ModelConfig Config)[] Shapes =
    [
        ("llama-1b", Llama(128256, 2048, 16, 32, 8, 8192, tied: false)),
        ("llama-3b", Llama(128256, 3072, 28, 24, 8, 8192, tied: true)),
        ("llama-8b", Llama(128256, 4096, 32, 32, 8, 14336, tied: false)),
        ("smollm2", Llama(49152, 576, 30, 9, 3, 1536, tied: true)),
        ("smollm2-360m", Llama(49152, 960, 32, 15, 5, 2560, tied: true)),
        ("smollm2-1.7b", Llama(49152, 2048, 24, 32, 32, 8192, tied: true)),
        ("tiny", Llama(512, 256, 2, 8, 2, 512, tied: true)),
    ];

    /// <summary>Names of the shapes.</summary>
    public static string Names => string.Join(", ", Shapes.Select(s => s.Name));

    /// <summary>Writes a file.</summary>
    public static void Run(string path, string like, string type, ulong seed, int? layers, int? vocabulary, bool force)
    {
        (string name, ModelConfig? config) = Shapes.FirstOrDefault(s => s.Name == like);
        if (name == null) throw new TandemException($"--like {like}; {(Spelling.Nearest(like, Shapes.Select(s => s.Name)) is { } near ? $"did you mean {near}? " : "")}accepted: {Names}");
        if (!force && Path.Exists(path)) throw new TandemException($"'{path}' exists already; give another name, or --force");
        if (layers is < 1 or > 1000) throw new TandemException($"--layers {layers}; accepted: 1 to 1000");
        if (layers is { } count) config = config with { NumLayers = count, LayerWindows = new int[count] };
        if (vocabulary is { } size) config = config with { VocabSize = size };
        QuantizationRecipe recipe = QuantizationRecipe.Get(type);
        using var interrupt = new Interrupt();
        var clock = Stopwatch.StartNew();
        WriteDisplay.Run(progress => SyntheticGguf.Write(path, config, recipe, seed, progress, interrupt.Token));
        ModelFacts.PrintTotals([.. SyntheticGguf.Tensors(config, recipe).Select(t => new TensorFacts(t.Name, t.Type.Name(), t.Shape.ToString(), t.Shape.Count, t.Shape.Bytes(t.Type)))]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}: {new FileInfo(path).Length:N0} bytes in {clock.Elapsed.TotalSeconds:F1} s"));
    }

    private static ModelConfig Llama(int vocabulary, int hidden, int layers, int heads, int kvHeads, int feedForward, bool tied) =>
        BenchModels.Llama(vocabulary, hidden, layers, heads, kvHeads, feedForward, maxPositions: 8192) with
        {
            TieWordEmbeddings = tied,
            Rope = new RopeConfig { Theta = 500000, MaxPositions = 8192, OriginalMaxPositions = 8192 },
        };
}
