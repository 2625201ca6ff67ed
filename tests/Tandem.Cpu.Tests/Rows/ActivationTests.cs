using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class ActivationTests
{
    public static TheoryData<int> Lengths => Scratch.Lengths;

    [Fact]
    public void Goldens()
    {
        Golden<SiluActivation>("silu");
        Golden<GeluTanhActivation>("gelu_tanh");
        Golden<GeluErfActivation>("gelu_erf");
        Golden<Relu2Activation>("relu2");
    }

    [Fact]
    public void GatedGoldens()
    {
        Gated<SiluActivation>("gated_mlp_silu");
        Gated<GeluTanhActivation>("gated_mlp_gelu_tanh");
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Twins(int n)
    {
        Twin<SiluActivation>(n);
        Twin<GeluTanhActivation>(n);
        Twin<GeluErfActivation>(n);
        Twin<ReluActivation>(n);
        Twin<Relu2Activation>(n);
    }

    [Fact]
    public void SlopesMatchDifferences()
    {
        Slopes<SiluActivation>(x => x / (1 + Math.Exp(-x)));
        Slopes<GeluTanhActivation>(x => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))));
        Slopes<ReluActivation>(x => Math.Max(x, 0));
        Slopes<Relu2Activation>(x => Math.Max(x, 0) * Math.Max(x, 0));
    }

    private static void Golden<TAct>(string name)
        where TAct : struct, IActivation
    {
        var golden = Tests.Goldens.Load("ops/" + name);
        using var s = new Scratch();
        int n = golden.Shape("in.x")[0];
        float* x = s.From(golden.Floats("in.x")), dy = s.From(golden.Floats("dout.y")), y = s.Floats(n), dx = s.Floats(n);
        Activations.Forward<TAct>(0, n, x, y);
        Activations.Backward<TAct>(0, n, x, dy, dx);
        golden.Check("out.y", Scratch.Span(y, n));
        golden.Check("grad.x", Scratch.Span(dx, n));
    }

    private static void Gated<TAct>(string name)
        where TAct : struct, IActivation
    {
        var golden = Tests.Goldens.Load("ops/" + name);
        using var s = new Scratch();
        float[] x = golden.Floats("in.x"), wg = golden.Floats("in.w_gate"), wu = golden.Floats("in.w_up"), wd = golden.Floats("in.w_down"), dy = golden.Floats("dout.y");
        int f = golden.Shape("in.w_gate")[0], k = golden.Shape("in.w_gate")[1], rows = x.Length / k, size = rows * f;
        float* gate = s.From(Product(x, wg, rows, k, f)), up = s.From(Product(x, wu, rows, k, f)), h = s.Floats(size), dgate = s.Floats(size), dup = s.Floats(size);
        Activations.GatedForward<TAct>(0, size, gate, up, h);
        golden.Check("out.y", Product(Scratch.Span(h, size), wd, rows, f, k));
        float* dh = s.From(Product(dy, Transpose(wd, k, f), rows, k, f));
        Activations.GatedBackward<TAct>(0, size, gate, up, dh, dgate, dup);
        float[] xT = Transpose(x, rows, k);
        golden.Check("grad.w_gate", Product(Transpose(Scratch.Span(dgate, size), rows, f), xT, f, rows, k));
        golden.Check("grad.w_up", Product(Transpose(Scratch.Span(dup, size), rows, f), xT, f, rows, k));
    }

    private static void Twin<TAct>(int n)
        where TAct : struct, IActivation
    {
        using var s = new Scratch();
        float* x = s.Random(n, 1, 6f), u = s.Random(n, 2), dy = s.Random(n, 3), y = s.Floats(n), y2 = s.Floats(n), z = s.Floats(n), z2 = s.Floats(n);
        ReadOnlySpan<float> special = [0f, -0f, 1e-40f, -1e-40f, 120f, -120f, 1e18f, -1e18f, 0.7f, 12f, -12f];
        for (int i = 0; i < Math.Min(n, special.Length); i++)
            x[n - 1 - i] = special[i];

        Activations.Forward<TAct>(0, n, x, y);
        Activations.ForwardScalar<TAct>(0, n, x, y2);
        Scratch.SameBits(y2, y, n);
        Activations.Backward<TAct>(0, n, x, dy, y);
        Activations.BackwardScalar<TAct>(0, n, x, dy, y2);
        Scratch.SameBits(y2, y, n);
        // The gate is the activation and then the product.
        Activations.GatedForward<TAct>(0, n, x, u, y);
        Activations.GatedForwardScalar<TAct>(0, n, x, u, y2);
        Scratch.SameBits(y2, y, n);
        Activations.Forward<TAct>(0, n, x, z);
        Elementwise.Multiply(0, n, z, u, z);
        Scratch.SameBits(z, y, n);
        Activations.GatedBackward<TAct>(0, n, x, u, dy, y, z);
        Activations.GatedBackwardScalar<TAct>(0, n, x, u, dy, y2, z2);
        Scratch.SameBits(y2, y, n);
        Scratch.SameBits(z2, z, n);
    }

    private static void Slopes<TAct>(Func<double, double> f)
        where TAct : struct, IActivation
    {
        for (float x = -6f; x < 6f; x += 0.37f)
        {
            float value = TAct.Value(x, out float slope);
            Assert.Equal(f(x), value, 2e-6 * Math.Max(1, Math.Abs(value)));
            Assert.Equal((f(x + 1e-5) - f(x - 1e-5)) / 2e-5, slope, 2e-6 * Math.Max(1, Math.Abs(slope)));
        }
    }

    /// <summary>x [rows, k] times w [n, k] transposed, summed in f64.</summary>
    private static float[] Product(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int rows, int k, int n)
    {
        var y = new float[rows * n];
        for (int i = 0; i < y.Length; i++)
        {
            double sum = 0;
            for (int j = 0; j < k; j++)
                sum += (double)x[(i / n * k) + j] * w[(i % n * k) + j];

            y[i] = (float)sum;
        }

        return y;
    }

    private static float[] Transpose(ReadOnlySpan<float> x, int rows, int columns)
    {
        var y = new float[x.Length];
        for (int i = 0; i < y.Length; i++)
            y[(i % columns * rows) + (i / columns)] = x[i];

        return y;
    }
}
