using Tandem.Models;

namespace Tandem.Cli.Bench;

/// <summary>A training configuration that PyTorch's figures are known for.</summary>
/// <param name="Model">The model.</param>
/// <param name="Sequences">Sequences of a step.</param>
/// <param name="Length">Tokens of a sequence.</param>
/// <param name="TorchTokensPerSecond">What PyTorch 2.15 (eager, 2 threads of the reference machine) did.</param>
/// <param name="TorchPeakMegabytes">Its peak resident memory.</param>
/// <param name="PeakShare">The share of that memory that is the goal.</param>
internal sealed record TrainingShape(ModelConfig Model, int Sequences, int Length, double TorchTokensPerSecond, double TorchPeakMegabytes, double PeakShare)
{
    /// <summary>Tokens of a step.</summary>
    public int Tokens => Sequences * Length;

    /// <summary>Bytes that a plan may take to reach that goal: some 70 MB of it are the runtime's own.</summary>
    public long MemoryLimit => (long)(((TorchPeakMegabytes * PeakShare) - 70) * 1e6);

    /// <summary>Operations of a step: 6 N for every token, N without the embedding table, and 6 T d for every token and layer of causal attention.</summary>
    public double Flops => (6.0 * BenchModels.MatrixParameters(Model) * Tokens) + (6.0 * Model.NumLayers * (double)Length * Tokens * Model.NumHeads * Model.HeadDim);
}

/// <summary>The models that are measured, all with random weights.</summary>
internal static class BenchModels
{
    private static readonly TrainingShape[] TrainingShapes =
    [
        new(Llama(4096, 256, 6, 8, 4, 768, 256), 8, 256, 2616, 1419, 0.5),
        new(Llama(8192, 512, 8, 8, 8, 1536, 512), 4, 512, 455, 2599, 0.55),
        new(Llama(32000, 768, 12, 12, 12, 2048, 512), 2, 512, 137, 3913, 0.72),
        new(Llama(32000, 768, 12, 12, 12, 2048, 2048), 1, 2048, 122, 5469, 0.65),
    ];

    /// <summary>A training configuration by its number.</summary>
    public static TrainingShape Training(int index) => index >= 0 && index < TrainingShapes.Length
        ? TrainingShapes[index]
        : throw new TandemException($"there is no configuration {index}, wanted 0 to {TrainingShapes.Length - 1}");

    /// <summary>SmolLM2-135M.</summary>
    public static ModelConfig Small135M(int maxPositions) => Llama(49152, 576, 30, 9, 3, 1536, maxPositions) with { TieWordEmbeddings = true };

    /// <summary>Weights that take part in products: all but a table that is only looked up.</summary>
    public static long MatrixParameters(ModelConfig c)
    {
        long qkvo = c.HiddenSize * (long)c.HeadDim * 2 * (c.NumHeads + c.NumKvHeads), norms = 2L * c.HiddenSize;
        return (c.NumLayers * (qkvo + (3L * c.HiddenSize * c.IntermediateSize) + norms)) + ((long)c.VocabSize * c.HiddenSize) + c.HiddenSize;
    }

    /// <summary>A model with weights drawn straight into memory: no row of them ever lies on the managed heap.</summary>
    public static unsafe Model Random(ModelConfig config, DType weightType = DType.F32)
    {
        var model = new Model(config, weightType: weightType);
        uint seed = 0;
        foreach (string name in model.WeightNames)
        {
            Graph.TensorType type = model.TypeOf(name);
            long elements = type.RowBytes / type.DType.Size();
            bool isMatrix = type.Dims.Length > 1;
            if (isMatrix) RandomFill.Fill(type.DType, model.Buffer(name).Pointer, elements, 0.03f, ++seed);
            else model.Buffer(name).Span<float>().Fill(1);
        }

        return model;
    }

    /// <summary>A Llama of these sizes, heads as wide as they share the hidden size.</summary>
    public static ModelConfig Llama(int vocabulary, int hidden, int layers, int heads, int kvHeads, int feedForward, int maxPositions) => new()
    {
        ModelType = "llama",
        VocabSize = vocabulary,
        HiddenSize = hidden,
        IntermediateSize = feedForward,
        NumLayers = layers,
        NumHeads = heads,
        NumKvHeads = kvHeads,
        HeadDim = hidden / heads,
        MaxPositions = maxPositions,
        NormEps = 1e-5,
        Activation = HiddenActivation.Silu,
        TieWordEmbeddings = false,
        LayerWindows = new int[layers],
        Rope = new RopeConfig { MaxPositions = maxPositions },
    };
}
