using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.TestKit;

/// <summary>
/// The f64 twin of every op: walks a graph and computes each node from its formula with plain loops over logical, row-major arrays.
/// It shares no code with a backend, knows nothing of layouts or plans, and serves as reference and for finite differences.
/// Key/value blocks are kept as the keys' rows followed by the values' rows.
/// </summary>
public sealed unsafe class ReferenceInterpreter(ModelGraph graph, BatchView batch)
{
    private readonly Dictionary<Value, double[]> _values = [];

    /// <summary>Values of inputs, parameters and state by name; missing state is zero.</summary>
    public Dictionary<string, double[]> Bindings { get; } = [];

    /// <summary>A value after <see cref="Run(Stage)"/>.</summary>
    public double[] this[Value value] => _values[value.Storage];

    /// <summary>The output of that name.</summary>
    public double[] Output(string name) => this[graph.Outputs[name]];

    /// <summary>The state, parameter or input of that name.</summary>
    public double[] Named(string name) => this[graph.Find(name)];

    /// <summary>Runs the nodes of the stages up to <paramref name="last"/>.</summary>
    public void Run(Stage last)
    {
        foreach (Value v in graph.Values.Where(v => v.Kind != ValueKind.Computed))
            _values[v] = Bindings.TryGetValue(v.Name, out double[]? given) ? (double[])given.Clone() : new double[Count(v.Type)];
        foreach (Node node in graph.Nodes.Where(n => n.Stage <= last)) Run(node);
    }

    private long Count(TensorType type) => type.Width * type.Rows switch
    {
        RowSymbol.None => 1,
        RowSymbol.Tokens => batch.NumRows,
        RowSymbol.Sampled => batch.NumSampled,
        _ => throw new NotSupportedException($"{type}"),
    };

    private double[] New(Value v) => _values[v] = new double[Count(v.Type)];

