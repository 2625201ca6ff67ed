using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// y = (x - mean) * rstd * w + b over rows of n, rstd = 1 / sqrt(mean((x - mean)^2) + eps) (Ba, Kiros and Hinton, 2016), and its gradients; b may be null.
/// Row work takes rows [firstRow, firstRow + numRows); the gradient of w takes columns (that of b is <see cref="Bias.Gradient"/>).
/// </summary>
internal static unsafe class LayerNormKernel
{
    /// <summary>y[t, n], mean[t] and rstd[t] of x[t, n]; y may be x. <paramref name="mean"/> and <paramref name="rstd"/> may be null together.</summary>
    internal static void Forward(int firstRow, int numRows, int n, float* x, float* w, float* b, float eps, float* y, float* mean, float* rstd)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* xt = x + (t * n), yt = y + (t * n);
            float m = RowReduce.Sum(xt, n) / n;
            float r = 1f / MathF.Sqrt((RowReduce.SumSquaredDistances(xt, n, m) / n) + eps);
            Vector256<float> vm = Vector256.Create(m), vr = Vector256.Create(r);
            int c = 0;
            for (; c <= n - 8; c += 8)
            {
                var xhat = (Vector256.Load(xt + c) - vm) * vr;
                var wc = Vector256.Load(w + c);
                (b == null ? xhat * wc : Vector256.FusedMultiplyAdd(xhat, wc, Vector256.Load(b + c))).Store(yt + c);
            }

            for (; c < n; c++)
                yt[c] = ForwardElement(xt[c], m, r, w[c], b == null ? null : b + c);

