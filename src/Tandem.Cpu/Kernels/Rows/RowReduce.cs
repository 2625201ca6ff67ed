using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// Reductions along a row in the one order that everything uses: 16 logical lanes, lane i takes the elements i, i + 16, ... in order,
/// starting from zero (from -infinity for a maximum); then the lanes are folded 8 + 8, 4 + 4, 2 + 2, 1 + 1. Missing elements of the tail do not take part.
/// </summary>
internal static unsafe class RowReduce
{
    /// <summary>Number of logical lanes.</summary>
    internal const int Lanes = 16;

    /// <summary>Sum of <paramref name="x"/>[n].</summary>
    internal static float Sum(float* x, int n)
    {
        Vector256<float> lo = Vector256<float>.Zero, hi = lo;
        int i = 0;
        for (; i <= n - Lanes; i += Lanes)
        {
            lo += Vector256.Load(x + i);
            hi += Vector256.Load(x + i + 8);
        }

        if (i < n)
        {
            LoadTail(x + i, n - i, 0f, out var tailLo, out var tailHi);
            lo += tailLo;
            hi += tailHi;
        }

        return FoldSum(lo, hi);
    }

    /// <summary>Scalar twin of <see cref="Sum"/>.</summary>
    internal static float SumScalar(float* x, int n)
    {
        float* lanes = stackalloc float[Lanes];
        Fill(lanes, 0f);
        for (int i = 0; i < n; i++)
            lanes[i & 15] += x[i];

        return FoldSumScalar(lanes);
    }

    /// <summary>Sum of squares of <paramref name="x"/>[n], each added by a fused multiply-add.</summary>
    internal static float SumSquares(float* x, int n) => Dot(x, x, n);

    /// <summary>Scalar twin of <see cref="SumSquares"/>.</summary>
    internal static float SumSquaresScalar(float* x, int n) => DotScalar(x, x, n);

    /// <summary>Sum of x[i] * y[i] over n elements, each added by a fused multiply-add.</summary>
    internal static float Dot(float* x, float* y, int n)
    {
        Vector256<float> lo = Vector256<float>.Zero, hi = lo;
        int i = 0;
        for (; i <= n - Lanes; i += Lanes)
        {
            lo = Vector256.FusedMultiplyAdd(Vector256.Load(x + i), Vector256.Load(y + i), lo);
            hi = Vector256.FusedMultiplyAdd(Vector256.Load(x + i + 8), Vector256.Load(y + i + 8), hi);
        }

        if (i < n)
        {
            LoadTail(x + i, n - i, 0f, out var xLo, out var xHi);
            LoadTail(y + i, n - i, 0f, out var yLo, out var yHi);
            lo = Vector256.FusedMultiplyAdd(xLo, yLo, lo);
            hi = Vector256.FusedMultiplyAdd(xHi, yHi, hi);
        }

        return FoldSum(lo, hi);
    }

    /// <summary>Scalar twin of <see cref="Dot"/>.</summary>
    internal static float DotScalar(float* x, float* y, int n)
    {
        float* lanes = stackalloc float[Lanes];
        Fill(lanes, 0f);
        for (int i = 0; i < n; i++)
            lanes[i & 15] = MathF.FusedMultiplyAdd(x[i], y[i], lanes[i & 15]);

        return FoldSumScalar(lanes);
    }

    /// <summary>Sum of squared distances of <paramref name="x"/>[n] from <paramref name="center"/>.</summary>
    internal static float SumSquaredDistances(float* x, int n, float center)
    {
        Vector256<float> lo = Vector256<float>.Zero, hi = lo, c = Vector256.Create(center);
        int i = 0;
        for (; i <= n - Lanes; i += Lanes)
        {
            var a = Vector256.Load(x + i) - c;
            var b = Vector256.Load(x + i + 8) - c;
            lo = Vector256.FusedMultiplyAdd(a, a, lo);
            hi = Vector256.FusedMultiplyAdd(b, b, hi);
        }

        if (i < n)
        {
            LoadTail(x + i, n - i, center, out var a, out var b);
            a -= c;
            b -= c;
            lo = Vector256.FusedMultiplyAdd(a, a, lo);
            hi = Vector256.FusedMultiplyAdd(b, b, hi);
        }

        return FoldSum(lo, hi);
    }

    /// <summary>Scalar twin of <see cref="SumSquaredDistances"/>.</summary>
    internal static float SumSquaredDistancesScalar(float* x, int n, float center)
    {
        float* lanes = stackalloc float[Lanes];
        Fill(lanes, 0f);
        for (int i = 0; i < n; i++)
        {
            float a = x[i] - center;
            lanes[i & 15] = MathF.FusedMultiplyAdd(a, a, lanes[i & 15]);
        }

        return FoldSumScalar(lanes);
    }

