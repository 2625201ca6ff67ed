using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class NormTests
{
    private const int Rows = 5;

    public static TheoryData<int> Lengths => Scratch.Lengths;

    [Theory]
    [InlineData("rmsnorm")]
    [InlineData("rmsnorm_offset1")]
    [InlineData("rmsnorm_tiny_input")]
    public void RmsNormGoldens(string name)
    {
        var golden = Goldens.Load("ops/" + name);
        using var s = new Scratch();
        float* x = s.From(golden.Floats("in.x")), w = s.From(golden.Floats("in.w")), dy = s.From(golden.Floats("dout.y"));
        int n = golden.Shape("in.w")[0], size = golden.Floats("in.x").Length, rows = size / n;
        float eps = (float)golden.Attribute("eps", 0), offset = (float)golden.Attribute("weight_offset", 0);
        float* y = s.Floats(size), rstd = s.Floats(rows), dx = s.Floats(size), dw = s.Floats(n);
        RmsNormKernel.Forward(0, rows, n, x, w, offset, eps, y, rstd);
        RmsNormKernel.Backward(0, rows, n, x, w, offset, rstd, dy, null, dx);
        RmsNormKernel.WeightGradient(0, n, rows, n, x, rstd, dy, dw);
        golden.Check("out.y", Scratch.Span(y, size));
        golden.Check("grad.x", Scratch.Span(dx, size));
        golden.Check("grad.w", Scratch.Span(dw, n));
    }

    [Theory]
    [InlineData("layernorm")]
    [InlineData("layernorm_nobias")]
    public void LayerNormGoldens(string name)
    {
        var golden = Goldens.Load("ops/" + name);
        using var s = new Scratch();
        float* x = s.From(golden.Floats("in.x")), w = s.From(golden.Floats("in.w")), dy = s.From(golden.Floats("dout.y"));
        float* b = golden.Has("in.b") ? s.From(golden.Floats("in.b")) : null;
        int n = golden.Shape("in.w")[0], size = golden.Floats("in.x").Length, rows = size / n;
        float* y = s.Floats(size), mean = s.Floats(rows), rstd = s.Floats(rows), dx = s.Floats(size), dw = s.Floats(n), db = s.Floats(n);
        LayerNormKernel.Forward(0, rows, n, x, w, b, (float)golden.Attribute("eps", 0), y, mean, rstd);
        LayerNormKernel.Backward(0, rows, n, x, w, mean, rstd, dy, null, dx);
        LayerNormKernel.WeightGradient(0, n, rows, n, x, mean, rstd, dy, dw);
        golden.Check("out.y", Scratch.Span(y, size));
        golden.Check("grad.x", Scratch.Span(dx, size));
        golden.Check("grad.w", Scratch.Span(dw, n));
        if (b != null)
        {
            Bias.Gradient(0, n, rows, n, dy, db);
            golden.Check("grad.b", Scratch.Span(db, n));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void RmsNormTwins(int n)
    {
        using var s = new Scratch();
        int size = Rows * n;
        float* x = s.Random(size, 1), r = s.Random(size, 2), w = s.Random(n, 3), dy = s.Random(size, 4), dres = s.Random(size, 5);
        float* h = s.Floats(size), h2 = s.Floats(size), y = s.Floats(size), y2 = s.Floats(size), rstd = s.Floats(Rows), rstd2 = s.Floats(Rows);
        RmsNormKernel.AddForward(0, Rows, n, x, r, h, w, 1f, 1e-5f, y, rstd);
        Elementwise.AddScalar(0, size, x, r, h2);
        RmsNormKernel.ForwardScalar(0, Rows, n, h2, w, 1f, 1e-5f, y2, rstd2);
        Scratch.SameBits(h2, h, size);
        Scratch.SameBits(y2, y, size);
        Scratch.SameBits(rstd2, rstd, Rows);
        foreach (bool residual in new[] { false, true })
        {
            RmsNormKernel.Backward(0, Rows, n, h, w, 1f, rstd, dy, residual ? dres : null, y);
            RmsNormKernel.BackwardScalar(0, Rows, n, h, w, 1f, rstd, dy, residual ? dres : null, y2);
            Scratch.SameBits(y2, y, size);
        }

        // Split by columns, continuing a value that is there.
        float* dw = s.Random(n, 6), dw2 = s.Copy(dw, n);
        RmsNormKernel.WeightGradient(0, n / 3, Rows, n, h, rstd, dy, dw);
        RmsNormKernel.WeightGradient(n / 3, n - (n / 3), Rows, n, h, rstd, dy, dw);
        RmsNormKernel.WeightGradientScalar(0, n, Rows, n, h, rstd, dy, dw2);
        Scratch.SameBits(dw2, dw, n);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void LayerNormTwins(int n)
    {
        using var s = new Scratch();
        int size = Rows * n;
        float* x = s.Random(size, 1), r = s.Random(size, 2), w = s.Random(n, 3), b = s.Random(n, 7), dy = s.Random(size, 4), dres = s.Random(size, 5);
        float* h = s.Floats(size), h2 = s.Floats(size), y = s.Floats(size), y2 = s.Floats(size);
        float* mean = s.Floats(Rows), mean2 = s.Floats(Rows), rstd = s.Floats(Rows), rstd2 = s.Floats(Rows);
        foreach (bool extra in new[] { false, true })
        {
            LayerNormKernel.AddForward(0, Rows, n, x, r, h, w, extra ? b : null, 1e-5f, y, mean, rstd);
            Elementwise.AddScalar(0, size, x, r, h2);
            LayerNormKernel.ForwardScalar(0, Rows, n, h2, w, extra ? b : null, 1e-5f, y2, mean2, rstd2);
            Scratch.SameBits(h2, h, size);
            Scratch.SameBits(y2, y, size);
            if (n > 0)
            {
                Scratch.SameBits(mean2, mean, Rows);
                Scratch.SameBits(rstd2, rstd, Rows);
            }

            LayerNormKernel.Backward(0, Rows, n, h, w, mean, rstd, dy, extra ? dres : null, y);
            LayerNormKernel.BackwardScalar(0, Rows, n, h, w, mean, rstd, dy, extra ? dres : null, y2);
            Scratch.SameBits(y2, y, size);
        }

        float* dw = s.Random(n, 6), dw2 = s.Copy(dw, n);
        LayerNormKernel.WeightGradient(0, n / 3, Rows, n, h, mean, rstd, dy, dw);
        LayerNormKernel.WeightGradient(n / 3, n - (n / 3), Rows, n, h, mean, rstd, dy, dw);
        LayerNormKernel.WeightGradientScalar(0, n, Rows, n, h, mean, rstd, dy, dw2);
        Scratch.SameBits(dw2, dw, n);
    }

    [Fact]
    public void RowsDoNotDependOnTheirNeighbours()
    {
        using var s = new Scratch();
        const int n = 37;
        float* x = s.Random(Rows * n, 1), w = s.Random(n, 2), whole = s.Floats(Rows * n), one = s.Floats(Rows * n);
        RmsNormKernel.Forward(0, Rows, n, x, w, 0f, 1e-6f, whole, null);
        for (int t = Rows - 1; t >= 0; t--)
            RmsNormKernel.Forward(t, 1, n, x, w, 0f, 1e-6f, one, null);

        Scratch.SameBits(whole, one, Rows * n);
    }

    [Fact]
    public void GradientsMatchDifferences()
    {
        using var s = new Scratch();
        const int n = 21;
        float* x = s.Random(n, 1), w = s.Random(n, 2), dy = s.Random(n, 3), y = s.Floats(n), stats = s.Floats(2), dx = s.Floats(n);
        double[] wide = Numeric.Widen(x, n);
        RmsNormKernel.Forward(0, 1, n, x, w, 1f, 1e-3f, y, stats);
        RmsNormKernel.Backward(0, 1, n, x, w, 1f, stats, dy, null, dx);
        Numeric.Close(Numeric.Gradient(v => Loss(v, 0, 1, w, dy), wide), dx, 3e-6);
        LayerNormKernel.Forward(0, 1, n, x, w, null, 1e-3f, y, stats, stats + 1);
        LayerNormKernel.Backward(0, 1, n, x, w, stats, stats + 1, dy, null, dx);
        Numeric.Close(Numeric.Gradient(v => Loss(v, v.Average(), 0, w, dy), wide), dx, 3e-6);
    }

    private static double Loss(double[] x, double mean, double offset, float* w, float* dy)
    {
        double rstd = 1 / Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)) / x.Length + 1e-3);
        double loss = 0;
        for (int i = 0; i < x.Length; i++)
            loss += (x[i] - mean) * rstd * (offset + w[i]) * dy[i];

        return loss;
    }
}