            if (rstd != null)
            {
                mean[t] = m;
                rstd[t] = r;
            }
        }
    }

    /// <summary>Scalar twin of <see cref="Forward"/>.</summary>
    internal static void ForwardScalar(int firstRow, int numRows, int n, float* x, float* w, float* b, float eps, float* y, float* mean, float* rstd)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* xt = x + (t * n), yt = y + (t * n);
            float m = RowReduce.SumScalar(xt, n) / n;
            float r = 1f / MathF.Sqrt((RowReduce.SumSquaredDistancesScalar(xt, n, m) / n) + eps);
            for (int c = 0; c < n; c++)
                yt[c] = ForwardElement(xt[c], m, r, w[c], b == null ? null : b + c);

            if (rstd != null)
            {
                mean[t] = m;
                rstd[t] = r;
            }
        }
    }

    /// <summary>h = x + residual is written out and then normed: the bits of <see cref="Elementwise.Add"/> followed by <see cref="Forward"/>. h may be x or residual.</summary>
    internal static void AddForward(
        int firstRow, int numRows, int n, float* x, float* residual, float* h, float* w, float* b, float eps, float* y, float* mean, float* rstd)
    {
        for (int t = firstRow; t < firstRow + numRows; t++)
        {
            Elementwise.Add((long)t * n, n, x, residual, h);
            Forward(t, 1, n, h, w, b, eps, y, mean, rstd);
        }
    }

    /// <summary>
    /// dx = rstd (g - mean(g) - xhat mean(g xhat)) with g = dy w, xhat = (x - mean) rstd; plus <paramref name="dres"/> where it is not null
    /// (rounded as a separate addition). dx may be dy or dres.
    /// </summary>
    internal static void Backward(
        int firstRow, int numRows, int n, float* x, float* w, float* mean, float* rstd, float* dy, float* dres, float* dx)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* xt = x + (t * n), dyt = dy + (t * n), dxt = dx + (t * n), dr = dres == null ? null : dres + (t * n);
            float m = mean[t], r = rstd[t];
            Sums(n, xt, w, m, r, dyt, out float sumG, out float sumGx);
            float a = sumG / n, c = sumGx / n;
            Vector256<float> vm = Vector256.Create(m), vr = Vector256.Create(r), va = Vector256.Create(a), vc = Vector256.Create(-c);
            int i = 0;
            for (; i <= n - 8; i += 8)
            {
                var g = (Vector256.Load(dyt + i) * Vector256.Load(w + i)) - va;
                var d = Vector256.FusedMultiplyAdd(vc, (Vector256.Load(xt + i) - vm) * vr, g) * vr;
                (dr == null ? d : Vector256.Load(dr + i) + d).Store(dxt + i);
            }

            for (; i < n; i++)
                dxt[i] = BackwardElement(xt[i], w[i], m, r, a, -c, dyt[i], dr == null ? null : dr + i);
        }
    }

    /// <summary>Scalar twin of <see cref="Backward"/>.</summary>
    internal static void BackwardScalar(
        int firstRow, int numRows, int n, float* x, float* w, float* mean, float* rstd, float* dy, float* dres, float* dx)
    {
        float* lanesG = stackalloc float[RowReduce.Lanes], lanesGx = stackalloc float[RowReduce.Lanes];
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* xt = x + (t * n), dyt = dy + (t * n), dxt = dx + (t * n), dr = dres == null ? null : dres + (t * n);
            float m = mean[t], r = rstd[t];
            RowReduce.Fill(lanesG, 0f);
            RowReduce.Fill(lanesGx, 0f);
            for (int i = 0; i < n; i++)
            {
                float g = dyt[i] * w[i];
                lanesG[i & 15] += g;
                lanesGx[i & 15] = MathF.FusedMultiplyAdd(g, (xt[i] - m) * r, lanesGx[i & 15]);
            }

            float a = RowReduce.FoldSumScalar(lanesG) / n, c = RowReduce.FoldSumScalar(lanesGx) / n;
            for (int i = 0; i < n; i++)
                dxt[i] = BackwardElement(xt[i], w[i], m, r, a, -c, dyt[i], dr == null ? null : dr + i);
        }
    }

    /// <summary>
    /// dw[c] += dy[t, c] * (x[t, c] - mean[t]) * rstd[t] over all <paramref name="rows"/> rows in ascending order,
    /// for columns [firstColumn, firstColumn + numColumns): one chain of fused multiply-adds a column that continues the accumulator.
    /// </summary>
    internal static void WeightGradient(
        int firstColumn, int numColumns, int rows, int n, float* x, float* mean, float* rstd, float* dy, float* dw)
    {
        int end = firstColumn + numColumns;
        for (long t = 0; t < rows; t++)
        {
            float* xt = x + (t * n), dyt = dy + (t * n);
            Vector256<float> m = Vector256.Create(mean[t]), r = Vector256.Create(rstd[t]);
            int c = firstColumn;
            for (; c <= end - 8; c += 8)
                Vector256.FusedMultiplyAdd(Vector256.Load(dyt + c), (Vector256.Load(xt + c) - m) * r, Vector256.Load(dw + c)).Store(dw + c);

            for (; c < end; c++)
                dw[c] = MathF.FusedMultiplyAdd(dyt[c], (xt[c] - mean[t]) * rstd[t], dw[c]);
        }
    }

    /// <summary>Scalar twin of <see cref="WeightGradient"/>.</summary>
    internal static void WeightGradientScalar(
        int firstColumn, int numColumns, int rows, int n, float* x, float* mean, float* rstd, float* dy, float* dw)
    {
        for (int c = firstColumn; c < firstColumn + numColumns; c++)
        {
            for (long t = 0; t < rows; t++)
                dw[c] = MathF.FusedMultiplyAdd(dy[(t * n) + c], (x[(t * n) + c] - mean[t]) * rstd[t], dw[c]);
        }
    }

    private static void Sums(int n, float* x, float* w, float mean, float rstd, float* dy, out float sumG, out float sumGx)
    {
        Vector256<float> gLo = Vector256<float>.Zero, gHi = gLo, xLo = gLo, xHi = gLo, m = Vector256.Create(mean), r = Vector256.Create(rstd);
        int i = 0;
        for (; i <= n - RowReduce.Lanes; i += RowReduce.Lanes)
        {
            var a = Vector256.Load(dy + i) * Vector256.Load(w + i);
            var b = Vector256.Load(dy + i + 8) * Vector256.Load(w + i + 8);
            gLo += a;
            gHi += b;
            xLo = Vector256.FusedMultiplyAdd(a, (Vector256.Load(x + i) - m) * r, xLo);
            xHi = Vector256.FusedMultiplyAdd(b, (Vector256.Load(x + i + 8) - m) * r, xHi);
        }

        if (i < n)
        {
            RowReduce.LoadTail(x + i, n - i, mean, out var tLo, out var tHi);
            RowReduce.LoadTail(w + i, n - i, 0f, out var wLo, out var wHi);
            RowReduce.LoadTail(dy + i, n - i, 0f, out var dLo, out var dHi);
            Vector256<float> a = dLo * wLo, b = dHi * wHi;
            gLo += a;
            gHi += b;
            xLo = Vector256.FusedMultiplyAdd(a, (tLo - m) * r, xLo);
            xHi = Vector256.FusedMultiplyAdd(b, (tHi - m) * r, xHi);
        }

        sumG = RowReduce.FoldSum(gLo, gHi);
        sumGx = RowReduce.FoldSum(xLo, xHi);
    }

    private static float ForwardElement(float x, float mean, float rstd, float w, float* b)
    {
        float xhat = (x - mean) * rstd;
        return b == null ? xhat * w : MathF.FusedMultiplyAdd(xhat, w, *b);
    }

    private static float BackwardElement(float x, float w, float mean, float rstd, float meanG, float minusMeanGx, float dy, float* dres)
    {
        float d = MathF.FusedMultiplyAdd(minusMeanGx, (x - mean) * rstd, (dy * w) - meanG) * rstd;
        return dres == null ? d : *dres + d;
    }
}
