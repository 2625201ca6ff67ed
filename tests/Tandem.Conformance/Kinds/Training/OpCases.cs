using System.Text.Json;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Models;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>
/// Single operations, forward and gradient. Which op a case is for is told by its tensors; an attribute that the op's reader does not know is unsupported by name.
/// Operands that the engine keeps in another order (heads before rows, a transposed left matrix) are reordered on the way in and out.
/// </summary>
internal static class OpCases
{
    // The first row whose tensors a case has is the case's op.
    private static readonly (string Name, string[] Tensors, string[] Attributes, Action<OpCase, RunContext>? Run)[] Table =
    [
        ("mixture of experts", ["in.w_router"], [], null),
        ("gated mlp", ["in.x", "in.w_gate", "in.w_up", "in.w_down"], ["act"], GatedMlp),
        ("clamped gate", ["in.gate", "in.up"], [], null),
        ("attention", ["in.q", "in.k", "in.v"], ["scale", "window", "softcap", "cu_seqlens"], Attention),
        ("rope", ["in.x", "in.positions"], ["layout", "rotary_dim", "theta"], Rope),
        ("embedding", ["in.table", "in.ids"], [], Embedding),
        ("cross entropy", ["in.logits", "in.target"], ["label_smoothing", "z_loss"], CrossEntropy),
        ("balance losses", ["in.logits", "out.z_loss"], [], null),
        ("router", ["in.logits", "out.weight"], [], null),
        ("matrix product", ["in.a", "in.b"], ["trans_a", "trans_b"], MatrixProduct),
        ("dora", ["in.A", "in.B", "in.m"], [], null),
        ("lora", ["in.A", "in.B"], [], null),
        ("fake quantization", ["in.w", "out.codes"], [], null),
        ("log-softmax", ["in.x", "out.lp"], [], null),
        ("softmax", ["in.x", "out.p"], [], null),
        ("layer norm", ["in.x", "in.w", "in.b"], ["eps"], LayerNorm),
        ("norm", ["in.x", "in.w", "out.y"], ["eps", "weight_offset"], Norm),
        ("activation", ["in.x", "out.y"], ["kind"], Activation),
    ];

