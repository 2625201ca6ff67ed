using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// Softmax over rows of n and what is built on it. One routine gives the maximum and the sum of exp(l - max) in the 16-lane order;
/// loss, log-probabilities and probabilities all use it, so they agree bit for bit.
/// </summary>
internal static unsafe class SoftmaxKernel
{
    /// <summary>Maximum and log(sum of exp(l - max)) of a row; log-probability of i is (l[i] - max) - logSum.</summary>
    internal static void Statistics(float* logits, int n, out float max, out float logSum)
    {
        max = RowReduce.Max(logits, n);
        logSum = VectorMath.Log(SumExp(logits, n, max, null));
    }

    /// <summary>Scalar twin of <see cref="Statistics"/>.</summary>
    internal static void StatisticsScalar(float* logits, int n, out float max, out float logSum)
    {
        max = RowReduce.MaxScalar(logits, n);
        logSum = VectorMath.Log(SumExpScalar(logits, n, max, null));
    }

    /// <summary>Log-probability of one token under softmax(logits[n]): the bits of the loss.</summary>
    internal static float LogProb(float* logits, int n, int id)
    {
        Statistics(logits, n, out float max, out float logSum);
        return logits[id] - max - logSum;
    }

    /// <summary>logp[i] = log-probability of ids[i] under softmax(logits[n]), for <paramref name="count"/> tokens of one row.</summary>
    internal static void LogProbs(float* logits, int n, int* ids, int count, float* logp)
    {
        Statistics(logits, n, out float max, out float logSum);
        for (int i = 0; i < count; i++)
            logp[i] = logits[ids[i]] - max - logSum;
    }

    /// <summary>logp = (l - max) - log(sum) over rows [firstRow, firstRow + numRows) of n; may be in place.</summary>
    internal static void LogSoftmax(int firstRow, int numRows, int n, float* logits, float* logp)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* l = logits + (t * n), y = logp + (t * n);
            Statistics(l, n, out float max, out float logSum);
            Vector256<float> m = Vector256.Create(max), s = Vector256.Create(logSum);
            int i = 0;
            for (; i <= n - 8; i += 8)
                (Vector256.Load(l + i) - m - s).Store(y + i);

            for (; i < n; i++)
                y[i] = l[i] - max - logSum;
        }
    }

    /// <summary>dlogits = dlogp - exp(logp) * sum(dlogp) over rows [firstRow, firstRow + numRows) of n; may be in place of either.</summary>
    internal static void LogSoftmaxBackward(int firstRow, int numRows, int n, float* logp, float* dlogp, float* dlogits)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* lp = logp + (t * n), d = dlogp + (t * n), y = dlogits + (t * n);
            float sum = -RowReduce.Sum(d, n);
            var s = Vector256.Create(sum);
            int i = 0;
            for (; i <= n - 8; i += 8)
                Vector256.FusedMultiplyAdd(VectorMath.Exp(Vector256.Load(lp + i)), s, Vector256.Load(d + i)).Store(y + i);

            for (; i < n; i++)
                y[i] = MathF.FusedMultiplyAdd(VectorMath.Exp(lp[i]), sum, d[i]);
        }
    }

    /// <summary>
    /// p = exp(l - max) / sum over rows [firstRow, firstRow + numRows) of n; may be in place. Entries of -infinity become exactly 0; a row of nothing else too.
    /// </summary>
    internal static void Forward(int firstRow, int numRows, int n, float* logits, float* p)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* l = logits + (t * n), y = p + (t * n);
            float max = RowReduce.Max(l, n);
            float sum = SumExp(l, n, max == float.NegativeInfinity ? 0f : max, y);
            Elementwise.Scale(0, n, sum == 0f ? 0f : 1f / sum, y, y);
        }
    }

    /// <summary>Scalar twin of <see cref="Forward"/>.</summary>
    internal static void ForwardScalar(int firstRow, int numRows, int n, float* logits, float* p)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* l = logits + (t * n), y = p + (t * n);
            float max = RowReduce.MaxScalar(l, n);
            float sum = SumExpScalar(l, n, max == float.NegativeInfinity ? 0f : max, y);
            Elementwise.ScaleScalar(0, n, sum == 0f ? 0f : 1f / sum, y, y);
        }
    }

    /// <summary>dlogits = p * (dp - sum(p * dp)) over rows [firstRow, firstRow + numRows) of n; may be in place of either.</summary>
    internal static void Backward(int firstRow, int numRows, int n, float* p, float* dp, float* dlogits)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float* pt = p + (t * n), d = dp + (t * n), y = dlogits + (t * n);
            float dot = RowReduce.Dot(pt, d, n);
            var v = Vector256.Create(dot);
            int i = 0;
            for (; i <= n - 8; i += 8)
                (Vector256.Load(pt + i) * (Vector256.Load(d + i) - v)).Store(y + i);

            for (; i < n; i++)
                y[i] = pt[i] * (d[i] - dot);
        }
    }

    /// <summary>Scalar twin of <see cref="Backward"/>.</summary>
    internal static void BackwardScalar(int firstRow, int numRows, int n, float* p, float* dp, float* dlogits)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            float dot = RowReduce.DotScalar(p + (t * n), dp + (t * n), n);
            for (long i = t * n; i < (t + 1) * n; i++)
                dlogits[i] = p[i] * (dp[i] - dot);
        }
    }

    /// <summary>16-lane sum of exp(x - max); the exponentials are written to <paramref name="exps"/> where it is not null (it may be x).</summary>
    internal static float SumExp(float* x, int n, float max, float* exps)
    {
        Vector256<float> lo = Vector256<float>.Zero, hi = lo, m = Vector256.Create(max);
        int i = 0;
        for (; i <= n - RowReduce.Lanes; i += RowReduce.Lanes)
        {
            var a = VectorMath.Exp(Vector256.Load(x + i) - m);
            var b = VectorMath.Exp(Vector256.Load(x + i + 8) - m);
            lo += a;
            hi += b;
            if (exps != null)
            {
                a.Store(exps + i);
                b.Store(exps + i + 8);
            }
        }

        if (i < n)
        {
            RowReduce.LoadTail(x + i, n - i, float.NegativeInfinity, out var a, out var b);
            a = VectorMath.Exp(a - m);
            b = VectorMath.Exp(b - m);
            lo += a;
            hi += b;
            if (exps != null)
            {
                for (; i < n; i++)
                    exps[i] = VectorMath.Exp(x[i] - max);
            }
        }

        return RowReduce.FoldSum(lo, hi);
    }

    /// <summary>Scalar twin of <see cref="SumExp"/>.</summary>
    internal static float SumExpScalar(float* x, int n, float max, float* exps)
    {
        float* lanes = stackalloc float[RowReduce.Lanes];
        RowReduce.Fill(lanes, 0f);
        for (int i = 0; i < n; i++)
        {
            float e = VectorMath.Exp(x[i] - max);
            lanes[i & 15] += e;
            if (exps != null)
                exps[i] = e;
        }

        return RowReduce.FoldSumScalar(lanes);
    }
}