    private void Run(Node n)
    {
        double[] In(int i) => _values[n.Inputs[i].Storage];
        int Width(int i) => (int)n.Inputs[i].Type.Width;
        switch (n.Op)
        {
            case Fused fused:
                // The parts are nodes of the graph before the fusion; their values stand for those of the fused node.
                foreach (FusedPart part in fused.Parts)
                {
                    for (int i = 0; i < part.Operands.Length; i++)
                        if (part.Operands[i] < fused.NumOperands) _values[part.Node.Inputs[i].Storage] = In(part.Operands[i]);
                    Run(part.Node);
                    for (int i = 0; i < part.Node.Outputs.Count; i++) _values[n.Outputs[part.FirstResult + i].Storage] = this[part.Node.Outputs[i]];
                }

                break;
            case SumUses:
                for (int pair = 0; pair < n.Inputs.Count; pair += 2)
                {
                    for (int i = 0; i < In(pair).Length; i++) In(pair)[i] += In(pair + 1)[i];
                    In(pair + 1).AsSpan().Clear();
                }

                break;
            case Add:
                Set(n, 0, [.. In(0).Zip(In(1), (a, b) => a + b)]);
                break;
            case Embedding:
                {
                    int h = n.Inputs[0].Type.Dims[1];
                    Set(n, 0, [.. In(1).SelectMany(id => In(0).Skip((int)id * h).Take(h))]);
                    break;
                }

            case EmbeddingGrad:
                {
                    int h = Width(0);
                    for (int i = 0; i < In(0).Length; i++) In(2)[((int)In(1)[i / h] * h) + (i % h)] += In(0)[i];
                    break;
                }

            case Linear op:
                {
                    (int outputs, int inputs) = Size(n.Inputs[1].Type, op.Transposed);
                    double[] y = Product(In(0), Straight(In(1), n.Inputs[1].Type, op.Transposed), outputs, inputs);
                    if (n.Inputs.Count == 3)
                        for (int i = 0; i < y.Length; i++) y[i] += In(2)[i % In(2).Length];
                    Set(n, 0, y);
                    break;
                }

            case LinearInputGrad op:
                {
                    (int outputs, int inputs) = Size(n.Inputs[1].Type, op.Transposed);
                    double[] dx = InputGrad(In(0), Straight(In(1), n.Inputs[1].Type, op.Transposed), outputs, inputs);
                    if (n.Inputs.Count == 3)
                        for (int i = 0; i < dx.Length; i++) dx[i] += In(2)[i];
                    Set(n, 0, dx);
                    break;
                }

            case LinearWeightGrad { Transposed: false }:
                WeightGrad(In(0), In(1), In(2), Width(0), Width(1));
                break;
            case LinearWeightGrad:
                WeightGrad(In(1), In(0), In(2), Width(1), Width(0));
                break;
            case BiasGrad:
                for (int i = 0; i < In(0).Length; i++) In(1)[i % In(1).Length] += In(0)[i];
                break;
            case RmsNorm op:
                RunRmsNorm(n, op, In(0), In(1));
                break;
            case RmsNormGrad op:
                RunRmsNormGrad(n, op, In(0), In(1), In(2), In(3), n.Inputs.Count == 5 ? In(4) : null);
                break;
            case RmsNormWeightGrad:
                {
                    int h = In(3).Length;
                    for (int i = 0; i < In(0).Length; i++) In(3)[i % h] += In(0)[i] * In(1)[i] * In(2)[i / h];
                    break;
                }

            case LayerNorm op:
                RunLayerNorm(n, op, In(0), In(1), n.Inputs.Count == 3 ? In(2) : null);
                break;
            case LayerNormGrad:
                RunLayerNormGrad(n, In(0), In(1), In(2), In(3), In(4), n.Inputs.Count == 6 ? In(5) : null);
                break;
            case LayerNormWeightGrad:
                {
                    int h = In(4).Length;
                    for (int i = 0; i < In(0).Length; i++) In(4)[i % h] += In(0)[i] * (In(1)[i] - In(2)[i / h]) * In(3)[i / h];
                    break;
                }

            case Dropout op:
                RunDropout(n, op, In(0), In(1));
                break;
            case SplitColumns op:
                {
                    int total = Width(0), first = 0;
                    for (int o = 0; o < op.Widths.Length; o++)
                    {
                        int at = first, width = op.Widths[o];
                        Set(n, o, [.. In(0).Where((_, i) => i % total >= at && i % total < at + width)]);
                        first += width;
                    }

                    break;
                }

            case JoinColumns:
                {
                    int[] widths = [.. n.Inputs.Select(v => (int)v.Type.Width)];
                    int rows = In(0).Length / widths[0];
                    Set(n, 0, [.. Enumerable.Range(0, rows).SelectMany(t => widths.SelectMany((w, i) => In(i).Skip(t * w).Take(w)))]);
                    break;
                }

            case Rope op:
                RunRope(n, op, In(0), In(1));
                break;
            case Activation op:
                Set(n, 0, [.. In(0).Select(x => Nonlinearity(op.Kind, x).Value)]);
                break;
            case ActivationGrad op:
                Set(n, 0, [.. In(0).Zip(In(1), (dy, x) => dy * Nonlinearity(op.Kind, x).Slope)]);
                break;
            case GatedActivation op:
                Set(n, 0, [.. In(0).Zip(In(1), (g, u) => Nonlinearity(op.Kind, g).Value * u)]);
                break;
            case GatedActivationGrad op:
                Set(n, 0, [.. In(0).Select((dh, i) => dh * In(2)[i] * Nonlinearity(op.Kind, In(1)[i]).Slope)]);
                Set(n, 1, [.. In(0).Select((dh, i) => dh * Nonlinearity(op.Kind, In(1)[i]).Value)]);
                break;
            case KvWrite { HasCache: false } op:
                Set(n, 0, [.. In(0).Select(x => Rounded(x, op.Spec.Cache.Key)), .. In(1).Select(x => Rounded(x, op.Spec.Cache.Value))]);
                break;
            case Attention op:
                RunAttention(n, op.Spec, In(0), In(1), n.Inputs.Count == 3 ? In(2) : null);
                break;
            case AttentionGrad op:
                RunAttentionGrad(n, op.Spec, In(0), In(1), In(3), In(4));
                break;
            case AttentionSinkGrad op:
                for (int i = 0; i < In(1).Length; i++)
                    In(4)[i % op.Spec.NumHeads] -= Math.Exp(In(3)[i % op.Spec.NumHeads] - In(1)[i]) * Dot(In(0), i * op.Spec.ValueDim, In(2), i * op.Spec.ValueDim, op.Spec.ValueDim);
                break;
            case GatherRows:
                {
                    double[] y = New(n.Outputs[0]);
                    int h = Width(0);
                    for (int i = 0; i < y.Length; i++) y[i] = In(0)[(batch.SampledRows[i / h] * h) + (i % h)];
                    break;
                }

            case LinearCrossEntropy op:
                {
                    (double loss, double[] tokens, double[] lse, _) = CrossEntropy(op, In(0), In(1), In(2), n.Inputs[1].Type);
                    Set(n, 0, [loss]);
                    Set(n, 1, tokens);
                    Set(n, 2, lse);
                    break;
                }

            case LinearCrossEntropyGrad op:
                {
                    (double loss, double[] tokens, double[] lse, double[] dLogits) = CrossEntropy(op.Forward, In(0), In(1), In(2), n.Inputs[1].Type);
                    int v = n.Inputs[1].Type.Dims[0], h = n.Inputs[1].Type.Dims[1];
                    if (op.ScalesGradient) dLogits = [.. dLogits.Select(d => d * In(n.Inputs.Count - 1)[0])];
                    Set(n, 1, [loss]);
                    Set(n, 2, tokens);
                    Set(n, 3, lse);
                    Set(n, 0, InputGrad(dLogits, In(1), v, h));
                    if (op.TrainsWeight) WeightGrad(dLogits, In(0), In(3), v, h);
                    break;
                }

            case GlobalNorm:
                Set(n, 0, [n.Inputs.Sum(v => _values[v.Storage].Sum(g => g * g))]);
                Set(n, 1, [-1]);
                break;
            case OptimizerOp op:
                RunOptimizer(n, op);
                break;
            case Ema op:
                for (int i = 1; i < n.Inputs.Count; i += 2)
                {
                    double d = op.DecayAt((long)In(0)[OptimizerOp.StepNumber]);
                    for (int j = 0; j < In(i).Length; j++) In(i + 1)[j] = (d * In(i + 1)[j]) + ((1 - d) * In(i)[j]);
                }

                break;
            default:
                throw new NotSupportedException($"no f64 twin of {n.Op.Name}");
        }
    }

