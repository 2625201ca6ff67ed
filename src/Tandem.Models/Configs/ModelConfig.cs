namespace Tandem.Models;

/// <summary>Stand-in until the config reader is merged.</summary>
public sealed record ModelConfig
{
    public string ModelType { get; init; } = "llama";
    public int VocabSize { get; init; }
    public int HiddenSize { get; init; }
    public int NumLayers { get; init; }
    public int NumHeads { get; init; }
    public int NumKvHeads { get; init; }
    public int HeadDim { get; init; }
    public int IntermediateSize { get; init; }
    public int MaxPositions { get; init; }
    public double NormEps { get; init; }
    public double RopeTheta { get; init; } = 10000;
    public bool TieWordEmbeddings { get; init; }
    public bool AttentionBias { get; init; }
    public bool MlpBias { get; init; }
    public int RotaryDim => HeadDim;
    public int SlidingWindow { get; init; }
    public int WindowOf(int layer) => SlidingWindow;
}

/// <summary>Stand-in until the table builder is merged.</summary>
public static class RopeTables
{
    public static unsafe NativeBuffer? Build(ModelConfig c, int length)
    {
        int half = c.RotaryDim / 2;
        var buffer = new NativeBuffer(8L * c.MaxPositions * half);
        float* t = (float*)buffer.Pointer;
        for (int p = 0; p < c.MaxPositions; p++)
            for (int i = 0; i < half; i++)
            {
                double angle = p * Math.Pow(c.RopeTheta, -2.0 * i / c.RotaryDim);
                t[(p * half) + i] = (float)Math.Cos(angle);
                t[((c.MaxPositions + p) * half) + i] = (float)Math.Sin(angle);
            }

        return buffer;
    }
}
