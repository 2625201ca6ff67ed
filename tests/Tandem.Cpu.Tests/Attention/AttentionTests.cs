using CsCheck;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.TestKit;
using Xunit;

namespace Tandem.Cpu.Tests.Attention;

/// <summary>
/// Attention's forward pass has the same bits in training, prefill, chunks and decode, with any threads and neighbours: those of the scalar twin.
/// Its gradients are close to f64 and do not depend on threads, items or neighbours either.
/// </summary>
public sealed unsafe class AttentionTests
{
    private static readonly int[] Lengths = [1, 31, 32, 33, 63, 64, 65, 200];

    /// <summary>Query heads, key/value heads, head sizes, window, softcap, type, sinks.</summary>
    public static TheoryData<int, int, int, int, int, float, DType, bool> Layers => new()
    {
        { 9, 3, 64, 64, 0, 0f, DType.F32, false },
        { 8, 1, 16, 20, 0, 0f, DType.BF16, true },
        { 4, 4, 20, 16, 0, 5f, DType.F16, false },
        { 4, 4, 128, 128, 50, 0f, DType.F32, true },
        { 9, 3, 80, 64, 7, 20f, DType.BF16, false },
        { 2, 2, 64, 80, 64, 3f, DType.F32, true },
        { 6, 2, 16, 16, 1, 0f, DType.F16, true },
        { 5, 1, 40, 24, 100, 0f, DType.F32, false },
    };