    private void Set(Node n, int output, double[] value) => _values[n.Outputs[output]] = value;

    private static (int N, int K) Size(TensorType w, bool transposed) => transposed ? (w.Dims[1], w.Dims[0]) : (w.Dims[0], w.Dims[1]);

    // A weight as [N, K], whichever way it is stored.
    private static double[] Straight(double[] w, TensorType type, bool transposed)
    {
        if (!transposed) return w;
        int rows = type.Dims[0], columns = type.Dims[1];
        return [.. Enumerable.Range(0, w.Length).Select(i => w[(i % rows * columns) + (i / rows)])];
    }

    private static double[] Product(double[] x, double[] w, int n, int k)
    {
        int rows = x.Length / k;
        var y = new double[rows * n];
        for (int t = 0; t < rows; t++)
            for (int i = 0; i < n; i++)
            {
                double sum = 0;
                for (int j = 0; j < k; j++) sum += x[(t * k) + j] * w[(i * k) + j];
                y[(t * n) + i] = sum;
            }

        return y;
    }

    private static double[] InputGrad(double[] dy, double[] w, int n, int k)
    {
        int rows = dy.Length / n;
        var dx = new double[rows * k];
        for (int t = 0; t < rows; t++)
            for (int i = 0; i < n; i++)
                for (int j = 0; j < k; j++) dx[(t * k) + j] += dy[(t * n) + i] * w[(i * k) + j];
        return dx;
    }

    private static void WeightGrad(double[] dy, double[] x, double[] dw, int n, int k)
    {
        int rows = dy.Length / n;
        for (int t = 0; t < rows; t++)
            for (int i = 0; i < n; i++)
                for (int j = 0; j < k; j++) dw[(i * k) + j] += dy[(t * n) + i] * x[(t * k) + j];
    }

    private void RunRmsNorm(Node n, RmsNorm op, double[] x, double[] w)
    {
        int h = w.Length;
        double[] y = New(n.Outputs[0]), rstd = New(n.Outputs[1]);
        for (int r = 0; r < x.Length / h; r++)
        {
            rstd[r] = 1 / Math.Sqrt((x.Skip(r * h).Take(h).Sum(a => a * a) / h) + op.Eps);
            for (int i = 0; i < h; i++) y[(r * h) + i] = x[(r * h) + i] * rstd[r] * (op.Offset + w[i]);
        }
    }

