using CsCheck;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Xunit;

namespace Tandem.Cpu.Tests.Attention;

/// <summary>Caches in 8 and 4 bits: what is written, and that every way through attention has the bits of the scalar twin.</summary>
public sealed unsafe class QuantizedCacheTests
{
    private static readonly DType[] Types = [DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_1];

    /// <summary>Query heads, key/value heads, head sizes, window, softcap, types, sinks.</summary>
    public static TheoryData<int, int, int, int, int, float, DType, DType, bool> Layers => new()
    {
        { 9, 3, 64, 64, 0, 0f, DType.Q8_0, DType.Q8_0, false },
        { 4, 1, 64, 64, 0, 0f, DType.Q4_1, DType.Q4_1, false },
        { 8, 1, 16, 20, 0, 0f, DType.Q8_0, DType.Q4_1, true },
        { 4, 4, 20, 16, 0, 5f, DType.Q4_1, DType.Q8_0, false },
        { 5, 1, 128, 128, 50, 0f, DType.Q8_0, DType.BF16, true },
        { 9, 3, 80, 48, 7, 20f, DType.F16, DType.Q8_0, false },
        { 14, 2, 37, 9, 100, 0f, DType.Q4_1, DType.F32, false },
        { 3, 3, 33, 65, 64, 0f, DType.F32, DType.Q4_1, true },
    };

    [Theory]
    [MemberData(nameof(Layers))]
    public void Every_way_through_has_the_bits_of_the_scalar_twin(
        int heads, int kvHeads, int headDim, int valueDim, int window, float softcap, DType key, DType value, bool sinks)
    {
        var spec = new AttentionSpec(heads, kvHeads, headDim, valueDim, 1 / MathF.Sqrt(headDim), window, softcap);
        var layer = new AttentionCase(spec, new KvTypes(key, value), sinks, heads + headDim, 1, 31, 32, 33, 63, 64, 65, 200);
        Results whole = layer.Serve(2, [[.. layer.Documents.Select((n, d) => new Rows(d, 0, n))]]);
        Results twin = layer.Twin(whole);
        twin.SameBits(whole);
        foreach (int chunk in (int[])[64, 7, 2, 1])
            twin.SameBits(layer.Serve(2, layer.Chunks(chunk)));
        twin.SameBits(layer.Serve(1, layer.Mixed()));
    }

