using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// What happens to rows of a tile of scores: scale, cap, mask, exponentials. Columns count from the tile's start; row r sees [from[r], end[r]), never nothing.
/// Scores, maxima and shifts are in units of log 2.
/// </summary>
internal static unsafe class TileSoftmax
{
    private const int Stride = AttentionShape.ScoreStride;

    /// <summary>
    /// Turns products into 2^(score - m) and updates each row's online softmax: m becomes the larger of m and the tile's scores, alpha = 2^(old m - m) and
    /// l = l alpha + (sum over 16 lanes). What was accumulated so far is to be multiplied by alpha. Columns outside [from, end) of a touched panel become 0.
    /// </summary>
    public static void Forward(in AttentionShape shape, float* s, int rows, int* from, int* end, float* m, float* l, float* alpha)
    {
        float* sum = stackalloc float[AttentionShape.BlockRows], max = stackalloc float[AttentionShape.BlockRows];
        var scale = Vector256.Create(shape.Scale * SoftmaxExp.Log2E);
        for (int r = 0; r < rows; r++)
        {
            float* x = s + (r * Stride);
            if (shape.Softcap > 0)
                Cap(shape, x, from[r], end[r]);
            if (shape.Softcap == 0 && from[r] == 0 && end[r] == AttentionShape.TileKeys)
                sum[r] = Whole(x, scale, m[r], out max[r]);
            else
                sum[r] = Part(x, shape.Softcap > 0 ? Vector256<float>.One : scale, from[r], end[r], m[r], out max[r]);
        }

        // Eight rows at once: an exponential by itself waits for its own latency.
        int i = 0;
        for (; i <= rows - 8; i += 8)
        {
            Vector256<float> top = Vector256.Load(max + i), factor = SoftmaxExp.Exp2(Vector256.Load(m + i) - top);
            Vector256.FusedMultiplyAdd(Vector256.Load(l + i), factor, Vector256.Load(sum + i)).Store(l + i);
            top.Store(m + i);
            factor.Store(alpha + i);
        }

        for (; i < rows; i++)
        {
            alpha[i] = SoftmaxExp.Exp2(m[i] - max[i]);
            l[i] = MathF.FusedMultiplyAdd(l[i], alpha[i], sum[i]);
            m[i] = max[i];
        }
    }

    /// <summary>
    /// Turns products into probabilities p = 2^(score - lse) and dp into the gradient of the products, p (dp - delta) (1 - tanh^2) scale.
    /// Columns outside [from, end) of a touched panel hold anything afterwards.
    /// </summary>
    public static void Backward(in AttentionShape shape, float* s, float* dp, int from, int end, float lse, float delta)
    {
        int first = from & ~15, last = (end + 15) & ~15;
        Vector256<float> scale = Vector256.Create(shape.Scale), shift = Vector256.Create(lse), center = Vector256.Create(delta);
        if (shape.Softcap > 0)
        {
            Vector256<float> cap = Vector256.Create(shape.Softcap * SoftmaxExp.Log2E), inner = Vector256.Create(shape.Scale / shape.Softcap);
            for (int j = first; j < last; j += 8)
            {
                var t = VectorMath.Tanh(Vector256.Load(s + j) * inner);
                var p = SoftmaxExp.Exp2((cap * t) - shift);
                var slope = Vector256.FusedMultiplyAdd(-t, t, Vector256<float>.One);
                p.Store(s + j);
                (p * (Vector256.Load(dp + j) - center) * slope * scale).Store(dp + j);
            }

            return;
        }

        var toLog2 = Vector256.Create(shape.Scale * SoftmaxExp.Log2E);
        for (int j = first; j < last; j += 16)
        {
            Vector256<float> p = SoftmaxExp.Exp2((Vector256.Load(s + j) * toLog2) - shift), q = SoftmaxExp.Exp2((Vector256.Load(s + j + 8) * toLog2) - shift);
            p.Store(s + j);
            q.Store(s + j + 8);
            (p * (Vector256.Load(dp + j) - center) * scale).Store(dp + j);
            (q * (Vector256.Load(dp + j + 8) - center) * scale).Store(dp + j + 8);
        }
    }

    private static void Cap(in AttentionShape shape, float* s, int from, int end)
    {
        Vector256<float> cap = Vector256.Create(shape.Softcap * SoftmaxExp.Log2E), inner = Vector256.Create(shape.Scale / shape.Softcap);
        for (int j = from & ~15; j < end; j += 8)
            (cap * VectorMath.Tanh(Vector256.Load(s + j) * inner)).Store(s + j);
    }

