using Xunit;

namespace Tandem.Cpu.Tests;

/// <summary>Native arrays of a test; on disposal it is an error if anything was written beyond the end of one.</summary>
internal sealed unsafe class Scratch : IDisposable
{
    private const int GuardBytes = 64;
    private const byte GuardByte = 0xa5;
    private readonly List<(NativeBuffer Buffer, long Bytes)> _buffers = [];

    /// <summary>Lengths around the widths of vectors and lanes.</summary>
    public static TheoryData<int> Lengths => [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 1000];

    public float* Floats(long n) => (float*)Bytes(n * sizeof(float));

    public int* Ints(params ReadOnlySpan<int> values)
    {
        int* p = (int*)Bytes(values.Length * sizeof(int));
        values.CopyTo(new Span<int>(p, values.Length));
        return p;
    }

    public double* Doubles(long n) => (double*)Bytes(n * sizeof(double));

    public ushort* Shorts(long n) => (ushort*)Bytes(n * sizeof(ushort));

    public float* From(ReadOnlySpan<float> values)
    {
        float* p = Floats(values.Length);
        values.CopyTo(new Span<float>(p, values.Length));
        return p;
    }

    public float* Copy(float* source, int n) => From(new ReadOnlySpan<float>(source, n));

    /// <summary>Numbers in [-scale, scale).</summary>
    public float* Random(int n, int seed, float scale = 2f)
    {
        var random = new Random(seed);
        float* p = Floats(n);
        for (int i = 0; i < n; i++)
            p[i] = ((2f * random.NextSingle()) - 1f) * scale;

        return p;
    }

    /// <summary>Asserts that two arrays are equal bit for bit.</summary>
    public static void SameBits(float* expected, float* actual, long n)
    {
        for (long i = 0; i < n; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
                Assert.Fail($"element {i} of {n}: {actual[i]:g9}, wanted {expected[i]:g9}");
        }
    }

    /// <summary>Asserts that two numbers are equal bit for bit.</summary>
    public static void SameBits(float expected, float actual) => SameBits(&expected, &actual, 1);

    public static ReadOnlySpan<float> Span(float* p, int n) => new(p, n);

    public void Dispose()
    {
        foreach (var (buffer, bytes) in _buffers)
        {
            for (int i = 0; i < GuardBytes; i++)
                Assert.Equal(GuardByte, buffer.Pointer[bytes + i]);

            buffer.Dispose();
        }
    }

    private byte* Bytes(long bytes)
    {
        var buffer = new NativeBuffer(bytes + GuardBytes);
        new Span<byte>(buffer.Pointer + bytes, GuardBytes).Fill(GuardByte);
        _buffers.Add((buffer, bytes));
        return buffer.Pointer;
    }
}

/// <summary>Central differences in f64.</summary>
internal static class Numeric
{
    public static double[] Gradient(Func<double[], double> f, double[] x)
    {
        var gradient = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            double saved = x[i], h = 1e-5 * Math.Max(1, Math.Abs(saved));
            x[i] = saved + h;
            double up = f(x);
            x[i] = saved - h;
            gradient[i] = (up - f(x)) / (2 * h);
            x[i] = saved;
        }

        return gradient;
    }

    public static unsafe double[] Widen(float* p, int n)
    {
        var wide = new double[n];
        for (int i = 0; i < n; i++)
            wide[i] = p[i];

        return wide;
    }

    public static unsafe void Close(double[] expected, float* actual, double tolerance)
    {
        double largest = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * largest, $"[{i}]: {actual[i]}, wanted {expected[i]}");
    }
}
