using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// y = x * rstd * (offset + w), rstd = 1 / sqrt(mean(x^2) + eps), over rows of n (Zhang and Sennrich, 2019), and its gradients.
/// Row work takes rows [firstRow, firstRow + numRows); the weight's gradient takes columns.
/// </summary>
internal static unsafe class RmsNormKernel
{
    /// <summary>y[t, n] and rstd[t] of x[t, n]. <paramref name="rstd"/> may be null; y may be x.</summary>
    internal static void Forward(int firstRow, int numRows, int n, float* x, float* w, float offset, float eps, float* y, float* rstd)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float r = NormalizeRow(n, x + (t * n), w, offset, eps, y + (t * n));
            if (rstd != null)
                rstd[t] = r;
        }
    }

    /// <summary>Scalar twin of <see cref="Forward"/>.</summary>
    internal static void ForwardScalar(int firstRow, int numRows, int n, float* x, float* w, float offset, float eps, float* y, float* rstd)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* xt = x + (t * n), yt = y + (t * n);
            float r = 1f / MathF.Sqrt((RowReduce.SumSquaresScalar(xt, n) / n) + eps);
            for (int c = 0; c < n; c++)
                yt[c] = xt[c] * r * (offset + w[c]);

            if (rstd != null)
                rstd[t] = r;
        }
    }

    /// <summary>h = x + residual is written out and then normed: the bits of <see cref="Elementwise.Add"/> followed by <see cref="Forward"/>. h may be x or residual.</summary>
    internal static void AddForward(
        int firstRow, int numRows, int n, float* x, float* residual, float* h, float* w, float offset, float eps, float* y, float* rstd)
    {
        for (int t = firstRow; t < firstRow + numRows; t++)
        {
            // Row by row, so that the norm finds h in the first-level cache.
            Elementwise.Add((long)t * n, n, x, residual, h);
            Forward(t, 1, n, h, w, offset, eps, y, rstd);
        }
    }

    /// <summary>
    /// dx = rstd (g - xhat mean(g xhat)) with g = dy (offset + w), xhat = x rstd; plus <paramref name="dres"/> where it is not null
    /// (rounded as a separate addition). dx may be dy or dres.
    /// </summary>
    internal static void Backward(
        int firstRow, int numRows, int n, float* x, float* w, float offset, float* rstd, float* dy, float* dres, float* dx)
    {
        var off = Vector256.Create(offset);
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* xt = x + (t * n), dyt = dy + (t * n), dxt = dx + (t * n), dr = dres == null ? null : dres + (t * n);
            float r = rstd[t];
            float c = DotWeighted(n, xt, w, offset, dyt) * r / n;
            Vector256<float> vr = Vector256.Create(r), vc = Vector256.Create(-c);
            int i = 0;
            for (; i <= n - 8; i += 8)
            {
                var g = Vector256.Load(dyt + i) * (off + Vector256.Load(w + i));
                var d = Vector256.FusedMultiplyAdd(vc, Vector256.Load(xt + i) * vr, g) * vr;
                (dr == null ? d : Vector256.Load(dr + i) + d).Store(dxt + i);
            }

            for (; i < n; i++)
                dxt[i] = BackwardElement(xt[i], offset + w[i], r, -c, dyt[i], dr == null ? null : dr + i);
        }
    }

    /// <summary>Scalar twin of <see cref="Backward"/>.</summary>
    internal static void BackwardScalar(
        int firstRow, int numRows, int n, float* x, float* w, float offset, float* rstd, float* dy, float* dres, float* dx)
    {
        float* lanes = stackalloc float[RowReduce.Lanes];
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* xt = x + (t * n), dyt = dy + (t * n), dxt = dx + (t * n), dr = dres == null ? null : dres + (t * n);
            RowReduce.Fill(lanes, 0f);
            for (int i = 0; i < n; i++)
                lanes[i & 15] = MathF.FusedMultiplyAdd(dyt[i] * (offset + w[i]), xt[i], lanes[i & 15]);

            float c = RowReduce.FoldSumScalar(lanes) * rstd[t] / n;
            for (int i = 0; i < n; i++)
                dxt[i] = BackwardElement(xt[i], offset + w[i], rstd[t], -c, dyt[i], dr == null ? null : dr + i);
        }
    }

    /// <summary>
    /// dw[c] += dy[t, c] * (x[t, c] * rstd[t]) over all <paramref name="rows"/> rows in ascending order, for columns [firstColumn, firstColumn + numColumns):
    /// one chain of fused multiply-adds a column that continues the accumulator.
    /// </summary>
    internal static void WeightGradient(int firstColumn, int numColumns, int rows, int n, float* x, float* rstd, float* dy, float* dw)
    {
        int end = firstColumn + numColumns;
        for (long t = 0; t < rows; t++)
        {
            float* xt = x + (t * n), dyt = dy + (t * n);
            var r = Vector256.Create(rstd[t]);
            int c = firstColumn;
            for (; c <= end - 8; c += 8)
                Vector256.FusedMultiplyAdd(Vector256.Load(dyt + c), Vector256.Load(xt + c) * r, Vector256.Load(dw + c)).Store(dw + c);

            for (; c < end; c++)
                dw[c] = MathF.FusedMultiplyAdd(dyt[c], xt[c] * rstd[t], dw[c]);
        }
    }

    /// <summary>Scalar twin of <see cref="WeightGradient"/>.</summary>
    internal static void WeightGradientScalar(int firstColumn, int numColumns, int rows, int n, float* x, float* rstd, float* dy, float* dw)
    {
        for (int c = firstColumn; c < firstColumn + numColumns; c++)
        {
            for (long t = 0; t < rows; t++)
                dw[c] = MathF.FusedMultiplyAdd(dy[(t * n) + c], x[(t * n) + c] * rstd[t], dw[c]);
        }
    }

    private static float NormalizeRow(int n, float* x, float* w, float offset, float eps, float* y)
    {
        float r = 1f / MathF.Sqrt((RowReduce.SumSquares(x, n) / n) + eps);
        Vector256<float> vr = Vector256.Create(r), off = Vector256.Create(offset);
        int c = 0;
        for (; c <= n - 8; c += 8)
            (Vector256.Load(x + c) * vr * (off + Vector256.Load(w + c))).Store(y + c);

        for (; c < n; c++)
            y[c] = x[c] * r * (offset + w[c]);

        return r;
    }

    /// <summary>Sum of dy (offset + w) x over a row, 16 lanes.</summary>
    private static float DotWeighted(int n, float* x, float* w, float offset, float* dy)
    {
        Vector256<float> lo = Vector256<float>.Zero, hi = lo, off = Vector256.Create(offset);
        int i = 0;
        for (; i <= n - RowReduce.Lanes; i += RowReduce.Lanes)
        {
            lo = Vector256.FusedMultiplyAdd(Vector256.Load(dy + i) * (off + Vector256.Load(w + i)), Vector256.Load(x + i), lo);
            hi = Vector256.FusedMultiplyAdd(Vector256.Load(dy + i + 8) * (off + Vector256.Load(w + i + 8)), Vector256.Load(x + i + 8), hi);
        }

        if (i < n)
        {
            RowReduce.LoadTail(x + i, n - i, 0f, out var xLo, out var xHi);
            RowReduce.LoadTail(w + i, n - i, 0f, out var wLo, out var wHi);
            RowReduce.LoadTail(dy + i, n - i, 0f, out var dLo, out var dHi);
            lo = Vector256.FusedMultiplyAdd(dLo * (off + wLo), xLo, lo);
            hi = Vector256.FusedMultiplyAdd(dHi * (off + wHi), xHi, hi);
        }

        return RowReduce.FoldSum(lo, hi);
    }

    private static float BackwardElement(float x, float weight, float rstd, float minusMean, float dy, float* dres)
    {
        float d = MathF.FusedMultiplyAdd(minusMean, x * rstd, dy * weight) * rstd;
        return dres == null ? d : *dres + d;
    }
}
