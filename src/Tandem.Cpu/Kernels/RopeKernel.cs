using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// Rotary position embedding (Su et al., 2021): pairs (a, b) of a head's first dimensions turn by an angle of the row's position,
/// a' = fma(a, cos, -(b sin)), b' = fma(b, cos, a sin), each with the two roundings written here. The inverse takes -sin; it is the gradient.
/// </summary>
internal static unsafe class RopeKernel
{
    /// <summary>
    /// Turns rows of heads; y may be x. Row t is at x + t * xStride and has <paramref name="heads"/> heads of <paramref name="headDim"/>.
    /// </summary>
    /// <param name="x">Rows to turn.</param>
    /// <param name="xStride">Floats from one row of x to the next.</param>
    /// <param name="y">Result.</param>
    /// <param name="yStride">Floats from one row of y to the next.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="heads">Heads of a row.</param>
    /// <param name="headDim">Size of a head.</param>
    /// <param name="rotaryDim">Turned dimensions of a head, even; the others are copied.</param>
    /// <param name="cos">[positions][rotaryDim / 2] cosines.</param>
    /// <param name="sin">[positions][rotaryDim / 2] sines.</param>
    /// <param name="positions">[rows] positions of the rows.</param>
    /// <param name="interleaved">Pairs are (2i, 2i + 1) instead of (i, i + rotaryDim / 2).</param>
    /// <param name="inverse">Turns back.</param>
    public static void Apply(
        float* x, long xStride, float* y, long yStride, int rows, int heads, int headDim, int rotaryDim, float* cos, float* sin, int* positions, bool interleaved, bool inverse)
    {
        int half = rotaryDim / 2;
        for (int t = 0; t < rows; t++)
        {
            float* c = cos + ((long)positions[t] * half), s = sin + ((long)positions[t] * half);
            for (int h = 0; h < heads; h++)
            {
                float* from = x + (t * xStride) + ((long)h * headDim), to = y + (t * yStride) + ((long)h * headDim);
                if (interleaved)
                    Interleaved(from, to, half, c, s, inverse);
                else
                    Halves(from, to, half, c, s, inverse);
                if (from != to)
                    new Span<float>(from + rotaryDim, headDim - rotaryDim).CopyTo(new Span<float>(to + rotaryDim, headDim - rotaryDim));
            }
        }
    }

    /// <summary>Scalar twin for one head.</summary>
    public static void HeadScalar(float* x, float* y, int rotaryDim, float* cos, float* sin, bool interleaved, bool inverse)
    {
        int half = rotaryDim / 2;
        for (int i = 0; i < half; i++)
            Pair(x, y, interleaved ? 2 * i : i, interleaved ? (2 * i) + 1 : i + half, cos[i], inverse ? -sin[i] : sin[i]);
    }

    private static void Halves(float* x, float* y, int half, float* cos, float* sin, bool inverse)
    {
        var flip = Vector256.Create(inverse ? -0f : 0f);
        int i = 0;
        for (; i <= half - 8; i += 8)
        {
            Vector256<float> a = Vector256.Load(x + i), b = Vector256.Load(x + half + i), c = Vector256.Load(cos + i), s = Vector256.Load(sin + i) ^ flip;
            Vector256.FusedMultiplyAdd(a, c, -(b * s)).Store(y + i);
            Vector256.FusedMultiplyAdd(b, c, a * s).Store(y + half + i);
        }

        for (; i < half; i++)
            Pair(x, y, i, i + half, cos[i], inverse ? -sin[i] : sin[i]);
    }

    private static void Interleaved(float* x, float* y, int half, float* cos, float* sin, bool inverse)
    {
        // Even lanes take -sin: a cos + (-(b sin)) for them, b cos + a sin for the odd ones.
        var flip = inverse ? Vector256.Create(0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f) : Vector256.Create(-0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f);
        var twice = Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3);
        var swap = Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6);
        int i = 0;
        for (; i <= half - 4; i += 4)
        {
            var pairs = Vector256.Load(x + (2 * i));
            var c = Vector256.Shuffle(Vector256.Create(Vector128.Load(cos + i), Vector128<float>.Zero), twice);
            var s = Vector256.Shuffle(Vector256.Create(Vector128.Load(sin + i), Vector128<float>.Zero), twice) ^ flip;
            Vector256.FusedMultiplyAdd(pairs, c, Vector256.Shuffle(pairs, swap) * s).Store(y + (2 * i));
        }

        for (; i < half; i++)
            Pair(x, y, 2 * i, (2 * i) + 1, cos[i], inverse ? -sin[i] : sin[i]);
    }

    private static void Pair(float* x, float* y, int first, int second, float cos, float sin)
    {
        float a = x[first], b = x[second];
        y[first] = MathF.FusedMultiplyAdd(a, cos, -(b * sin));
        y[second] = MathF.FusedMultiplyAdd(b, cos, a * sin);
    }
}
