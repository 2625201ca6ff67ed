using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// Turns a head by an orthonormal Hadamard matrix (Sylvester's, over the largest power of two that divides its size): what one dimension had goes to all, so that
/// a group of 32 has no outlier that costs the others their precision. The matrix is its own inverse; q k^T of turned heads is that of the heads.
/// </summary>
internal static unsafe class Hadamard
{
    /// <summary>Elements that are mixed with each other.</summary>
    public static int Order(int dim) => dim & -dim;

    /// <summary>Turns x[dim] in place.</summary>
    public static void Turn(float* x, int dim)
    {
        int order = Order(dim);
        if (order < 8)
        {
            TurnScalar(x, dim);
            return;
        }

        var factor = Vector256.Create(1 / MathF.Sqrt(order));
        Vector256<float> odd = Vector256.Create(1f, -1f, 1f, -1f, 1f, -1f, 1f, -1f), pairs = Vector256.Create(1f, 1f, -1f, -1f, 1f, 1f, -1f, -1f);
        var halves = Vector256.Create(1f, 1f, 1f, 1f, -1f, -1f, -1f, -1f);
        for (float* end = x + dim; x < end; x += order)
        {
            // Distances 1, 2 and 4 inside a vector: the other element of a pair plus or minus one's own.
            for (int i = 0; i < order; i += 8)
            {
                Vector256<float> v = Vector256.Load(x + i) * factor;
                v = Vector256.Shuffle(v, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6)) + (v * odd);
                v = Vector256.Shuffle(v, Vector256.Create(2, 3, 0, 1, 6, 7, 4, 5)) + (v * pairs);
                v = Vector256.Shuffle(v, Vector256.Create(4, 5, 6, 7, 0, 1, 2, 3)) + (v * halves);
                v.Store(x + i);
            }

            for (int distance = 8; distance < order; distance *= 2)
            {
                for (int start = 0; start < order; start += 2 * distance)
                {
                    for (int i = start; i < start + distance; i += 8)
                    {
                        Vector256<float> a = Vector256.Load(x + i), b = Vector256.Load(x + i + distance);
                        (a + b).Store(x + i);
                        (a - b).Store(x + i + distance);
                    }
                }
            }
        }
    }

    /// <summary>Scalar twin of <see cref="Turn"/>.</summary>
    public static void TurnScalar(float* x, int dim)
    {
        int order = Order(dim);
        float factor = 1 / MathF.Sqrt(order);
        for (int i = 0; i < dim; i++)
            x[i] *= factor;
        for (float* end = x + dim; x < end; x += order)
        {
            for (int distance = 1; distance < order; distance *= 2)
            {
                for (int i = 0; i < order; i++)
                {
                    if ((i & distance) != 0)
                        continue;
                    float a = x[i], b = x[i + distance];
                    x[i] = a + b;
                    x[i + distance] = a - b;
                }
            }
        }
    }
}