    [Fact]
    public void Any_layer_in_any_chunks_has_the_bits_of_the_scalar_twin() =>
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 7], Gen.Int[1, 70], Gen.Int[1, 70], Gen.Int[0, 80], Gen.Int[0, 24], Gen.Int[1, 90].Array[1, 4], Gen.Int[1, 70])
            .Sample(
                (kvHeads, group, headDim, valueDim, window, types, documents, chunk) =>
                {
                    var spec = new AttentionSpec(kvHeads * group, kvHeads, headDim, valueDim, 0.4f, window);
                    var layer = new AttentionCase(spec, new KvTypes(Types[types % 5], Types[types / 5]), chunk % 2 == 0, chunk, documents);
                    Results served = layer.Serve(1, layer.Chunks(chunk));
                    layer.Twin(served).SameBits(served);
                },
                iter: 60,
                threads: 1);

    [Theory]
    [InlineData(6, 2, 64, 64, 0, DType.Q8_0, DType.Q8_0)]
    [InlineData(4, 1, 32, 32, 1500, DType.Q4_1, DType.Q8_0)]
    [InlineData(3, 3, 20, 40, 1025, DType.Q8_0, DType.Q4_1)]
    public void Spans_merge_from_left_to_right_whoever_computes_them(int heads, int kvHeads, int headDim, int valueDim, int window, DType key, DType value)
    {
        var layer = new AttentionCase(new AttentionSpec(heads, kvHeads, headDim, valueDim, 0.3f, window), new KvTypes(key, value), true, 5, 2300);
        Results whole = layer.Serve(1, layer.Chunks(500));
        layer.Twin(whole, t => t is 0 or 1023 or 1024 or 1025 or 1600 or 2047 or 2048 or 2049 or 2299).SameBits(whole);
        foreach (int threads in (int[])[1, 2, 3])
            whole.SameBits(layer.Serve(threads, [[new Rows(0, 0, 2045)], .. Enumerable.Range(2045, 8).Select(t => new Rows[] { new(0, t, 1) }), [new Rows(0, 2053, 5)], [new Rows(0, 2058, 242)]]));
    }

    [Theory]
    [InlineData(DType.Q8_0, 64, 64)]
    [InlineData(DType.Q8_0, 37, 9)]
    [InlineData(DType.Q4_1, 64, 128)]
    [InlineData(DType.Q4_1, 40, 33)]
    public void Elements_are_within_half_a_step_and_widen_to_the_same_bits(DType type, int headDim, int valueDim)
    {
        var layer = new AttentionCase(new AttentionSpec(3, 3, headDim, valueDim, 1f), type, false, 1, 5, 70, 33);
        using var s = new Scratch();
        using Batch batch = layer.TrainingBatch();
        BatchView view = batch.View;
        AttentionShape shape = AttentionCall.ShapeOf(layer.Spec);
        float* k = s.From(layer.Inputs["k"]), v = s.From(layer.Inputs["v"]), x = s.Floats(128);
        float* keys = s.Floats(shape.KeyElements), values = s.Floats(shape.ValueElements);
        int floats = (int)(view.NumBlocks * shape.BlockBytes / 4);
        byte* cache = (byte*)s.Floats(floats), cut = (byte*)s.Floats(floats);
        KvBlocks.Write(shape, view, 0, layer.NumRows, k, v, cache);
        for (int row = 0; row < layer.NumRows; row++)
            KvBlocks.Write(shape, view, row, 1, k, v, cut);
        for (int d = 0; d < layer.Documents.Length; d++)
        {
            Segment segment = view.Segments[d];
            for (int i = 0; i < layer.Documents[d] * 3; i++)
            {
                int token = i / 3, head = i % 3, row = segment.FirstRow + token, slot = token % 32;
                byte* at = KvBlocks.Head(shape, cache, view.Blocks[segment.FirstBlock + (token / 32)], head);
                byte* atCut = KvBlocks.Head(shape, cut, view.Blocks[segment.FirstBlock + (token / 32)], head);
                KvTiles.WidenKeys(shape, at, keys);
                KvTiles.WidenValues(shape, at + shape.KeyBytes, values);
                Turned(type, k + (((row * 3) + head) * headDim), x, headDim);
                for (int e = 0; e < headDim; e++)
                {
                    float read = KvBlocks.Key(shape, at, slot, e);
                    Assert.InRange(read - x[e], -HalfStep(type, x, e, headDim), HalfStep(type, x, e, headDim));
                    Scratch.SameBits(read, KvBlocks.Key(shape, atCut, slot, e));
                    Scratch.SameBits(read, keys[KvBlocks.KeyOffset(shape, slot, e)]);
                }

                Turned(type, v + (((row * 3) + head) * valueDim), x, valueDim);
                for (int e = 0; e < valueDim; e++)
                {
                    float read = KvBlocks.Value(shape, at, slot, e);
                    Assert.InRange(read - x[e], -HalfStep(type, x, e, valueDim), HalfStep(type, x, e, valueDim));
                    Scratch.SameBits(read, KvBlocks.Value(shape, atCut, slot, e));
                    Scratch.SameBits(read, values[KvBlocks.ValueOffset(slot, e)]);
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.Q8_0, float.NaN)]
    [InlineData(DType.Q8_0, float.PositiveInfinity)]
    [InlineData(DType.Q4_1, float.NaN)]
    [InlineData(DType.Q4_1, float.NegativeInfinity)]
    public void A_number_that_is_not_finite_is_seen(DType type, float bad)
    {
        byte* block = stackalloc byte[KvTypes.ValueBytes(type, 64)];
        float* x = stackalloc float[64];
        x[40] = bad;
        KvQuantizer.WriteValue(type, 64, x, block, 7);
        Assert.False(float.IsFinite(KvQuantizer.Value(type, block, 7, 40)));
    }

    [Fact]
    public void Zeros_stay_zeros_and_tiny_numbers_do_not_explode()
    {
        byte* block = stackalloc byte[KvTypes.ValueBytes(DType.Q8_0, 32)];
        float* x = stackalloc float[32];
        foreach (DType type in (DType[])[DType.Q8_0, DType.Q4_1])
        {
            foreach (float size in (float[])[0f, 1e-38f, 1e-6f])
            {
                new Span<float>(x, 32).Fill(size);
                KvQuantizer.WriteValue(type, 32, x, block, 0);
                for (int d = 0; d < 32; d++)
                    Assert.InRange(KvQuantizer.Value(type, block, 0, d), 0f, 6f * MathF.Max(size, 0f) + (size > 1e-30f ? 1e-7f : 0f));
            }
        }
    }

    [Fact]
    public void A_block_has_the_bytes_of_its_elements_and_scales()
    {
        var spec = new AttentionSpec(32, 8, 64, 64, 0.125f);
        int elements = 8 * 32 * 128;
        Assert.Equal(elements * 4, spec.BlockBytes);
        Assert.Equal(elements * 2, (spec with { Cache = DType.F16 }).BlockBytes);
        Assert.Equal(DType.Q8_0.Bytes(elements), (spec with { Cache = DType.Q8_0 }).BlockBytes);
        Assert.Equal(DType.Q4_1.Bytes(elements), (spec with { Cache = DType.Q4_1 }).BlockBytes);
        Assert.Equal((DType.Q8_0.Bytes(elements) + DType.Q4_1.Bytes(elements)) / 2, (spec with { Cache = new KvTypes(DType.Q8_0, DType.Q4_1) }).BlockBytes);
    }

    [Fact]
    public void Turning_is_its_own_inverse_and_keeps_products()
    {
        using var s = new Scratch();
        foreach (int dim in (int[])[1, 2, 4, 8, 20, 24, 64, 80, 96, 128, 256])
        {
            float* x = s.Random(dim, dim), y = s.Random(dim, dim + 1), a = s.Floats(dim), b = s.Floats(dim);
            Buffer.MemoryCopy(x, a, dim * 4, dim * 4);
            Buffer.MemoryCopy(x, b, dim * 4, dim * 4);
            Hadamard.Turn(a, dim);
            Hadamard.TurnScalar(b, dim);
            Scratch.SameBits(b, a, dim);
            double before = 0, after = 0;
            for (int i = 0; i < dim; i++) before += (double)x[i] * y[i];
            Hadamard.Turn(y, dim);
            for (int i = 0; i < dim; i++) after += (double)a[i] * y[i];
            Assert.Equal(before, after, 1e-4);
            Hadamard.Turn(a, dim);
            for (int i = 0; i < dim; i++) Assert.Equal(x[i], a[i], 1e-5f);
        }
    }

    [Fact]
    public void Quantized_blocks_have_no_gradient()
    {
        var layer = new AttentionCase(new AttentionSpec(2, 2, 16, 16, 1f), DType.Q8_0, false, 1, 3);
        Assert.Contains("q8_0", Assert.Throws<GraphException>(layer.TrainGraph).Message, StringComparison.Ordinal);
    }

    private static void Turned(DType type, float* from, float* to, int dim)
    {
        new Span<float>(from, dim).CopyTo(new Span<float>(to, dim));
        if (KvQuantizer.Turns(type))
            Hadamard.TurnScalar(to, dim);
    }

    // Half a step of the element's group; a little more, since scale and minimum are rounded to f16.
    private static float HalfStep(DType type, float* x, int element, int dim)
    {
        int first = element / 32 * 32;
        var group = new ReadOnlySpan<float>(x + first, Math.Min(32, dim - first));
        float largest = float.MinValue, smallest = float.MaxValue;
        foreach (float value in group)
        {
            largest = MathF.Max(largest, value);
            smallest = MathF.Min(smallest, value);
        }

        return type == DType.Q8_0
            ? MathF.Max(largest, -smallest) / 127 * 0.57f
            : ((largest - smallest) / 15 * 0.51f) + (MathF.Max(MathF.Abs(smallest), largest) * 1e-3f);
    }
}
