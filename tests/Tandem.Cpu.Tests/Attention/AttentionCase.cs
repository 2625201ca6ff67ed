using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.TestKit;
using Xunit;
using AttentionOp = Tandem.Graph.Ops.Attention;

namespace Tandem.Cpu.Tests.Attention;

/// <summary>Rows [From, From + Count) of a document in one step of serving.</summary>
internal readonly record struct Rows(int Document, int From, int Count);

/// <summary>Results by name, [T, ...] with the documents one after another.</summary>
internal sealed class Results : Dictionary<string, float[]>
{
    /// <summary>Asserts equality bit for bit.</summary>
    public void SameBits(Results actual)
    {
        foreach ((string name, float[] expected) in this)
        {
            float[] other = actual[name];
            Assert.Equal(expected.Length, other.Length);
            for (int i = 0; i < expected.Length; i++)
            {
                if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(other[i]))
                    Assert.Fail($"{name}[{i}] of {expected.Length}: {other[i]:g9}, wanted {expected[i]:g9}");
            }
        }
    }

    /// <summary>Asserts that a result is within the bound of its twin, relative to the largest value, and without a bias.</summary>
    public void Close(string name, double[] expected, double bound)
    {
        float[] actual = this[name];
        double scale = Math.Max(1e-30, expected.Max(Math.Abs)), worst = 0, signed = 0;
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            double error = (actual[i] - expected[i]) / scale;
            Assert.False(double.IsNaN(error), $"{name}[{i}] is {actual[i]}");
            worst = Math.Max(worst, Math.Abs(error));
            signed += error / expected.Length;
        }

        Assert.True(worst <= bound, $"{name}: {worst:g3} of {scale:g3}, wanted {bound:g3}");
        Assert.True(Math.Abs(signed) <= bound / 10, $"{name}: mean signed residual {signed:g3}");
    }
}

/// <summary>
/// One attention layer over documents with random operands, run by the training graph, by the serving graph in any steps, by the scalar twin and in f64.
/// </summary>
internal sealed unsafe class AttentionCase
{
    private readonly bool _sinks;
    private readonly Random _random;

    public AttentionCase(AttentionSpec spec, KvTypes types, bool sinks, int seed, params int[] documents)
    {
        Spec = spec with { Cache = types };
        Documents = documents;
        _sinks = sinks;
        _random = new Random(seed);
        NumRows = documents.Sum();
        Inputs["q"] = Numbers(NumRows * spec.NumHeads * spec.HeadDim, 1.5f);
        Inputs["k"] = Numbers(NumRows * spec.NumKvHeads * spec.HeadDim, 1.5f);
        Inputs["v"] = Numbers(NumRows * spec.NumKvHeads * spec.ValueDim, 2f);
        Inputs["do"] = Numbers(NumRows * spec.NumHeads * spec.ValueDim, 1f);
        Inputs["sinks"] = Numbers(spec.NumHeads, 3f);
        Inputs["dsinks"] = Numbers(spec.NumHeads, 1f);
    }

    public AttentionSpec Spec { get; }

    public int[] Documents { get; }

    public int NumRows { get; }

    public Dictionary<string, float[]> Inputs { get; } = [];

    /// <summary>Row of a document's first token.</summary>
    public int FirstRow(int document) => Documents.Take(document).Sum();

    /// <summary>Forward and backward of all documents in one batch.</summary>
    public Results Train(int threads)
    {
        using var team = new ThreadTeam(threads);
        using var batch = TrainingBatch();
        using var instance = new CpuInstance(Plan.Compile(TrainGraph(), StepSizes.ForTraining(NumRows, Documents.Length), CpuBackend.Instance, threads), team);
        foreach ((string name, float[] values) in Inputs.Where(x => _sinks || !x.Key.Contains("sinks", StringComparison.Ordinal)))
            values.CopyTo(new Span<float>(instance[name], values.Length));
        instance.Run(Stage.Forward, batch.View, batch.Sizes);
        return Outputs(instance, NumRows, instance.Plan.Graph.Outputs.Keys);
    }