    // A row that sees all 64 keys: its scores stay in registers from the products to the exponentials.
    private static float Whole(float* s, Vector256<float> scale, float m, out float max)
    {
        if (Vector512.IsHardwareAccelerated)
            return Whole512(s, scale, m, out max);
        Vector256<float> s0 = Vector256.Load(s) * scale, s1 = Vector256.Load(s + 8) * scale, s2 = Vector256.Load(s + 16) * scale, s3 = Vector256.Load(s + 24) * scale;
        Vector256<float> s4 = Vector256.Load(s + 32) * scale, s5 = Vector256.Load(s + 40) * scale, s6 = Vector256.Load(s + 48) * scale, s7 = Vector256.Load(s + 56) * scale;
        var lo = Vector256.MaxNative(Vector256.MaxNative(s0, s1), Vector256.MaxNative(s2, s3));
        var hi = Vector256.MaxNative(Vector256.MaxNative(s4, s5), Vector256.MaxNative(s6, s7));
        max = Top(Vector256.MaxNative(lo, hi), m);
        var shift = Vector256.Create(max);
        s0 = SoftmaxExp.Exp2(s0 - shift);
        s0.Store(s);
        s1 = SoftmaxExp.Exp2(s1 - shift);
        s1.Store(s + 8);
        s2 = SoftmaxExp.Exp2(s2 - shift);
        s2.Store(s + 16);
        s3 = SoftmaxExp.Exp2(s3 - shift);
        s3.Store(s + 24);
        s4 = SoftmaxExp.Exp2(s4 - shift);
        s4.Store(s + 32);
        s5 = SoftmaxExp.Exp2(s5 - shift);
        s5.Store(s + 40);
        s6 = SoftmaxExp.Exp2(s6 - shift);
        s6.Store(s + 48);
        s7 = SoftmaxExp.Exp2(s7 - shift);
        s7.Store(s + 56);
        return RowReduce.FoldSum(s0 + s2 + s4 + s6, s1 + s3 + s5 + s7);
    }

    // The same numbers in vectors of twice the length: a vector holds the 16 lanes of the sum.
    private static float Whole512(float* s, Vector256<float> scale, float m, out float max)
    {
        var factor = Vector512.Create(scale, scale);
        Vector512<float> s0 = Vector512.Load(s) * factor, s1 = Vector512.Load(s + 16) * factor, s2 = Vector512.Load(s + 32) * factor, s3 = Vector512.Load(s + 48) * factor;
        Vector512<float> largest = Vector512.MaxNative(Vector512.MaxNative(s0, s1), Vector512.MaxNative(s2, s3));
        max = Top(Vector256.MaxNative(largest.GetLower(), largest.GetUpper()), m);
        var shift = Vector512.Create(max);
        s0 = SoftmaxExp.Exp2(s0 - shift);
        s0.Store(s);
        s1 = SoftmaxExp.Exp2(s1 - shift);
        s1.Store(s + 16);
        s2 = SoftmaxExp.Exp2(s2 - shift);
        s2.Store(s + 32);
        s3 = SoftmaxExp.Exp2(s3 - shift);
        s3.Store(s + 48);
        Vector512<float> sum = s0 + s1 + s2 + s3;
        return RowReduce.FoldSum(sum.GetLower(), sum.GetUpper());
    }

    private static float Part(float* s, Vector256<float> scale, int from, int end, float m, out float max)
    {
        int first = from & ~15, last = (end + 15) & ~15;
        Vector256<float> lo = Vector256.Create(float.NegativeInfinity), hi = lo;
        for (int j = first; j < last; j += 16)
        {
            Vector256<float> a = Vector256.Load(s + j) * scale, b = Vector256.Load(s + j + 8) * scale;
            if (j < from || j + 16 > end)
            {
                a = Masked(a, j, from, end);
                b = Masked(b, j + 8, from, end);
            }

            a.Store(s + j);
            b.Store(s + j + 8);
            lo = Vector256.MaxNative(a, lo);
            hi = Vector256.MaxNative(b, hi);
        }

        max = Top(Vector256.MaxNative(hi, lo), m);
        var shift = Vector256.Create(max);
        lo = hi = Vector256<float>.Zero;
        for (int j = first; j < last; j += 16)
        {
            Vector256<float> a = SoftmaxExp.Exp2(Vector256.Load(s + j) - shift), b = SoftmaxExp.Exp2(Vector256.Load(s + j + 8) - shift);
            a.Store(s + j);
            b.Store(s + j + 8);
            lo += a;
            hi += b;
        }

        return RowReduce.FoldSum(lo, hi);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Masked(Vector256<float> x, int column, int from, int end)
    {
        var columns = Vector256.Create(column) + Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7);
        var seen = Vector256.GreaterThanOrEqual(columns, Vector256.Create(from)) & Vector256.LessThan(columns, Vector256.Create(end));
        return Vector256.ConditionalSelect(seen.AsSingle(), x, Vector256.Create(float.NegativeInfinity));
    }

    // The largest of eight scores and what was largest before. A NaN may get lost here; it shows in the exponentials.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Top(Vector256<float> x, float m)
    {
        var four = Vector128.MaxNative(x.GetLower(), x.GetUpper());
        var two = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3)));
        var one = Vector128.MaxNative(two, Vector128.Shuffle(two, Vector128.Create(1, 1, 1, 1))).ToScalar();
        return one > m ? one : m;
    }
}
