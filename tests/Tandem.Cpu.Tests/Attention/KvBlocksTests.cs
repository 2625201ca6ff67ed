using Tandem.Graph;
using Tandem.Graph.Ops;
using Xunit;

namespace Tandem.Cpu.Tests.Attention;

public sealed unsafe class KvBlocksTests
{
    [Theory]
    [InlineData(DType.F32, 16, 16)]
    [InlineData(DType.F16, 20, 24)]
    [InlineData(DType.BF16, 37, 9)]
    public void Any_cut_of_the_rows_writes_the_same_rounded_elements(DType type, int headDim, int valueDim)
    {
        var layer = new AttentionCase(new AttentionSpec(3, 3, headDim, valueDim, 1f), type, false, 1, 5, 70, 33);
        using var s = new Scratch();
        using Batch batch = layer.TrainingBatch();
        BatchView view = batch.View;
        AttentionShape shape = AttentionCall.ShapeOf(layer.Spec);
        long bytes = view.NumBlocks * shape.BlockBytes;
        float* k = s.From(layer.Inputs["k"]), v = s.From(layer.Inputs["v"]);
        foreach (int cut in (int[])[1, 3, 8, 32, layer.NumRows])
        {
            byte* cache = (byte*)s.Floats(bytes / 4);
            for (int row = 0; row < layer.NumRows; row += cut)
                KvBlocks.Write(shape, view, row, Math.Min(cut, layer.NumRows - row), k, v, cache);
            for (int d = 0; d < layer.Documents.Length; d++)
            {
                Segment segment = view.Segments[d];
                for (int i = 0; i < layer.Documents[d] * 3; i++)
                {
                    int token = i / 3, head = i % 3, row = segment.FirstRow + token, slot = token % 32;
                    byte* at = KvBlocks.Head(shape, cache, view.Blocks[segment.FirstBlock + (token / 32)], head);
                    for (int e = 0; e < headDim; e++)
                        Scratch.SameBits(Rounded(type, k[(((row * 3) + head) * headDim) + e]), KvBlocks.Key(shape, at, slot, e));
                    for (int e = 0; e < shape.PaddedValueDim; e++)
                        Scratch.SameBits(e < valueDim ? Rounded(type, v[(((row * 3) + head) * valueDim) + e]) : 0f, KvBlocks.Value(shape, at, slot, e));
                }
            }
        }
    }

    [Fact]
    public void Transpositions_of_all_small_sizes()
    {
        using var s = new Scratch();
        float* from = s.Random(20 * 24, 3);
        for (int rows = 1; rows <= 18; rows++)
        {
            for (int columns = 1; columns <= 18; columns++)
            {
                float* to = s.Floats(((columns - 1) * 20) + rows);
                StoredTransposition.Copy(from, 24, rows, columns, to, 20);
                for (int i = 0; i < rows * columns; i++)
                    Assert.Equal(from[(i / columns * 24) + (i % columns)], to[(i % columns * 20) + (i / columns)]);
            }
        }
    }

    private static float Rounded(DType type, float x)
    {
        ushort h;
        switch (type)
        {
            case DType.F16:
                StoredF16.Store(x, &h);
                return StoredF16.Load(&h);
            case DType.BF16:
                StoredBF16.Store(x, &h);
                return StoredBF16.Load(&h);
            default:
                return x;
        }
    }
}
