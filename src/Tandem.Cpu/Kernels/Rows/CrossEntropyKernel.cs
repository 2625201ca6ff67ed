using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>What a row's loss consists of.</summary>
/// <param name="LabelSmoothing">e: share of the target spread evenly over the vocabulary, 0 for none.</param>
/// <param name="ZLoss">z: coefficient of lse^2, 0 for none.</param>
internal readonly record struct CrossEntropyTerms(float LabelSmoothing, float ZLoss);

/// <summary>
/// Softmax cross entropy over rows of logits [R, V], with its gradient in place of the logits:
/// loss = (1 - e) (-logp[target]) + e mean(-logp) + z lse^2, lse = max + log(sum of exp(l - max)), logp = (l - max) - log(sum).
/// The sum form: nobody divides by the number of tokens here. A negative target (-100) is not counted: loss 0, gradient exactly 0.
/// </summary>
internal static unsafe class CrossEntropyKernel
{
    /// <summary>
    /// Rows [firstRow, firstRow + numRows). Writes loss[r], lse[r] and logp[r] of the target (0, lse, 0 where not counted); each may be null.
    /// With <paramref name="gradient"/>, logits[r, :] become weights[r] * dloss/dlogits (weights null: 1), the weight being the gradient of the loss of that row.
    /// </summary>
    internal static void Run(
        int firstRow, int numRows, int n, float* logits, int* targets, float* weights, CrossEntropyTerms terms, bool gradient, float* loss, float* lse, float* logp)
    {
        for (long r = firstRow; r < (long)firstRow + numRows; r++)
        {
            float* l = logits + (r * n);
            int target = targets[r];
            if (target < 0)
            {
                Skip(l, n, r, gradient, loss, lse, logp);
                continue;
            }

            float max = RowReduce.Max(l, n);
            float distances = terms.LabelSmoothing == 0f ? 0f : SumDistances(l, n, max);
            float targetLogit = l[target];
            float sum = SoftmaxKernel.SumExp(l, n, max, gradient ? l : null);
            var row = Finish(targetLogit, max, sum, distances, n, terms, r, loss, lse, logp);
            if (!gradient)
                continue;

            float weight = weights == null ? 1f : weights[r];
            Factors(row, sum, n, terms, weight, out float scale, out float shift);
            Vector256<float> s = Vector256.Create(scale), d = Vector256.Create(shift);
            int i = 0;
            for (; i <= n - 8; i += 8)
                Vector256.FusedMultiplyAdd(Vector256.Load(l + i), s, d).Store(l + i);

            for (; i < n; i++)
                l[i] = MathF.FusedMultiplyAdd(l[i], scale, shift);

            l[target] -= weight * (1f - terms.LabelSmoothing);
        }
    }

    /// <summary>Scalar twin of <see cref="Run"/>.</summary>
    internal static void RunScalar(
        int firstRow, int numRows, int n, float* logits, int* targets, float* weights, CrossEntropyTerms terms, bool gradient, float* loss, float* lse, float* logp)
    {
        float* lanes = stackalloc float[RowReduce.Lanes];
        for (long r = firstRow; r < (long)firstRow + numRows; r++)
        {
            float* l = logits + (r * n);
            int target = targets[r];
            if (target < 0)
            {
                SkipScalar(l, n, r, gradient, loss, lse, logp);
                continue;
            }

            float max = RowReduce.MaxScalar(l, n);
            float distances = 0f;
            if (terms.LabelSmoothing != 0f)
            {
                RowReduce.Fill(lanes, 0f);
                for (int i = 0; i < n; i++)
                    lanes[i & 15] += l[i] - max;

                distances = RowReduce.FoldSumScalar(lanes);
            }

            float targetLogit = l[target];
            float sum = SoftmaxKernel.SumExpScalar(l, n, max, gradient ? l : null);
            var row = Finish(targetLogit, max, sum, distances, n, terms, r, loss, lse, logp);
            if (!gradient)
                continue;

            float weight = weights == null ? 1f : weights[r];
            Factors(row, sum, n, terms, weight, out float scale, out float shift);
            for (int i = 0; i < n; i++)
                l[i] = MathF.FusedMultiplyAdd(l[i], scale, shift);

            l[target] -= weight * (1f - terms.LabelSmoothing);
        }
    }

    /// <summary>The row's results from its sums; gives lse.</summary>
    private static float Finish(
        float targetLogit, float max, float sum, float distances, int n, CrossEntropyTerms terms, long r, float* loss, float* lse, float* logp)
    {
        float logSum = VectorMath.Log(sum);
        float lp = targetLogit - max - logSum;
        float rowLse = max + logSum;
        float e = terms.LabelSmoothing;
        float total = -lp;
        if (e != 0f)
            total = MathF.FusedMultiplyAdd(1f - e, total, e * (logSum - (distances / n)));

        if (terms.ZLoss != 0f)
            total = MathF.FusedMultiplyAdd(terms.ZLoss * rowLse, rowLse, total);

        if (loss != null)
            loss[r] = total;

        if (lse != null)
            lse[r] = rowLse;

        if (logp != null)
            logp[r] = lp;

        return rowLse;
    }

    /// <summary>Gradient of any logit but the target's: exp(l - max) * scale + shift.</summary>
    private static void Factors(float lse, float sum, int n, CrossEntropyTerms terms, float weight, out float scale, out float shift)
    {
        scale = weight * MathF.FusedMultiplyAdd(2f * terms.ZLoss, lse, 1f) / sum;
        shift = terms.LabelSmoothing == 0f ? 0f : -(weight * terms.LabelSmoothing) / n;
    }

    private static void Skip(float* l, int n, long r, bool gradient, float* loss, float* lse, float* logp)
    {
        if (lse != null)
        {
            SoftmaxKernel.Statistics(l, n, out float max, out float logSum);
            lse[r] = max + logSum;
        }

        Clear(l, n, r, gradient, loss, logp);
    }

    private static void SkipScalar(float* l, int n, long r, bool gradient, float* loss, float* lse, float* logp)
    {
        if (lse != null)
        {
            SoftmaxKernel.StatisticsScalar(l, n, out float max, out float logSum);
            lse[r] = max + logSum;
        }

        Clear(l, n, r, gradient, loss, logp);
    }

    private static void Clear(float* l, int n, long r, bool gradient, float* loss, float* logp)
    {
        if (loss != null)
            loss[r] = 0f;

        if (logp != null)
            logp[r] = 0f;

        if (gradient)
            NativeMemory.Clear(l, (nuint)n * sizeof(float));
    }

    /// <summary>16-lane sum of l - max.</summary>
    private static float SumDistances(float* x, int n, float max)
    {
        Vector256<float> lo = Vector256<float>.Zero, hi = lo, m = Vector256.Create(max);
        int i = 0;
        for (; i <= n - RowReduce.Lanes; i += RowReduce.Lanes)
        {
            lo += Vector256.Load(x + i) - m;
            hi += Vector256.Load(x + i + 8) - m;
        }

        if (i < n)
        {
            RowReduce.LoadTail(x + i, n - i, max, out var a, out var b);
            lo += a - m;
            hi += b - m;
        }

        return RowReduce.FoldSum(lo, hi);
    }
}
