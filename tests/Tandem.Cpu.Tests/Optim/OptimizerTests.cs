using System.Text.Json;
using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class OptimizerTests
{
    private const int Steps = 10;
    private static readonly string[] s_names = ["w_wide", "w_tall", "b"];

    public static TheoryData<int> Lengths => Scratch.Lengths;

    [Fact]
    public void AdamWGolden() =>
        Run("adamw", "exp_avg", "exp_avg_sq", t => AdamStep.AdamW(0.01, 0.9, 0.95, 1e-8, 0.1, t));

    [Fact]
    public void AdamGolden() =>
        Run("adam_l2", "exp_avg", "exp_avg_sq", t => AdamStep.Adam(0.01, 0.9, 0.999, 1e-8, 0.1, t));

    [Fact]
    public void SgdGoldens()
    {
        Run("sgd", null, null, t => new SgdStep(0.01, 0.1));
        Run("sgd_momentum", "momentum_buffer", null, t => new MomentumStep(0.01, 0.9, 0, false, 0.1, t));
        Run("sgd_nesterov", "momentum_buffer", null, t => new MomentumStep(0.01, 0.9, 0, true, 0.1, t));
    }

    [Fact]
    public void LionGolden() => Run("lion", "m", null, t => new LionStep(1e-3, 0.9, 0.99, 0.1));

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Twins(int n)
    {
        Twin(AdamStep.AdamW(0.01, 0.9, 0.95, 1e-8, 0.1, 3), n);
        Twin(AdamStep.Adam(0.01, 0.9, 0.999, 1e-8, 0.1, 3), n);
        Twin(new SgdStep(0.01, 0.1), n);
        Twin(new MomentumStep(0.01, 0.9, 0.3, true, 0.1, 2), n);
        Twin(new LionStep(1e-3, 0.9, 0.99, 0.1), n);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void AverageTwins(int n)
    {
        using var s = new Scratch();
        float* weights = s.Random(n, 1), a = s.Random(n, 2), b = s.Copy(a, n);
        EmaKernel.Run(0.9f, 0.1f, 0, n / 3, weights, a);
        EmaKernel.Run(0.9f, 0.1f, n / 3, n - (n / 3), weights, a);
        EmaKernel.RunScalar(0.9f, 0.1f, 0, n, weights, b);
        Scratch.SameBits(b, a, n);
    }

    [Fact]
    public void NothingIsAllocated()
    {
        using var s = new Scratch();
        const int n = 1000;
        var arrays = new OptimizerArrays { P = s.Random(n, 1), G = s.Random(n, 2), M = s.Floats(n), V = s.Floats(n), Shadow = s.Shorts(n), ShadowType = ShadowType.BF16 };
        var step = AdamStep.AdamW(0.01, 0.9, 0.95, 1e-8, 0.1, 1);
        OptimizerPass.Run(step, 0, n, arrays, 1f, true);
        long before = GC.GetAllocatedBytesForCurrentThread();
        OptimizerPass.Run(step, 0, n, arrays, 1f, true);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(30000)]
    public void GlobalNorms(int n)
    {
        using var s = new Scratch();
        float* x = s.Random(n, 1);
        long tiles = Totals.NumTiles(n, Totals.NormTile);
        double* sums = s.Doubles(tiles), sums2 = s.Doubles(tiles);
        double total = Totals.SumSquares(x, n, sums);
        double expected = Numeric.Widen(x, n).Sum(v => v * v);
        Assert.Equal(expected, total, 1e-6 * expected);
        Totals.SquareTilesScalar(0, tiles, x, n, sums2);
        Assert.Equal(total, Totals.Tree(sums2, tiles));
        double[] tensors = [total, 9];
        Assert.Equal(Math.Sqrt(expected + 9), GlobalNormMath.Norm(tensors), 1e-5);
        Assert.Equal(-1, GlobalNormMath.FirstNonFinite(tensors));
    }

    [Fact]
    public void NonFiniteGradientsAreNamed()
    {
        using var s = new Scratch();
        float* x = s.Random(10, 1);
        x[7] = float.NaN;
        double[] sums = [1, Totals.SumSquares(x, 10, s.Doubles(1)), double.PositiveInfinity];
        var error = Assert.Throws<TandemException>(() => GlobalNormMath.RequireFinite(sums, ["a", "b", "c"]));
        Assert.Contains("gradient of b", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ClipScales()
    {
        Assert.Equal(1, GlobalNormMath.ClipScale(0.5, 1));
        Assert.Equal(1 / (4 + 1e-6), GlobalNormMath.ClipScale(4, 1));
        Assert.Equal(1, GlobalNormMath.ClipScale(4, 0));
    }

    private static void Run<TStep>(string name, string? m, string? v, Func<int, TStep> step)
        where TStep : struct, IOptimizerStep
    {
        Goldens problem = Goldens.Load("optim/problem"), golden = Goldens.Load("optim/" + name);
        foreach (string tensor in s_names)
        {
            using var s = new Scratch();
            float[] gradients = problem.Floats("grad." + tensor), wanted = golden.Floats("param." + tensor);
            int n = gradients.Length / Steps;
            var arrays = new OptimizerArrays { P = s.From(problem.Floats("param." + tensor)), G = s.Floats(n), M = s.Floats(n), V = s.Floats(n) };
            for (int t = 1; t <= Steps; t++)
            {
                gradients.AsSpan((t - 1) * n, n).CopyTo(new Span<float>(arrays.G, n));
                OptimizerPass.Run(step(t), 0, n, arrays, 1f, true);
                Check(golden, tensor, $"param.{tensor} step {t}", wanted.AsSpan((t - 1) * n, n), arrays.P, n);
                Assert.All(Scratch.Span(arrays.G, n).ToArray(), g => Assert.Equal(0f, g));
            }

            if (m != null)
                Check(golden, tensor, m, golden.Floats($"state.{m}.{tensor}"), arrays.M, n);

            if (v != null)
                Check(golden, tensor, v, golden.Floats($"state.{v}.{tensor}"), arrays.V, n);
        }
    }

    private static void Check(Goldens golden, string tensor, string what, ReadOnlySpan<float> wanted, float* actual, int n)
    {
        JsonElement stored = golden.Index.GetProperty("fp32_max_rel").GetProperty(tensor);
        golden.Check(what, wanted, Scratch.Span(actual, n), Math.Max(10 * stored.GetDouble(), 2e-6));
    }

    private static void Twin<TStep>(TStep step, int n)
        where TStep : struct, IOptimizerStep
    {
        foreach (var type in new[] { ShadowType.None, ShadowType.BF16, ShadowType.F16 })
        {
            using var s = new Scratch();
            var a = new OptimizerArrays { P = s.Random(n, 1), G = s.Random(n, 2), M = s.Random(n, 3), V = s.Random(n, 4), Shadow = s.Shorts(n), ShadowType = type };
            for (int i = 0; i < n; i++)
                a.V[i] = MathF.Abs(a.V[i]);

            var b = new OptimizerArrays { P = s.Copy(a.P, n), G = s.Copy(a.G, n), M = s.Copy(a.M, n), V = s.Copy(a.V, n), Shadow = s.Shorts(n), ShadowType = type };
            bool zero = type != ShadowType.None;
            OptimizerPass.Run(step, 0, n / 3, a, 0.37f, zero);
            OptimizerPass.Run(step, n / 3, n - (n / 3), a, 0.37f, zero);
            OptimizerPass.RunScalar(step, 0, n, b, 0.37f, zero);
            Scratch.SameBits(b.P, a.P, n);
            Scratch.SameBits(b.G, a.G, n);
            Scratch.SameBits(b.M, a.M, n);
            Scratch.SameBits(b.V, a.V, n);
            for (int i = 0; i < n; i++)
                Assert.Equal(b.Shadow[i], a.Shadow[i]);
        }
    }
}