    /// <summary>Largest of <paramref name="x"/>[n]; -infinity for none. NaN never wins a comparison: it shows in what is computed next.</summary>
    internal static float Max(float* x, int n)
    {
        Vector256<float> lo = Vector256.Create(float.NegativeInfinity), hi = lo;
        int i = 0;
        for (; i <= n - Lanes; i += Lanes)
        {
            lo = Larger(Vector256.Load(x + i), lo);
            hi = Larger(Vector256.Load(x + i + 8), hi);
        }

        if (i < n)
        {
            LoadTail(x + i, n - i, float.NegativeInfinity, out var tailLo, out var tailHi);
            lo = Larger(tailLo, lo);
            hi = Larger(tailHi, hi);
        }

        float* lanes = stackalloc float[Lanes];
        lo.Store(lanes);
        hi.Store(lanes + 8);
        return FoldMaxScalar(lanes);
    }

    /// <summary>Scalar twin of <see cref="Max"/>.</summary>
    internal static float MaxScalar(float* x, int n)
    {
        float* lanes = stackalloc float[Lanes];
        Fill(lanes, float.NegativeInfinity);
        for (int i = 0; i < n; i++)
            lanes[i & 15] = x[i] > lanes[i & 15] ? x[i] : lanes[i & 15];

        return FoldMaxScalar(lanes);
    }

    /// <summary>Index of the largest of <paramref name="x"/>[n], the first of equals; -1 if any is NaN or the largest is not finite.</summary>
    internal static int ArgMax(float* x, int n)
    {
        float max = Max(x, n);
        if (!float.IsFinite(max)) return -1;
        var wanted = Vector256.Create(max);
        Vector256<float> numbers = Vector256<float>.AllBitsSet;
        int found = -1, i = 0;
        for (; i <= n - 8; i += 8)
        {
            var v = Vector256.Load(x + i);
            numbers &= Vector256.Equals(v, v);
            if (found < 0 && Vector256.EqualsAny(v, wanted)) found = i + int.TrailingZeroCount((int)Vector256.Equals(v, wanted).ExtractMostSignificantBits());
        }

        for (; i < n; i++)
        {
            if (float.IsNaN(x[i])) return -1;
            if (found < 0 && x[i] == max) found = i;
        }

        return numbers.ExtractMostSignificantBits() == 0xff ? found : -1;
    }

    /// <summary>Scalar twin of <see cref="ArgMax"/>.</summary>
    internal static int ArgMaxScalar(float* x, int n)
    {
        int best = 0;
        for (int i = 0; i < n; i++)
        {
            if (float.IsNaN(x[i])) return -1;
            if (x[i] > x[best]) best = i;
        }

        return n > 0 && float.IsFinite(x[best]) ? best : -1;
    }

    /// <summary>Loads <paramref name="count"/> (1 to 15) elements and fills the other lanes with a value that leaves them as they are.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void LoadTail(float* x, int count, float fill, out Vector256<float> lo, out Vector256<float> hi)
    {
        float* lanes = stackalloc float[Lanes];
        Fill(lanes, fill);
        for (int i = 0; i < count; i++)
            lanes[i] = x[i];

        lo = Vector256.Load(lanes);
        hi = Vector256.Load(lanes + 8);
    }

    /// <summary>Folds 16 lanes by the fixed tree.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float FoldSum(Vector256<float> lo, Vector256<float> hi)
    {
        var eight = lo + hi;
        var four = eight.GetLower() + eight.GetUpper();
        var two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3));
        return two.GetElement(0) + two.GetElement(1);
    }

    /// <summary>Scalar twin of <see cref="FoldSum"/>; destroys the lanes.</summary>
    internal static float FoldSumScalar(float* lanes)
    {
        for (int width = Lanes / 2; width > 0; width /= 2)
        {
            for (int i = 0; i < width; i++)
                lanes[i] += lanes[i + width];
        }

        return lanes[0];
    }

    /// <summary>Sets 16 lanes to one value.</summary>
    internal static void Fill(float* lanes, float value)
    {
        for (int i = 0; i < Lanes; i++)
            lanes[i] = value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Larger(Vector256<float> x, Vector256<float> y) =>
        Vector256.ConditionalSelect(Vector256.GreaterThan(x, y), x, y);

    private static float FoldMaxScalar(float* lanes)
    {
        for (int width = Lanes / 2; width > 0; width /= 2)
        {
            for (int i = 0; i < width; i++)
                lanes[i] = lanes[i + width] > lanes[i] ? lanes[i + width] : lanes[i];
        }

        return lanes[0];
    }
}