    /// <summary>Forward in steps with a cache whose blocks are shuffled and full of NaN at first.</summary>
    public Results Serve(int threads, IEnumerable<Rows[]> steps)
    {
        int blocks = Documents.Sum(n => (n + 31) / 32) + 3;
        int[] order = [.. Enumerable.Range(0, blocks)];
        new Random(99).Shuffle(order);
        using var team = new ThreadTeam(threads);
        using var batch = new Batch(NumRows, Documents.Length, blocks);
        Plan plan = Plan.Compile(ServeGraph(blocks), StepSizes.ForServing(NumRows, Documents.Length), CpuBackend.Instance, threads);
        using var instance = new CpuInstance(plan, team);
        new Span<byte>(instance["cache"], (int)plan.Bounds.Bytes(plan.Graph.Find("cache").Type)).Fill(0xff);
        if (_sinks)
            Inputs["sinks"].CopyTo(new Span<float>(instance["sinks"], Spec.NumHeads));
        var results = new Results { ["o"] = new float[NumRows * Spec.NumHeads * Spec.ValueDim], ["lse"] = new float[NumRows * Spec.NumHeads] };
        foreach (Rows[] step in steps)
        {
            batch.Clear();
            int at = 0;
            foreach (Rows rows in step)
            {
                int[] table = [.. order.Skip(Documents.Take(rows.Document).Sum(n => (n + 31) / 32)).Take((rows.From + rows.Count + 31) / 32)];
                batch.AddRows(new int[rows.Count], rows.From, table);
                foreach (string name in (string[])["q", "k", "v"])
                    CopyRows(Inputs[name], FirstRow(rows.Document) + rows.From, (float*)instance[name], at, rows.Count);
                at += rows.Count;
            }

            instance.Run(Stage.Forward, batch.View, batch.Sizes);
            Results part = Outputs(instance, at, results.Keys);
            at = 0;
            foreach (Rows rows in step)
            {
                foreach ((string name, float[] all) in results)
                {
                    int width = all.Length / NumRows;
                    part[name].AsSpan(at * width, rows.Count * width).CopyTo(all.AsSpan((FirstRow(rows.Document) + rows.From) * width));
                }

                at += rows.Count;
            }
        }

        return results;
    }

    /// <summary>Each document by itself, in chunks of so many rows.</summary>
    public IEnumerable<Rows[]> Chunks(int size)
    {
        for (int d = 0; d < Documents.Length; d++)
        {
            for (int from = 0; from < Documents[d]; from += size)
                yield return [new Rows(d, from, Math.Min(size, Documents[d] - from))];
        }
    }

    /// <summary>All documents at once, each by chunks of a size of its own.</summary>
    public IEnumerable<Rows[]> Mixed()
    {
        int[] done = new int[Documents.Length];
        while (done.Sum() < NumRows)
        {
            Rows[] step = [.. Documents.Index().Where(x => done[x.Index] < x.Item).Select(x => new Rows(x.Index, done[x.Index], Math.Min(1 + (x.Index * 5), x.Item - done[x.Index])))];
            foreach (Rows rows in step)
                done[rows.Document] += rows.Count;
            yield return step;
        }
    }

    /// <summary>The scalar twin, for the rows that are asked for; others stay as in <paramref name="like"/>.</summary>
    public Results Twin(Results like, Func<int, bool>? wanted = null)
    {
        using var s = new Scratch();
        using var batch = TrainingBatch();
        var args = Forward(s, batch.View);
        var results = new Results { ["o"] = (float[])like["o"].Clone(), ["lse"] = (float[])like["lse"].Clone() };
        float* o = s.Floats(Spec.ValueDim);
        for (int d = 0; d < Documents.Length; d++)
        {
            for (int t = 0; t < Documents[d]; t++)
            {
                if (wanted?.Invoke(t) == false)
                    continue;
                for (int h = 0; h < Spec.NumHeads; h++)
                {
                    int at = ((FirstRow(d) + t) * Spec.NumHeads) + h;
                    results["lse"][at] = AttentionScalar.Row(args, d, t, h, o);
                    new Span<float>(o, Spec.ValueDim).CopyTo(results["o"].AsSpan(at * Spec.ValueDim));
                }
            }
        }

        return results;
    }

    /// <summary>The operands of the forward kernel, keys and values written.</summary>
    public AttentionForwardArgs Forward(Scratch s, in BatchView view)
    {
        var shape = AttentionCall.ShapeOf(Spec);
        byte* cache = (byte*)s.Floats((view.NumBlocks * shape.BlockBytes / 4) + 1);
        KvBlocks.Write(shape, view, 0, NumRows, s.From(Inputs["k"]), s.From(Inputs["v"]), cache);
        return new AttentionForwardArgs
        {
            Shape = shape,
            View = view,
            Q = s.From(Inputs["q"]),
            QStride = (long)Spec.NumHeads * Spec.HeadDim,
            Cache = cache,
            Sinks = _sinks ? s.From(Inputs["sinks"]) : null,
            O = s.Floats((long)NumRows * Spec.NumHeads * Spec.ValueDim),
            OStride = (long)Spec.NumHeads * Spec.ValueDim,
            Lse = s.Floats((long)NumRows * Spec.NumHeads),
        };
    }