    private void RunRmsNormGrad(Node n, RmsNormGrad op, double[] dy, double[] x, double[] w, double[] rstd, double[]? soFar)
    {
        int h = w.Length;
        double[] dx = New(n.Outputs[0]);
        for (int r = 0; r < x.Length / h; r++)
        {
            double dot = 0;
            for (int i = 0; i < h; i++) dot += dy[(r * h) + i] * (op.Offset + w[i]) * x[(r * h) + i];
            double c = dot * rstd[r] * rstd[r] / h;
            for (int i = 0; i < h; i++)
                dx[(r * h) + i] = (rstd[r] * ((dy[(r * h) + i] * (op.Offset + w[i])) - (x[(r * h) + i] * c))) + (soFar?[(r * h) + i] ?? 0);
        }
    }

    private void RunLayerNorm(Node n, LayerNorm op, double[] x, double[] w, double[]? b)
    {
        int h = w.Length;
        double[] y = New(n.Outputs[0]), mean = New(n.Outputs[1]), rstd = New(n.Outputs[2]);
        for (int r = 0; r < x.Length / h; r++)
        {
            mean[r] = x.Skip(r * h).Take(h).Average();
            rstd[r] = 1 / Math.Sqrt(x.Skip(r * h).Take(h).Average(a => (a - mean[r]) * (a - mean[r])) + op.Eps);
            for (int i = 0; i < h; i++) y[(r * h) + i] = ((x[(r * h) + i] - mean[r]) * rstd[r] * w[i]) + (b?[i] ?? 0);
        }
    }

    private void RunLayerNormGrad(Node n, double[] dy, double[] x, double[] w, double[] mean, double[] rstd, double[]? soFar)
    {
        int h = w.Length;
        double[] dx = New(n.Outputs[0]);
        for (int r = 0; r < x.Length / h; r++)
        {
            double meanG = 0, meanGx = 0;
            for (int i = 0; i < h; i++)
            {
                meanG += dy[(r * h) + i] * w[i] / h;
                meanGx += dy[(r * h) + i] * w[i] * (x[(r * h) + i] - mean[r]) * rstd[r] / h;
            }

            for (int i = 0; i < h; i++)
            {
                double xhat = (x[(r * h) + i] - mean[r]) * rstd[r];
                dx[(r * h) + i] = (rstd[r] * ((dy[(r * h) + i] * w[i]) - meanG - (xhat * meanGx))) + (soFar?[(r * h) + i] ?? 0);
            }
        }
    }

    private void RunDropout(Node n, Dropout op, double[] x, double[] random)
    {
        int h = (int)n.Inputs[0].Type.Width;
        double[] y = New(n.Outputs[0]);
        for (int i = 0; i < batch.NumSegments; i++)
        {
            Segment segment = batch.Segments[i];
            for (int r = segment.FirstRow; r < segment.FirstRow + segment.NumRows; r++)
            {
                PhiloxStream stream = Philox.Stream((ulong)random[0], op.Stream ?? n.Name, (ulong)random[1], (ulong)segment.SampleId, (ulong)batch.Positions[r]);
                for (int c = 0; c < h; c++) y[(r * h) + c] = stream.UInt32((ulong)c) / 4294967296.0 >= op.Rate ? x[(r * h) + c] / (1 - op.Rate) : 0;
            }
        }
    }

    private void RunRope(Node n, Rope op, double[] x, double[] table)
    {
        int positions = n.Inputs[1].Type.Dims[1], half = op.RotaryDim / 2, width = (int)n.Inputs[0].Type.Width;
        double[] y = New(n.Outputs[0]);
        x.CopyTo(y, 0);
        for (int head = 0; head < x.Length / op.HeadDim; head++)
        {
            int position = batch.RopeRows[head * op.HeadDim / width];
            for (int i = 0; i < half; i++)
            {
                double cos = table[(position * half) + i], sin = table[((positions + position) * half) + i] * (op.Inverse ? -1 : 1);
                int a = (head * op.HeadDim) + (op.Interleaved ? 2 * i : i), b = (head * op.HeadDim) + (op.Interleaved ? (2 * i) + 1 : i + half);
                y[a] = (x[a] * cos) - (x[b] * sin);
                y[b] = (x[b] * cos) + (x[a] * sin);
            }
        }
    }

