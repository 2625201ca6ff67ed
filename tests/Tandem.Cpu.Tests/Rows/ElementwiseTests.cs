using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class ElementwiseTests
{
    public static TheoryData<int> Lengths => Scratch.Lengths;

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Twins(int n)
    {
        using var s = new Scratch();
        float* a = s.Random(n, 1), b = s.Random(n, 2), y = s.Floats(n), y2 = s.Floats(n);
        Elementwise.Add(0, n, a, b, y);
        Elementwise.AddScalar(0, n, a, b, y2);
        Scratch.SameBits(y2, y, n);
        Elementwise.Multiply(0, n, a, b, y);
        Elementwise.MultiplyScalar(0, n, a, b, y2);
        Scratch.SameBits(y2, y, n);
        Elementwise.Scale(0, n, 1.7f, a, y);
        Elementwise.ScaleScalar(0, n, 1.7f, a, y2);
        Scratch.SameBits(y2, y, n);
        Elementwise.Ema(0, n, 0.99, b, y);
        Elementwise.EmaScalar(0, n, 0.99, b, y2);
        Scratch.SameBits(y2, y, n);
        Elementwise.Copy(0, n, a, y);
        Scratch.SameBits(a, y, n);
    }

    [Fact]
    public void RangesTouchOnlyThemselves()
    {
        using var s = new Scratch();
        float* a = s.Random(50, 1), y = s.Floats(50);
        Elementwise.Scale(11, 20, 2f, a, y);
        for (int i = 0; i < 50; i++)
            Assert.Equal(i is >= 11 and < 31 ? 2f * a[i] : 0f, y[i]);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void BiasTwins(int n)
    {
        using var s = new Scratch();
        const int rows = 11;
        float* x = s.Random(rows * n, 1), b = s.Random(n, 2), y = s.Floats(rows * n), y2 = s.Floats(rows * n);
        Bias.Add(0, 4, n, x, b, y);
        Bias.Add(4, rows - 4, n, x, b, y);
        Bias.AddScalar(0, rows, n, x, b, y2);
        Scratch.SameBits(y2, y, rows * n);
        // Two microbatches into one accumulator are one chain.
        float* db = s.Copy(b, n), db2 = s.Copy(b, n);
        Bias.Gradient(0, n / 3, 6, n, x, db);
        Bias.Gradient(n / 3, n - (n / 3), 6, n, x, db);
        Bias.Gradient(0, n, rows - 6, n, x + (6 * n), db);
        Bias.GradientScalar(0, n, rows, n, x, db2);
        Scratch.SameBits(db2, db, n);
    }

    [Theory]
    [InlineData("ema_constant.w_wide", "input.w_wide", false)]
    [InlineData("ema_constant.w_tall", "input.w_tall", false)]
    [InlineData("ema_warmup.w_wide", "input.w_wide", true)]
    [InlineData("ema_warmup.w_tall", "input.w_tall", true)]
    public void EmaGoldens(string expected, string input, bool warmup)
    {
        var golden = Goldens.Load("optim/ema");
        using var s = new Scratch();
        float[] values = golden.Floats(input), wanted = golden.Floats(expected);
        int n = values.Length / golden.Shape(input)[0];
        float* x = s.From(values), e = s.Copy(x, n);
        for (int t = 1; t < 10; t++)
        {
            Elementwise.Ema(0, n, warmup ? Math.Min(0.9, (1.0 + t) / (10 + t)) : 0.9, x + (t * n), e);
            golden.Check($"{expected} step {t}", wanted.AsSpan((t - 1) * n, n), Scratch.Span(e, n), 2e-6);
        }
    }
}