    /// <summary>The f64 twin after its run.</summary>
    public ReferenceInterpreter Exact(Batch batch, Action<Dictionary<string, double[]>>? change = null)
    {
        var twin = new ReferenceInterpreter(TrainGraph(), batch.View);
        foreach ((string name, float[] values) in Inputs)
            twin.Bindings[name] = [.. values.Select(x => (double)x)];
        change?.Invoke(twin.Bindings);
        twin.Run(Stage.Forward);
        return twin;
    }

    /// <summary>All documents in a training batch.</summary>
    public Batch TrainingBatch()
    {
        Batch batch = Batch.ForTraining(StepSizes.ForTraining(NumRows, Documents.Length));
        foreach (int n in Documents)
            batch.AddDocument(new int[n], new int[n]);
        return batch;
    }

    private static void CopyRows(float[] all, int row, float* to, int toRow, int rows, int numRows)
    {
        int width = all.Length / numRows;
        all.AsSpan(row * width, rows * width).CopyTo(new Span<float>(to + ((long)toRow * width), rows * width));
    }

    private static Results Outputs(CpuInstance instance, int rows, IEnumerable<string> names)
    {
        var results = new Results();
        foreach (string name in names)
        {
            TensorType type = instance.Plan.Graph.Outputs[name].Type;
            results[name] = new Span<float>(instance.Output(name), (int)(type.Width * (type.Rows == RowSymbol.Tokens ? rows : 1))).ToArray();
        }

        return results;
    }

    private void CopyRows(float[] all, int row, float* to, int toRow, int rows) => CopyRows(all, row, to, toRow, rows, NumRows);

    private float[] Numbers(int n, float scale) => [.. Enumerable.Range(0, n).Select(_ => ((2 * _random.NextSingle()) - 1) * scale)];

    private (Value Q, Value K, Value V) Operands(GraphBuilder g) => (
        g.Input("q", new TensorType(DType.F32, RowSymbol.Tokens, Spec.NumHeads * Spec.HeadDim)),
        g.Input("k", new TensorType(DType.F32, RowSymbol.Tokens, Spec.NumKvHeads * Spec.HeadDim)),
        g.Input("v", new TensorType(DType.F32, RowSymbol.Tokens, Spec.NumKvHeads * Spec.ValueDim)));

    private Value[] Attend(GraphBuilder g, Value q, Value blocks)
    {
        Value[] operands = _sinks ? [q, blocks, g.Parameter("sinks", new TensorType(DType.F32, RowSymbol.None, Spec.NumHeads))] : [q, blocks];
        Value[] results = [.. g.ApplyAll(new AttentionOp(Spec), "attention", operands)];
        g.Output("o", results[0]);
        g.Output("lse", results[1]);
        return results;
    }

    /// <summary>Forward and backward as one graph.</summary>
    public ModelGraph TrainGraph()
    {
        var g = new GraphBuilder("train");
        (Value q, Value k, Value v) = Operands(g);
        Value blocks = g.Apply(new KvWrite(Spec), "kv", k, v);
        Value[] r = Attend(g, q, blocks);
        Value dO = g.Input("do", r[0].Type);
        IReadOnlyList<Value> d = g.ApplyAll(new AttentionGrad(Spec), "grad", q, blocks, r[0], r[1], dO);
        g.Output("dq", d[0]);
        g.Output("dk", d[1]);
        g.Output("dv", d[2]);
        if (_sinks)
        {
            Value sinks = g.Parameter("sinks", new TensorType(DType.F32, RowSymbol.None, Spec.NumHeads));
            g.Output("dsinks", g.Apply(new AttentionSinkGrad(Spec), "dsinks", r[0], r[1], dO, sinks, g.State("dsinks", sinks.Type)));
        }

        return g.Build();
    }

    private ModelGraph ServeGraph(int blocks)
    {
        var g = new GraphBuilder("serve");
        (Value q, Value k, Value v) = Operands(g);
        Value cache = g.State("cache", Spec.CacheOf(blocks));
        Attend(g, q, g.Apply(new KvWrite(Spec) { HasCache = true }, "kv", k, v, cache));
        return g.Build();
    }
}