    private static (double Value, double Slope) Nonlinearity(ActivationKind kind, double x)
    {
        switch (kind)
        {
            case ActivationKind.Silu:
                double s = 1 / (1 + Math.Exp(-x));
                return (x * s, s * (1 + (x * (1 - s))));
            case ActivationKind.GeluTanh:
                double c = Math.Sqrt(2 / Math.PI), th = Math.Tanh(c * (x + (0.044715 * x * x * x)));
                return (0.5 * x * (1 + th), (0.5 * (1 + th)) + (0.5 * x * (1 - (th * th)) * c * (1 + (3 * 0.044715 * x * x))));
            case ActivationKind.GeluErf:
                double p = 0.5 * (1 + Erf(x / Math.Sqrt(2)));
                return (x * p, p + (x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI)));
            case ActivationKind.Relu:
                return (Math.Max(x, 0), x > 0 ? 1 : 0);
            case ActivationKind.Relu2:
                return (x > 0 ? x * x : 0, x > 0 ? 2 * x : 0);
            default:
                throw new NotSupportedException($"no f64 twin of {kind}");
        }
    }

    // erf x = 2 / sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!: no cancellation, and enough terms for |x| below 6.
    private static double Erf(double x)
    {
        if (Math.Abs(x) >= 6) return Math.Sign(x);
        double term = x, sum = x;
        for (int n = 1; n < 200; n++)
        {
            term *= 2 * x * x / ((2 * n) + 1);
            sum += term;
        }

        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    // Calls back with (query row, query head, first and last visible key row, key/value head), row by row.
    private void ForEachQuery(AttentionSpec s, Action<int, int, int, int, int> visit)
    {
        for (int i = 0; i < batch.NumSegments; i++)
        {
            Segment segment = batch.Segments[i];
            for (int r = 0; r < segment.NumRows; r++)
                for (int h = 0; h < s.NumHeads; h++)
                    visit(segment.FirstRow + r, h, segment.FirstRow + (s.Window > 0 ? Math.Max(0, r - s.Window + 1) : 0), segment.FirstRow + r, h / (s.NumHeads / s.NumKvHeads));
        }
    }

    private static double Dot(double[] x, int xAt, double[] y, int yAt, int n) => Enumerable.Range(0, n).Sum(i => x[xAt + i] * y[yAt + i]);

    private static double Rounded(double x, DType type) => type switch
    {
        DType.F16 => (double)(Half)x,
        DType.BF16 => BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits((float)x) + 0x7fff + ((BitConverter.SingleToInt32Bits((float)x) >> 16) & 1)) & unchecked((int)0xffff0000)),
        _ => x,
    };

    // Scores of the visible keys after scale and cap, and the cap's slope at each.
    private static (double[] Scores, double[] Slope) Scores(AttentionSpec s, double[] q, double[] blocks, int row, int head, int first, int last, int kvHead)
    {
        var scores = new double[last - first + 1];
        var slope = new double[scores.Length];
        for (int j = first; j <= last; j++)
        {
            double score = s.Scale * Dot(q, ((row * s.NumHeads) + head) * s.HeadDim, blocks, ((j * s.NumKvHeads) + kvHead) * s.HeadDim, s.HeadDim);
            double th = s.Softcap > 0 ? Math.Tanh(score / s.Softcap) : 0;
            scores[j - first] = s.Softcap > 0 ? s.Softcap * th : score;
            slope[j - first] = s.Softcap > 0 ? 1 - (th * th) : 1;
        }

        return (scores, slope);
    }

    private void RunAttention(Node n, AttentionSpec s, double[] q, double[] blocks, double[]? sinks)
    {
        double[] o = New(n.Outputs[0]), lse = New(n.Outputs[1]);
        int values = batch.NumRows * s.NumKvHeads * s.HeadDim;
        ForEachQuery(s, (row, head, first, last, kvHead) =>
        {
            double[] scores = Scores(s, q, blocks, row, head, first, last, kvHead).Scores;
            double max = scores.Append(sinks?[head] ?? double.NegativeInfinity).Max();
            double l = max + Math.Log(scores.Append(sinks?[head] ?? double.NegativeInfinity).Sum(x => Math.Exp(x - max)));
            lse[(row * s.NumHeads) + head] = l;
            for (int j = first; j <= last; j++)
                for (int d = 0; d < s.ValueDim; d++)
                    o[(((row * s.NumHeads) + head) * s.ValueDim) + d] += Math.Exp(scores[j - first] - l) * blocks[values + (((j * s.NumKvHeads) + kvHead) * s.ValueDim) + d];
        });
    }

    private void RunAttentionGrad(Node n, AttentionSpec s, double[] q, double[] blocks, double[] lse, double[] dO)
    {
        double[] dq = New(n.Outputs[0]), dk = New(n.Outputs[1]), dv = New(n.Outputs[2]);
        int values = batch.NumRows * s.NumKvHeads * s.HeadDim;
        ForEachQuery(s, (row, head, first, last, kvHead) =>
        {
            (double[] scores, double[] slope) = Scores(s, q, blocks, row, head, first, last, kvHead);
            double[] p = [.. scores.Select(x => Math.Exp(x - lse[(row * s.NumHeads) + head]))];
            var dp = new double[p.Length];
            for (int j = first; j <= last; j++)
                for (int d = 0; d < s.ValueDim; d++)
                {
                    double g = dO[(((row * s.NumHeads) + head) * s.ValueDim) + d];
                    int v = (((j * s.NumKvHeads) + kvHead) * s.ValueDim) + d;
                    dp[j - first] += g * blocks[values + v];
                    dv[v] += p[j - first] * g;
                }

            double delta = p.Zip(dp, (a, b) => a * b).Sum();
            for (int j = first; j <= last; j++)
            {
                double ds = p[j - first] * (dp[j - first] - delta) * slope[j - first] * s.Scale;
                for (int d = 0; d < s.HeadDim; d++)
                {
                    int qi = (((row * s.NumHeads) + head) * s.HeadDim) + d, ki = (((j * s.NumKvHeads) + kvHead) * s.HeadDim) + d;
                    dq[qi] += ds * blocks[ki];
                    dk[ki] += ds * q[qi];
                }
            }
        });
    }

    private static (double Loss, double[] Tokens, double[] Lse, double[] DLogits) CrossEntropy(LinearCrossEntropy op, double[] x, double[] w, double[] labels, TensorType wType)
    {
        int v = wType.Dims[0];
        double[] logits = Product(x, w, v, wType.Dims[1]), tokens = new double[labels.Length], lse = new double[labels.Length], d = new double[logits.Length];
        for (int t = 0; t < labels.Length; t++)
        {
            double[] row = logits[(t * v)..((t + 1) * v)];
            double max = row.Max();
            lse[t] = max + Math.Log(row.Sum(l => Math.Exp(l - max)));
            int label = (int)labels[t];
            if (label < 0) continue;
            double e = op.LabelSmoothing;
            tokens[t] = ((1 - e) * (lse[t] - row[label])) + (e * (lse[t] - row.Average())) + (op.ZLoss * lse[t] * lse[t]);
            for (int i = 0; i < v; i++)
                d[(t * v) + i] = ((1 + (2 * op.ZLoss * lse[t])) * Math.Exp(row[i] - lse[t])) - (i == label ? 1 - e : 0) - (e / v);
        }

        return (tokens.Sum(), tokens, lse, d);
    }

    // In f64 a master copy is the weight itself.
    private void RunOptimizer(Node n, OptimizerOp op)
    {
        TensorType first = n.Inputs[1].Type;
        int stride = op.OperandsOf(first), states = op.StatesOf(first).Count;
        for (int i = 1; i < n.Inputs.Count; i += stride)
        {
            double[] p = _values[n.Inputs[i].Storage];
            double[][] memory = [.. Enumerable.Range(i + 2, states).Select(j => _values[n.Inputs[j].Storage])];
            OptimizerReference.Step(op, _values[n.Inputs[0].Storage], n.Inputs[i].Type, p, _values[n.Inputs[i + 1].Storage], memory);
            if (op.KeepsMaster(first)) p.CopyTo(_values[n.Inputs[i + stride - 1].Storage], 0);
        }
    }
}
