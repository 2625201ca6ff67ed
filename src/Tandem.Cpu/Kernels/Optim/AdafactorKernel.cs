using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>The numbers of one step of Adafactor that depend on nothing but the step.</summary>
internal readonly struct AdafactorStep
{
    public AdafactorStep(Adafactor op, double lr, long t)
    {
        double power = Math.Pow(t, op.DecayRate);
        Take = power;
        Keep = 1 - power;
        Decay = op.WeightDecay;
        LearningRate = lr;
        if (op.Form == AdafactorForm.Torch)
        {
            Rate = Math.Min(lr, 1 / Math.Sqrt(t));
            return;
        }

        double ceiling = op.WarmupInit ? 1e-6 * t : 1e-2;
        Rate = op.RelativeStep ? Math.Min(ceiling, 1 / Math.Sqrt(t)) * op.LearningRateFactor : lr;
    }

    /// <summary>Weight of the running means.</summary>
    public double Keep { get; }

    /// <summary>Weight of this step's means.</summary>
    public double Take { get; }

    /// <summary>Coefficient of decay.</summary>
    public double Decay { get; }

    /// <summary>The given learning rate.</summary>
    public double LearningRate { get; }

    /// <summary>The rate before it is scaled by the weight.</summary>
    public double Rate { get; }
}

/// <summary>
/// Sums of Adafactor (see <see cref="Adafactor"/>) over the logical matrix: f64, along a row by ascending column, along a column by ascending row.
/// </summary>
internal static unsafe class AdafactorKernel
{
    /// <summary>sums[i] = sum over columns of (scale g)^2 and weightSums[i] = sum of p^2, for rows [first, last).</summary>
    internal static void RowSums(int first, int last, MatrixView view, float* gradient, float scale, WeightMemory weight, double* sums, double* weightSums)
    {
        for (int i = first; i < last; i++)
        {
            long row = view.Row(i);
            double sum = 0, weightSum = 0;
            for (int j = 0; j < view.Columns; j++)
            {
                long place = row + view.Column(j);
                float g = gradient[place] * scale, p = weight.Load(place);
                sum += (double)g * g;
                weightSum += (double)p * p;
            }

            sums[i] = sum;
            weightSums[i] = weightSum;
        }
    }

    /// <summary>sums[j] = sum over rows of (scale g)^2, for columns [first, last), at most 16.</summary>
    internal static void ColumnSums(int first, int last, MatrixView view, float* gradient, float scale, double* sums)
    {
        new Span<double>(sums + first, last - first).Clear();
        for (int i = 0; i < view.Rows; i++)
        {
            long row = view.Row(i);
            for (int j = first; j < last; j++)
            {
                float g = gradient[row + view.Column(j)] * scale;
                sums[j] += (double)g * g;
            }
        }
    }

    /// <summary>means = keep means + take (sums / count + eps), and the mean over all of them.</summary>
    internal static double UpdateMeans(AdafactorStep step, double eps, double* sums, int count, float* means, int n)
    {
        double total = 0;
        for (int i = 0; i < n; i++)
        {
            means[i] = (float)((step.Keep * means[i]) + (step.Take * ((sums[i] / count) + eps)));
            total += means[i];
        }

        return total / n;
    }

    /// <summary>The second moments of a vector: v = keep v + take ((scale g)^2 + eps).</summary>
    internal static void UpdateVector(AdafactorStep step, double eps, int n, float* gradient, float scale, float* v)
    {
        for (int j = 0; j < n; j++)
        {
            float g = gradient[j] * scale;
            v[j] = (float)((step.Keep * v[j]) + (step.Take * (((double)g * g) + eps)));
        }
    }
}