    [Theory]
    [MemberData(nameof(Layers))]
    public void Every_way_through_has_the_bits_of_the_scalar_twin(int heads, int kvHeads, int headDim, int valueDim, int window, float softcap, DType type, bool sinks)
    {
        AttentionCase layer = Layer(heads, kvHeads, headDim, valueDim, window, softcap, type, sinks);
        Results trained = layer.Train(1);
        Results twin = layer.Twin(trained);
        twin.SameBits(trained);
        trained.SameBits(layer.Train(2));
        trained.SameBits(layer.Train(3));
        twin.SameBits(layer.Serve(2, [[.. layer.Documents.Select((n, d) => new Rows(d, 0, n))]]));
        twin.SameBits(layer.Serve(1, layer.Chunks(64)));
        twin.SameBits(layer.Serve(2, layer.Chunks(7)));
        twin.SameBits(layer.Serve(2, layer.Chunks(1)));
        twin.SameBits(layer.Serve(2, layer.Mixed()));
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void Results_and_gradients_are_close_to_f64(int heads, int kvHeads, int headDim, int valueDim, int window, float softcap, DType type, bool sinks)
    {
        AttentionCase layer = Layer(heads, kvHeads, headDim, valueDim, window, softcap, type, sinks);
        Results trained = layer.Train(2);
        using Batch batch = layer.TrainingBatch();
        ReferenceInterpreter exact = layer.Exact(batch);
        foreach (string name in trained.Keys)
            trained.Close(name, exact.Output(name), 1e-5);
    }

    [Fact]
    public void Any_layer_in_any_chunks_has_the_bits_of_the_scalar_twin() =>
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 4], Gen.Int[1, 40], Gen.Int[1, 40], Gen.Int[0, 80], Gen.Int[0, 2], Gen.Int[1, 90].Array[1, 4], Gen.Int[1, 70])
            .Sample(
                (kvHeads, group, headDim, valueDim, window, type, documents, chunk) =>
                {
                    DType kvType = ((DType[])[DType.F32, DType.F16, DType.BF16])[type];
                    var spec = new AttentionSpec(kvHeads * group, kvHeads, headDim, valueDim, 0.4f, window, type == window % 3 ? 2f : 0f);
                    var layer = new AttentionCase(spec, kvType, chunk % 2 == 0, chunk, documents);
                    Results trained = layer.Train(2);
                    Results twin = layer.Twin(trained);
                    twin.SameBits(trained);
                    twin.SameBits(layer.Serve(1, layer.Chunks(chunk)));
                },
                iter: 40,
                threads: 1);

    // Beyond 1,024 keys: whole, in chunks, and rows at depth whose spans are items of their own.
    [Theory]
    [InlineData(6, 2, 16, 24, 0, DType.F32, false)]
    [InlineData(4, 1, 32, 32, 1500, DType.BF16, true)]
    [InlineData(3, 3, 20, 16, 1025, DType.F16, false)]
    public void Spans_merge_from_left_to_right_whoever_computes_them(int heads, int kvHeads, int headDim, int valueDim, int window, DType type, bool sinks)
    {
        var layer = new AttentionCase(new AttentionSpec(heads, kvHeads, headDim, valueDim, 0.3f, window), type, sinks, 5, 2300);
        Results trained = layer.Train(2);
        layer.Twin(trained, t => t is 0 or 1023 or 1024 or 1025 or 1600 or 2047 or 2048 or 2049 or 2299).SameBits(trained);
        var forward = new Results { ["o"] = trained["o"], ["lse"] = trained["lse"] };
        forward.SameBits(layer.Serve(2, layer.Chunks(500)));
        foreach (int threads in (int[])[1, 2, 3])
            forward.SameBits(layer.Serve(threads, [[new Rows(0, 0, 2045)], .. Enumerable.Range(2045, 8).Select(t => new Rows[] { new(0, t, 1) }), [new Rows(0, 2053, 5)], [new Rows(0, 2058, 242)]]));
    }

    [Fact]
    public void Spans_of_several_sequences_at_once_have_the_same_bits()
    {
        var layer = new AttentionCase(new AttentionSpec(4, 2, 16, 16, 0.3f), DType.F32, true, 6, 1100, 40, 2100);
        Rows[] heads = [new(0, 0, 1090), new(1, 0, 37), new(2, 0, 2080)];
        Rows[] tails = [new(0, 1090, 10), new(1, 37, 3), new(2, 2080, 20)];
        layer.Serve(1, [heads, tails]).SameBits(layer.Serve(4, [heads, tails]));
    }

    [Theory]
    [InlineData(0, 0f, false)]
    [InlineData(2, 0f, true)]
    [InlineData(0, 1.5f, true)]
    [InlineData(3, 0.8f, false)]
    public void Gradients_of_the_twin_are_central_differences(int window, float softcap, bool sinks)
    {
        var layer = new AttentionCase(new AttentionSpec(4, 2, 3, 5, 0.6f, window, softcap), DType.F32, sinks, 3, 4, 1, 6);
        using Batch batch = layer.TrainingBatch();
        ReferenceInterpreter exact = layer.Exact(batch, b => Array.Clear(b["dsinks"]));
        foreach (string name in sinks ? (string[])["q", "k", "v", "sinks"] : ["q", "k", "v"])
        {
            double[] gradient = exact.Output("d" + name);
            double scale = gradient.Max(Math.Abs);
            for (int i = 0; i < gradient.Length; i++)
            {
                const double H = 1e-5;
                double difference = (Loss(layer, batch, name, i, H) - Loss(layer, batch, name, i, -H)) / (2 * H);
                Assert.Equal(difference, gradient[i], 1e-6 * Math.Max(1, scale));
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(40)]
    public void A_row_has_no_gradient_beyond_the_keys_it_sees(int window)
    {
        const int Row = 100;
        var layer = new AttentionCase(new AttentionSpec(4, 2, 16, 16, 0.25f, window), DType.F32, true, 4, 30, 170);
        int row = 30 + Row, width = 4 * 16;
        for (int i = 0; i < layer.Inputs["do"].Length; i++)
        {
            if (i / width != row)
                layer.Inputs["do"][i] = 0f;
        }

        foreach (int threads in (int[])[1, 2])
        {
            Results trained = layer.Train(threads);
            int first = window > 0 ? row - window + 1 : 30;
            for (int t = 0; t < layer.NumRows; t++)
            {
                Assert.Equal(t == row, trained["dq"].AsSpan(t * width, width).ContainsAnyExcept(0f));
                Assert.Equal(t >= first && t <= row, trained["dk"].AsSpan(t * width / 2, width / 2).ContainsAnyExcept(0f));
                Assert.Equal(t >= first && t <= row, trained["dv"].AsSpan(t * width / 2, width / 2).ContainsAnyExcept(0f));
            }
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void Packed_documents_have_the_bits_of_each_by_itself_and_sinks_accumulate(DType type)
    {
        var spec = new AttentionSpec(6, 2, 20, 16, 0.25f, 90);
        var packed = new AttentionCase(spec, type, true, 8, 33, 150, 7);
        Results together = packed.Train(2);
        float[] dSinks = packed.Inputs["dsinks"];
        for (int d = 0; d < 3; d++)
        {
            var alone = new AttentionCase(spec, type, true, 8, packed.Documents[d]);
            int row = packed.FirstRow(d), rows = packed.Documents[d];
            foreach (string name in (string[])["q", "k", "v", "do"])
                Part(packed.Inputs[name], packed, row, rows).CopyTo(alone.Inputs[name], 0);
            packed.Inputs["sinks"].CopyTo(alone.Inputs["sinks"], 0);
            dSinks.CopyTo(alone.Inputs["dsinks"], 0);
            Results one = alone.Train(1);
            dSinks = one["dsinks"];
            foreach (string name in (string[])["o", "lse", "dq", "dk", "dv"])
                Assert.Equal(Part(together[name], packed, row, rows), one[name]);
        }

        Assert.Equal(together["dsinks"], dSinks);
    }

    // Items of (document, head), with and without the longest first, against items of tiles; scratch memory of exactly the planned size.
    [Theory]
    [InlineData(9, 3, 64, 64, 0, 0f, DType.F32)]
    [InlineData(4, 4, 20, 24, 70, 3f, DType.F16)]
    [InlineData(8, 1, 80, 16, 33, 0f, DType.BF16)]
    public void Whole_heads_and_tiles_give_the_same_gradients_within_their_scratch(int heads, int kvHeads, int headDim, int valueDim, int window, float softcap, DType type)
    {
        var layer = new AttentionCase(new AttentionSpec(heads, kvHeads, headDim, valueDim, 0.2f, window, softcap), type, false, 9, 130, 1, 300, 64);
        using var s = new Scratch();
        using Batch batch = layer.TrainingBatch();
        AttentionForwardArgs forward = layer.Forward(s, batch.View);
        AttentionShape shape = forward.Shape;
        byte* scratch = (byte*)s.Floats(AttentionForward.ScratchBytes(shape) / 4);
        AttentionTile* tiles = (AttentionTile*)s.Floats(2 * Math.Max(AttentionTiles.MaxQueryTiles(shape, layer.NumRows, 4), AttentionTiles.MaxKeyTiles(layer.NumRows, 4)));
        int count = AttentionTiles.Queries(batch.View, shape, tiles);
        for (int i = 0; i < count * kvHeads; i++)
            AttentionForward.Run(forward, tiles[i / kvHeads], i % kvHeads, scratch);
        int q = layer.NumRows * heads * headDim, k = layer.NumRows * kvHeads * headDim, v = layer.NumRows * kvHeads * valueDim;
        AttentionBackwardArgs whole = Backward(layer, s, forward), cut = Backward(layer, s, forward);
        AttentionBackward.Delta(whole, 0, layer.NumRows);
        AttentionBackward.Delta(cut, 0, 100);
        AttentionBackward.Delta(cut, 100, layer.NumRows - 100);
        scratch = (byte*)s.Floats(AttentionBackward.ScratchBytes(shape) / 4);
        for (int i = 0; i < 4 * kvHeads; i++)
            AttentionBackward.RunHead(whole, i / kvHeads, i % kvHeads, scratch);
        for (int i = count * kvHeads - 1; i >= 0; i--)
            AttentionBackward.RunQueries(cut, tiles[i / kvHeads], i % kvHeads, scratch);
        count = AttentionTiles.Keys(batch.View, tiles);
        for (int i = count * kvHeads - 1; i >= 0; i--)
            AttentionBackward.RunKeys(cut, tiles[i / kvHeads], i % kvHeads, scratch);
        Scratch.SameBits(whole.DQ, cut.DQ, q);
        Scratch.SameBits(whole.DK, cut.DK, k);
        Scratch.SameBits(whole.DV, cut.DV, v);
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        var spec = new AttentionSpec(4, 2, 32, 32, 0.2f) { Cache = new KvTypes(DType.BF16, DType.Q8_0) };
        TensorType q = new(DType.F32, RowSymbol.Tokens, 128), k = new(DType.F32, RowSymbol.Tokens, 64);
        var g = new GraphBuilder("decode");
        Value cache = g.State("cache", spec.CacheOf(80));
        Value blocks = g.Apply(new KvWrite(spec) { HasCache = true }, "kv", g.Input("k", k), g.Input("v", k), cache);
        g.Output("o", g.ApplyAll(new Graph.Ops.Attention(spec), "attention", g.Input("q", q), blocks)[0]);
        using var team = new ThreadTeam(2);
        using var instance = new CpuInstance(Plan.Compile(g.Build(), StepSizes.ForServing(8, 8), CpuBackend.Instance, 2), team);
        using var batch = new Batch(8, 8, 80);
        batch.AddRows(new int[1], 2300, [.. Enumerable.Range(0, 72)]);
        instance.Run(Stage.Forward, batch.View, batch.Sizes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
            instance.Run(Stage.Forward, batch.View, batch.Sizes);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        var layer = new AttentionCase(spec, DType.F32, true, 2, 100, 30);
        using Batch training = layer.TrainingBatch();
        using var trainer = new CpuInstance(Plan.Compile(layer.TrainGraph(), StepSizes.ForTraining(130, 2), CpuBackend.Instance, 2), team);
        trainer.Run(Stage.Forward, training.View, training.Sizes);
        before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
            trainer.Run(Stage.Forward, training.View, training.Sizes);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Operands_that_do_not_fit_are_refused_by_name()
    {
        var spec = new AttentionSpec(4, 2, 8, 8, 1f);
        var g = new GraphBuilder("bad");
        Value q = g.Input("q", new TensorType(DType.F32, RowSymbol.Tokens, 32));
        Value blocks = g.Input("blocks", new TensorType(DType.U8, RowSymbol.KvBlocks, spec.BlockBytes).With(Layout.KvBlock));
        Value sinks = g.Parameter("sinks", new TensorType(DType.F32, RowSymbol.None, 3));
        Assert.Contains("f32[3]", Assert.Throws<GraphException>(() => g.ApplyAll(new Graph.Ops.Attention(spec), "a", q, blocks, sinks)).Message);
        Assert.Contains("24", Assert.Throws<GraphException>(() => g.ApplyAll(new Graph.Ops.Attention(spec), "a", g.Input("p", new TensorType(DType.F32, RowSymbol.Tokens, 24)), blocks)).Message);
        Assert.Contains("f64", Assert.Throws<TandemException>(() => AttentionCall.ShapeOf(spec with { Cache = DType.F64 })).Message);
        Assert.Contains("-1", Assert.Throws<TandemException>(() => AttentionCall.ShapeOf(spec with { Window = -1 })).Message);
        Assert.Contains("NaN", Assert.Throws<TandemException>(() => AttentionCall.ShapeOf(spec with { Softcap = float.NaN })).Message);
    }

    private static AttentionCase Layer(int heads, int kvHeads, int headDim, int valueDim, int window, float softcap, DType type, bool sinks) =>
        new(new AttentionSpec(heads, kvHeads, headDim, valueDim, 1 / MathF.Sqrt(headDim), window, softcap), type, sinks, heads + headDim, Lengths);

    private static float[] Part(float[] all, AttentionCase layer, int row, int rows) => all.AsSpan(row * (all.Length / layer.NumRows), rows * (all.Length / layer.NumRows)).ToArray();

    private static double Loss(AttentionCase layer, Batch batch, string name, int index, double step)
    {
        ReferenceInterpreter twin = layer.Exact(batch, b => b[name][index] += step);
        return twin.Output("o").Zip(layer.Inputs["do"], (o, d) => o * d).Sum();
    }

    private static AttentionBackwardArgs Backward(AttentionCase layer, Scratch s, in AttentionForwardArgs forward)
    {
        AttentionSpec spec = layer.Spec;
        return new AttentionBackwardArgs
        {
            Forward = forward,
            DO = s.From(layer.Inputs["do"]),
            DOStride = (long)spec.NumHeads * spec.ValueDim,
            Delta = s.Floats((long)layer.NumRows * spec.NumHeads),
            DQ = s.Floats((long)layer.NumRows * spec.NumHeads * spec.HeadDim),
            DQStride = (long)spec.NumHeads * spec.HeadDim,
            DK = s.Floats((long)layer.NumRows * spec.NumKvHeads * spec.HeadDim),
            DKStride = (long)spec.NumKvHeads * spec.HeadDim,
            DV = s.Floats((long)layer.NumRows * spec.NumKvHeads * spec.ValueDim),
            DVStride = (long)spec.NumKvHeads * spec.ValueDim,
        };
    }
}
