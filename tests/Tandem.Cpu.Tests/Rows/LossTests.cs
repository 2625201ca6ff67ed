using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class LossTests
{
    public static TheoryData<int> Lengths => Scratch.Lengths;

    [Theory]
    [InlineData("cross_entropy")]
    [InlineData("cross_entropy_smooth")]
    [InlineData("cross_entropy_zloss")]
    [InlineData("cross_entropy_all_masked")]
    [InlineData("cross_entropy_large_logits")]
    public void CrossEntropyGoldens(string name)
    {
        var golden = Goldens.Load("ops/" + name);
        using var s = new Scratch();
        int rows = golden.Shape("in.logits")[0], n = golden.Shape("in.logits")[1];
        int[] targets = golden.Ints("in.target");
        int valid = Math.Max(1, targets.Count(t => t >= 0));
        float* logits = s.From(golden.Floats("in.logits")), weights = s.Floats(rows), loss = s.Floats(rows);
        for (int r = 0; r < rows; r++)
            weights[r] = 1f / valid;

        var terms = new CrossEntropyTerms((float)golden.Attribute("label_smoothing", 0), (float)golden.Attribute("z_loss", 0));
        CrossEntropyKernel.Run(0, rows, n, logits, s.Ints(targets), weights, terms, true, loss, null, null);
        golden.Check("out.token_loss_no_grad", Scratch.Span(loss, rows));
        golden.Check("grad.logits", Scratch.Span(logits, rows * n));
        golden.Check("out.loss", [(float)(Totals.SumLosses(loss, rows, s.Doubles(1)) / valid)]);
        for (int r = 0; r < rows; r++)
        {
            if (targets[r] < 0)
            {
                Assert.Equal(0f, loss[r]);
                Assert.All(Scratch.Span(logits + (r * n), n).ToArray(), d => Assert.Equal(0, BitConverter.SingleToInt32Bits(d)));
            }
        }
    }

    [Theory]
    [InlineData("softmax")]
    [InlineData("softmax_masked")]
    public void SoftmaxGoldens(string name)
    {
        var golden = Goldens.Load("ops/" + name);
        using var s = new Scratch();
        int rows = golden.Shape("in.x")[0], n = golden.Shape("in.x")[1], size = rows * n;
        float* x = s.From(golden.Floats("in.x")), p = s.Floats(size), dx = s.Floats(size), dp = s.From(golden.Floats("dout.p"));
        int[] keep = golden.Has("in.keep") ? golden.Ints("in.keep") : [.. Enumerable.Repeat(1, size)];
        for (int i = 0; i < size; i++)
            x[i] = keep[i] == 0 ? float.NegativeInfinity : x[i];

        SoftmaxKernel.Forward(0, rows, n, x, p);
        SoftmaxKernel.Backward(0, rows, n, p, dp, dx);
        golden.Check("out.p", Scratch.Span(p, size));
        golden.Check("grad.x", Scratch.Span(dx, size));
        for (int i = 0; i < size; i++)
        {
            if (keep[i] == 0)
                Assert.True(p[i] == 0f && dx[i] == 0f);
        }
    }

    [Fact]
    public void LogSoftmaxGolden()
    {
        var golden = Goldens.Load("ops/log_softmax");
        using var s = new Scratch();
        int rows = golden.Shape("in.x")[0], n = golden.Shape("in.x")[1], size = rows * n;
        float* x = s.From(golden.Floats("in.x")), lp = s.Floats(size), dx = s.Floats(size);
        SoftmaxKernel.LogSoftmax(0, rows, n, x, lp);
        SoftmaxKernel.LogSoftmaxBackward(0, rows, n, lp, s.From(golden.Floats("dout.lp")), dx);
        golden.Check("out.lp", Scratch.Span(lp, size));
        golden.Check("grad.x", Scratch.Span(dx, size));
        for (int i = 0; i < size; i++)
            Scratch.SameBits(lp[i], SoftmaxKernel.LogProb(x + (i / n * n), n, i % n));
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void SoftmaxTwins(int n)
    {
        using var s = new Scratch();
        const int rows = 3;
        int size = rows * n;
        float* x = s.Random(size, n + 1, 9f), d = s.Random(size, 2), y = s.Floats(size), y2 = s.Floats(size), z = s.Floats(size), z2 = s.Floats(size);
        SoftmaxKernel.Forward(0, rows, n, x, y);
        SoftmaxKernel.ForwardScalar(0, rows, n, x, y2);
        Scratch.SameBits(y2, y, size);
        SoftmaxKernel.Backward(0, rows, n, y, d, z);
        SoftmaxKernel.BackwardScalar(0, rows, n, y, d, z2);
        Scratch.SameBits(z2, z, size);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void CrossEntropyTwinsAndLogProb(int n)
    {
        if (n == 0)
            return;

        using var s = new Scratch();
        const int rows = 5;
        int size = rows * n;
        float* x = s.Random(size, n, 9f), w = s.Random(rows, 2), a = s.Floats(3 * rows), b = s.Floats(3 * rows);
        int* targets = s.Ints(0, -100, n - 1, n / 2, n / 3);
        foreach (var terms in new[] { default, new CrossEntropyTerms(0.1f, 0f), new CrossEntropyTerms(0.05f, 1e-3f) })
        {
            foreach (bool gradient in new[] { false, true })
            {
                float* l = s.Copy(x, size), l2 = s.Copy(x, size);
                CrossEntropyKernel.Run(0, 2, n, l, targets, w, terms, gradient, a, a + rows, a + (2 * rows));
                CrossEntropyKernel.Run(2, 3, n, l, targets, w, terms, gradient, a, a + rows, a + (2 * rows));
                CrossEntropyKernel.RunScalar(0, rows, n, l2, targets, w, terms, gradient, b, b + rows, b + (2 * rows));
                Scratch.SameBits(b, a, 3 * rows);
                Scratch.SameBits(l2, l, size);
                if (!gradient)
                    Scratch.SameBits(x, l, size);
            }
        }

        float lp;
        for (int r = 0; r < rows; r++)
        {
            int id = Math.Max(targets[r], 0);
            SoftmaxKernel.LogProbs(x + (r * n), n, &id, 1, &lp);
            Scratch.SameBits(SoftmaxKernel.LogProb(x + (r * n), n, id), lp);
            if (targets[r] >= 0)
                Scratch.SameBits(a[(2 * rows) + r], lp);
        }
    }

    [Fact]
    public void GradientMatchesDifferences()
    {
        using var s = new Scratch();
        const int n = 19, target = 4;
        const float weight = 0.7f;
        float* x = s.Random(n, 1, 3f), w = s.From([weight]), loss = s.Floats(1);
        double[] wide = Numeric.Widen(x, n);
        double Loss(double[] l)
        {
            double lse = Math.Log(l.Sum(Math.Exp));
            return weight * ((0.9 * (lse - l[target])) + (0.1 * (lse - l.Average())) + (0.01 * lse * lse));
        }

        double[] expected = Numeric.Gradient(Loss, wide);
        double value = Loss(wide);
        CrossEntropyKernel.Run(0, 1, n, x, s.Ints(target), w, new CrossEntropyTerms(0.1f, 0.01f), true, loss, null, null);
        Assert.Equal(value, weight * loss[0], 1e-6 * Math.Abs(value));
        Numeric.Close(expected, x, 3e-6);
    }

    [Fact]
    public void NonFiniteLogitsShow()
    {
        using var s = new Scratch();
        float* x = s.Random(20, 1), loss = s.Floats(1);
        x[3] = float.NaN;
        CrossEntropyKernel.Run(0, 1, 20, x, s.Ints(5), null, default, true, loss, null, null);
        Assert.True(float.IsNaN(loss[0]));
        Assert.True(float.IsNaN(x[0]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(5000)]
    public void TotalsDoNotDependOnTheSplit(int n)
    {
        using var s = new Scratch();
        float* x = s.Random(n, 1);
        double* sums = s.Doubles(8);
        double whole = Totals.SumLosses(x, n, sums);
        double expected = 0;
        for (int i = 0; i < n; i++)
            expected += x[i];

        Assert.Equal(expected, whole, 1e-9);
        long tiles = Totals.NumTiles(n, Totals.LossTile);
        for (long i = tiles - 1; i >= 0; i--)
            Totals.LossTiles(i, 1, x, n, sums);

        Assert.Equal(whole, Totals.Tree(sums, tiles));
    }

    [Fact]
    public void TreeAddsNeighboursFirst()
    {
        // ((1 + 2^53) + (-2^53 + 0)) + 1: the first pair loses its one.
        double* sums = stackalloc double[5] { 1, 9007199254740992, -9007199254740992, 0, 1 };
        Assert.Equal(1, Totals.Tree(sums, 5));
    }
}