    /// <summary>Runs the cases that <c>index.json</c> lists.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        foreach (JsonProperty entry in folder.Json("index.json").EnumerateObject())
        {
            context.Report.Case($"{folder.Name}/{entry.Name}", checks =>
            {
                var op = new OpCase(folder.Tensors(entry.Name + ".safetensors"), entry.Value, checks);
                (string name, _, string[] attributes, Action<OpCase, RunContext>? run) = Array.Find(Table, row => row.Tensors.All(op.Golden.Has));
                if (name == null) throw new UnsupportedException($"op {entry.Name}");
                if (run == null) throw new UnsupportedException(name);
                if (op.Attributes.FirstOrDefault(a => !attributes.Contains(a)) is { } unknown) throw new UnsupportedException($"{name}: {unknown}");
                run(op, context);
                op.RequireAllCompared();
            });
        }
    }

    private static void Norm(OpCase c, RunContext context)
    {
        // Both norms may come without a bias; only the formula tells them apart.
        if (!c.Formula.Contains("mean(x^2)", StringComparison.Ordinal))
        {
            LayerNorm(c, context);
            return;
        }

        float[] w = c.Golden.Floats("in.w");
        using var runner = new OpRunner(context, c.Golden.Floats("in.x").Length / w.Length);
        var op = new RmsNorm((float)c.Number("eps"), (float)c.Number("weight_offset", 0));
        Value y = runner.Graph.ApplyAll(op, "norm", runner.Rows("x", c.Golden.Floats("in.x")), runner.Weight("w", w, w.Length))[0];
        runner.Result("y", y, c.Golden.Floats("dout.y"));
        runner.Run();
        c.Check("out.y", runner.Output("y"));
        c.Check("grad.x", () => runner.Output("grad.x"));
        c.Check("grad.w", () => runner.WeightGradient("w"));
    }

    private static void LayerNorm(OpCase c, RunContext context)
    {
        float[] w = c.Golden.Floats("in.w");
        using var runner = new OpRunner(context, c.Golden.Floats("in.x").Length / w.Length);
        var op = new LayerNorm((float)c.Number("eps"));
        Value x = runner.Rows("x", c.Golden.Floats("in.x")), weight = runner.Weight("w", w, w.Length);
        Value y = c.Golden.Has("in.b")
            ? runner.Graph.ApplyAll(op, "norm", x, weight, runner.Weight("b", c.Golden.Floats("in.b"), w.Length))[0]
            : runner.Graph.ApplyAll(op, "norm", x, weight)[0];
        runner.Result("y", y, c.Golden.Floats("dout.y"));
        runner.Run();
        c.Check("out.y", runner.Output("y"));
        c.Check("grad.x", () => runner.Output("grad.x"));
        c.Check("grad.w", () => runner.WeightGradient("w"));
        c.Check("grad.b", () => runner.WeightGradient("b"));
    }

    private static void Activation(OpCase c, RunContext context)
    {
        using var runner = new OpRunner(context, 1);
        Value y = runner.Graph.Apply(new Activation(Kind(c.Text("kind"))), "act", runner.Rows("x", c.Golden.Floats("in.x")));
        runner.Result("y", y, c.Golden.Floats("dout.y"));
        runner.Run();
        c.Check("out.y", runner.Output("y"));
        c.Check("grad.x", () => runner.Output("grad.x"));
    }

    private static void GatedMlp(OpCase c, RunContext context)
    {
        int[] gate = c.Golden.Shape("in.w_gate"), down = c.Golden.Shape("in.w_down");
        using var runner = new OpRunner(context, c.Golden.Floats("in.x").Length / gate[1]);
        Value x = runner.Rows("x", c.Golden.Floats("in.x"));
        Value g = runner.Graph.Apply(new Linear(), "gate", x, runner.Weight("w_gate", c.Golden.Floats("in.w_gate"), gate));
        Value u = runner.Graph.Apply(new Linear(), "up", x, runner.Weight("w_up", c.Golden.Floats("in.w_up"), gate));
        Value h = runner.Graph.Apply(new GatedActivation(Kind(c.Text("act"))), "act", g, u);
        runner.Result("y", runner.Graph.Apply(new Linear(), "down", h, runner.Weight("w_down", c.Golden.Floats("in.w_down"), down)), c.Golden.Floats("dout.y"));
        runner.Run();
        c.Check("out.y", runner.Output("y"));
        c.Check("grad.x", () => runner.Output("grad.x"));
        foreach (string w in (string[])["w_gate", "w_up", "w_down"]) c.Check("grad." + w, () => runner.WeightGradient(w));
    }

    private static void Rope(OpCase c, RunContext context)
    {
        int[] shape = c.Golden.Shape("in.x"), positions = c.Golden.Ints("in.positions");
        int headDim = shape[3], rotary = (int)c.Number("rotary_dim"), length = positions.Max() + 1;

        // A little above the share, so that cutting it to whole dimensions gives them back.
        var config = new RopeConfig { Theta = c.Number("theta"), PartialRotaryFactor = (rotary + 0.25) / headDim, MaxPositions = length };
        using RopeTable table = RopeTable.Build(config, headDim, length);
        using var runner = new OpRunner(context, shape[0] * shape[1]);
        Value values = runner.Constant("rope.table", new TensorType(DType.F32, RowSymbol.None, 2, length, rotary / 2), TableOf(table));
        var op = new Rope(headDim, rotary, c.Text("layout") switch
        {
            "half" => false,
            "interleaved" => true,
            var other => throw new UnsupportedException($"rope: {other}"),
        });
        runner.Result("y", runner.Graph.Apply(op, "rope", runner.Rows("x", c.Golden.Floats("in.x")), values), c.Golden.Floats("dout.y"));
        runner.Run(positions: positions);
        c.Check("out.y", runner.Output("y"));
        c.Check("grad.x", () => runner.Output("grad.x"));
    }

    private static void Attention(OpCase c, RunContext context)
    {
        int[] q = c.Golden.Shape("in.q"), v = c.Golden.Shape("in.v");
        (int batch, int heads, int length, int headDim) = (q[0], q[1], q[2], q[3]);
        (int kvHeads, int valueDim) = (v[1], v[3]);
        var spec = new AttentionSpec(heads, kvHeads, headDim, valueDim, (float)c.Number("scale"), (int)c.Number("window", 0), (float)c.Number("softcap", 0));
        using var runner = new OpRunner(context, batch * length);
        Value q_THD = runner.Rows("q", SwapHeads(c.Golden.Floats("in.q"), batch, heads, length, headDim));
        Value k_TKD = runner.Rows("k", SwapHeads(c.Golden.Floats("in.k"), batch, kvHeads, length, headDim));
        Value v_TKD = runner.Rows("v", SwapHeads(c.Golden.Floats("in.v"), batch, kvHeads, length, valueDim));
        Value blocks = runner.Graph.Apply(new KvWrite(spec), "kv", k_TKD, v_TKD);
        Value[] sinks = c.Golden.Has("in.sinks") ? [runner.Weight("sinks", c.Golden.Floats("in.sinks"), heads)] : [];
        Value o = runner.Graph.ApplyAll(new Graph.Ops.Attention(spec), "attention", [q_THD, blocks, .. sinks])[0];
        runner.Result("o", o, SwapHeads(c.Golden.Floats("dout.o"), batch, heads, length, valueDim));
        int[] row = c.Golden.Has("in.doc") ? RunLengths(c.Golden.Ints("in.doc")) : [length];
        runner.Run(documents: [.. Enumerable.Repeat(row, batch).SelectMany(r => r)]);
        c.Check("out.o", SwapHeads(runner.Output("o"), batch, length, heads, valueDim));
        c.Check("grad.q", () => SwapHeads(runner.Output("grad.q"), batch, length, heads, headDim));
        c.Check("grad.k", () => SwapHeads(runner.Output("grad.k"), batch, length, kvHeads, headDim));
        c.Check("grad.v", () => SwapHeads(runner.Output("grad.v"), batch, length, kvHeads, valueDim));
        c.Check("grad.sinks", () => runner.WeightGradient("sinks"));
    }

    private static void Embedding(OpCase c, RunContext context)
    {
        int[] table = c.Golden.Shape("in.table"), ids = c.Golden.Ints("in.ids");
        using var runner = new OpRunner(context, ids.Length);
        Value y = runner.Graph.Apply(new Embedding(), "embedding", runner.Weight("table", c.Golden.Floats("in.table"), table), runner.Ints("ids", ids));
        runner.Result("y", y, c.Golden.Floats("dout.y"));
        runner.Run();
        c.Check("out.y", runner.Output("y"));
        c.Check("grad.table", () => runner.WeightGradient("table"));
    }

    private static void CrossEntropy(OpCase c, RunContext context)
    {
        // The loss head with a unit matrix for a weight: the logits are its rows, bit for bit, and so is their gradient.
        int[] shape = c.Golden.Shape("in.logits"), target = c.Golden.Ints("in.target");
        int vocab = shape[1], valid = Math.Max(1, target.Count(t => t >= 0));
        var unit = new float[vocab * vocab];
        for (int i = 0; i < vocab; i++) unit[(i * vocab) + i] = 1;
        using var runner = new OpRunner(context, shape[0]);
        var op = new LinearCrossEntropy((float)c.Number("label_smoothing", 0), (float)c.Number("z_loss", 0));
        Value logits = runner.Rows("logits", c.Golden.Floats("in.logits")), weight = runner.Weight("unit", unit, vocab, vocab);
        IReadOnlyList<Value> losses = runner.Graph.ApplyAll(op, "loss", logits, weight, runner.Ints("target", target));
        runner.Graph.Output("sum", losses[0]);
        runner.Graph.Output("token_loss", losses[1]);
        runner.Run(lossHead: losses[0]);
        c.Check("out.loss", [(float)(runner.Scalar("sum") / valid)]);
        c.Check("out.token_loss_no_grad", runner.Output("token_loss"));
        c.Check("grad.logits", () => [.. runner.Output("grad.logits").Select(d => (float)(d / (double)valid))]);
    }

    private static void MatrixProduct(OpCase c, RunContext context)
    {
        int[] a = c.Golden.Shape("in.a"), b = c.Golden.Shape("in.b");
        bool transA = c.Flag("trans_a"), transB = c.Flag("trans_b");
        if (b.Length != 2 || (transA && a.Length != 2)) throw new UnsupportedException("matrix product: batched right operand");
        int inner = transA ? a[^2] : a[^1], rows = c.Golden.Floats("in.a").Length / inner;
        float[] x = c.Golden.Floats("in.a"), w = c.Golden.Floats("in.b");
        using var runner = new OpRunner(context, rows);
        Value y = runner.Graph.Apply(
            new Linear(Transposed: !transB), "linear", runner.Rows("a", transA ? Transpose(x, inner, rows) : x), runner.Weight("b", w, b));
        runner.Result("y", y, c.Golden.Floats("dout.y"));
        runner.Run();
        c.Check("out.y", runner.Output("y"));
        c.Check("grad.a", () => transA ? Transpose(runner.Output("grad.a"), rows, inner) : runner.Output("grad.a"));
        c.Check("grad.b", () => runner.WeightGradient("b"));
    }

    private static ActivationKind Kind(string name) => name switch
    {
        "silu" => ActivationKind.Silu,
        "gelu_tanh" => ActivationKind.GeluTanh,
        "gelu_erf" => ActivationKind.GeluErf,
        "relu" => ActivationKind.Relu,
        "relu2" => ActivationKind.Relu2,
        _ => throw new UnsupportedException($"activation: {name}"),
    };

    private static unsafe float[] TableOf(RopeTable table) => new ReadOnlySpan<float>(table.Cos, 2 * table.Positions * table.Pairs).ToArray();

    private static int[] RunLengths(int[] documents)
    {
        var lengths = new List<int>();
        for (int i = 0; i < documents.Length; i++)
        {
            if (i > 0 && documents[i] == documents[i - 1]) lengths[^1]++;
            else lengths.Add(1);
        }

        return [.. lengths];
    }

    // [batch, outer, inner, dim] to [batch, inner, outer, dim]
    private static float[] SwapHeads(float[] values, int batch, int outer, int inner, int dim)
    {
        var swapped = new float[values.Length];
        for (int n = 0; n < batch; n++)
        {
            for (int o = 0; o < outer; o++)
            {
                for (int i = 0; i < inner; i++)
                    values.AsSpan((((n * outer) + o) * inner + i) * dim, dim).CopyTo(swapped.AsSpan((((n * inner) + i) * outer + o) * dim));
            }
        }

        return swapped;
    }

    private static float[] Transpose(float[] values, int rows, int columns)
    {
        var transposed = new float[values.Length];
        for (int r = 0; r < rows; r++)
        {
            for (int col = 0; col < columns; col++) transposed[(col * rows) + r] = values[(r * columns) + col];
        }

        return transposed;
    }
}
