using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>What happens to one row of a tile of scores: scale, cap, mask, exponentials. Columns count from the tile's start; the row sees [from, end).</summary>
internal static unsafe class TileSoftmax
{
    /// <summary>
    /// Turns products into exp(score - m) and updates the row's online softmax: m becomes the larger of m and the tile's scores, l = l alpha + (sum over 16 lanes)
    /// with alpha = exp(old m - m), which is returned: what was accumulated so far is to be multiplied by it. Columns outside [from, end) of a touched panel become 0.
    /// </summary>
    public static float Forward(in AttentionShape shape, float* s, int from, int end, float* m, float* l)
    {
        int first = from & ~15, last = (end + 15) & ~15;
        Vector256<float> lo = Vector256.Create(float.NegativeInfinity), hi = lo, scale = Vector256.Create(shape.Scale);
        Vector256<float> cap = Vector256.Create(shape.Softcap), inverse = Vector256.Create(1f / shape.Softcap);
        for (int j = first; j < last; j += 16)
        {
            Vector256<float> a = Vector256.Load(s + j) * scale, b = Vector256.Load(s + j + 8) * scale;
            if (shape.Softcap > 0)
            {
                a = cap * VectorMath.Tanh(a * inverse);
                b = cap * VectorMath.Tanh(b * inverse);
            }

            if (j < from || j + 16 > end)
            {
                a = Masked(a, j, from, end);
                b = Masked(b, j + 8, from, end);
            }

            a.Store(s + j);
            b.Store(s + j + 8);
            lo = Larger(a, lo);
            hi = Larger(b, hi);
        }

        float old = *m, tile = FoldMax(Larger(hi, lo)), max = tile > old ? tile : old;
        // A row without a past has nothing to rescale (and -infinity minus -infinity is no number).
        float alpha = old == float.NegativeInfinity ? 0f : VectorMath.Exp(old - max);
        var shift = Vector256.Create(max);
        lo = hi = Vector256<float>.Zero;
        for (int j = first; j < last; j += 16)
        {
            Vector256<float> a = VectorMath.Exp(Vector256.Load(s + j) - shift), b = VectorMath.Exp(Vector256.Load(s + j + 8) - shift);
            a.Store(s + j);
            b.Store(s + j + 8);
            lo += a;
            hi += b;
        }

        *m = max;
        *l = MathF.FusedMultiplyAdd(*l, alpha, RowReduce.FoldSum(lo, hi));
        return alpha;
    }

    /// <summary>
    /// Turns products into probabilities p = exp(score - lse) and dp into the gradient of the products, p (dp - delta) (1 - tanh^2) scale.
    /// Columns outside [from, end) of a touched panel hold anything afterwards.
    /// </summary>
    public static void Backward(in AttentionShape shape, float* s, float* dp, int from, int end, float lse, float delta)
    {
        int first = from & ~15, last = (end + 15) & ~15;
        Vector256<float> scale = Vector256.Create(shape.Scale), shift = Vector256.Create(lse), center = Vector256.Create(delta);
        if (shape.Softcap > 0)
        {
            Vector256<float> cap = Vector256.Create(shape.Softcap), inverse = Vector256.Create(1f / shape.Softcap);
            for (int j = first; j < last; j += 8)
            {
                var t = VectorMath.Tanh(Vector256.Load(s + j) * scale * inverse);
                var p = VectorMath.Exp((cap * t) - shift);
                var slope = Vector256.FusedMultiplyAdd(-t, t, Vector256<float>.One);
                p.Store(s + j);
                (p * (Vector256.Load(dp + j) - center) * slope * scale).Store(dp + j);
            }

            return;
        }

        for (int j = first; j < last; j += 8)
        {
            var p = VectorMath.Exp((Vector256.Load(s + j) * scale) - shift);
            p.Store(s + j);
            (p * (Vector256.Load(dp + j) - center) * scale).Store(dp + j);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Larger(Vector256<float> x, Vector256<float> y) =>
        Vector256.ConditionalSelect(Vector256.GreaterThan(x, y), x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Masked(Vector256<float> x, int column, int from, int end)
    {
        var columns = Vector256.Create(column) + Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7);
        var seen = Vector256.GreaterThanOrEqual(columns, Vector256.Create(from)) & Vector256.LessThan(columns, Vector256.Create(end));
        return Vector256.ConditionalSelect(seen.AsSingle(), x, Vector256.Create(float.NegativeInfinity));
    }

    private static float FoldMax(Vector256<float> x)
    {
        float max = x.GetElement(0);
        for (int i = 1; i < 8; i++)
        {
            float y = x.GetElement(i);
            max = y > max ? y : max;
        }

        return max;
    }
}
