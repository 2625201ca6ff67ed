using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.TestKit;

/// <summary>The f64 twins of the optimizers: one weight in row-major order, by the formulas of the ops' documentation.</summary>
public static class OptimizerReference
{
    /// <summary>One step: changes weight, gradient (to zero) and states in place.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="hyper">The hyper-parameters.</param>
    /// <param name="type">Type of the weight.</param>
    /// <param name="p">The weight.</param>
    /// <param name="gradient">The gradient.</param>
    /// <param name="states">The states, in the optimizer's order.</param>
    public static void Step(OptimizerOp optimizer, double[] hyper, TensorType type, double[] p, double[] gradient, double[][] states)
    {
        double lr = hyper[OptimizerOp.LearningRate] * optimizer.LearningRateFactor, t = hyper[OptimizerOp.StepNumber];
        double[] g = [.. gradient.Select(x => x * hyper[OptimizerOp.GradientScale])];
        Array.Clear(gradient);
        switch (optimizer)
        {
            case AdamW op:
                Scale(p, 1 - (lr * op.WeightDecay));
                RunAdam(lr, op.Beta1, op.Beta2, op.Eps, t, p, g, states[0], states[1]);
                break;
            case Adam op:
                for (int i = 0; i < p.Length; i++) g[i] += op.WeightDecay * p[i];
                RunAdam(lr, op.Beta1, op.Beta2, op.Eps, t, p, g, states[0], states[1]);
                break;
            case Sgd op:
                RunSgd(op, lr, t, p, g, states);
                break;
            case Lion op:
                for (int i = 0; i < p.Length; i++)
                {
                    double m = states[0][i];
                    p[i] = (p[i] * (1 - (lr * op.WeightDecay))) - (lr * Math.Sign((op.Beta1 * m) + ((1 - op.Beta1) * g[i])));
                    states[0][i] = (op.Beta2 * m) + ((1 - op.Beta2) * g[i]);
                }

                break;
            case Adafactor op:
                RunAdafactor(op, lr, t, type, p, g, states);
                break;
            case Muon op:
                RunMuon(op, lr, type.Dims[0], type.Dims[1], p, g, states[0]);
                break;
            default:
                throw new NotSupportedException($"no f64 twin of {optimizer.Name}");
        }
    }

    private static void RunAdam(double lr, double beta1, double beta2, double eps, double t, double[] p, double[] g, double[] m, double[] v)
    {
        for (int i = 0; i < p.Length; i++)
        {
            m[i] = (beta1 * m[i]) + ((1 - beta1) * g[i]);
            v[i] = (beta2 * v[i]) + ((1 - beta2) * g[i] * g[i]);
            p[i] -= lr / (1 - Math.Pow(beta1, t)) * m[i] / ((Math.Sqrt(v[i]) / Math.Sqrt(1 - Math.Pow(beta2, t))) + eps);
        }
    }

    private static void RunSgd(Sgd op, double lr, double t, double[] p, double[] g, double[][] states)
    {
        for (int i = 0; i < p.Length; i++)
        {
            double d = g[i] + (op.WeightDecay * p[i]);
            if (op.Momentum > 0)
            {
                double m = states[0][i] = t == 1 ? d : (op.Momentum * states[0][i]) + ((1 - op.Dampening) * d);
                d = op.Nesterov ? d + (op.Momentum * m) : m;
            }

            p[i] -= lr * d;
        }
    }

    private static void RunAdafactor(Adafactor op, double lr, double t, TensorType type, double[] p, double[] g, double[][] states)
    {
        bool torch = op.Form == AdafactorForm.Torch, isMatrix = type.Dims.Length == 2;
        int rows = isMatrix ? type.Dims[0] : 1, columns = p.Length / rows;
        double take = Math.Pow(t, op.DecayRate), size = RootMeanSquare(p);
        double[] q = [.. g.Select(x => (x * x) + (torch ? 0 : op.Eps1))], u = new double[p.Length];
        double rate = torch ? Math.Max(op.Eps2, size) * Math.Min(lr, 1 / Math.Sqrt(t))
            : (op.RelativeStep ? Math.Min(op.WarmupInit ? 1e-6 * t : 1e-2, 1 / Math.Sqrt(t)) : lr) * (op.ScaleParameter ? Math.Max(op.Eps2, size) : 1);
        if (isMatrix)
        {
            for (int i = 0; i < rows; i++) states[0][i] = ((1 - take) * states[0][i]) + (take * q.Skip(i * columns).Take(columns).Average());
            for (int j = 0; j < columns; j++) states[1][j] = ((1 - take) * states[1][j]) + (take * Enumerable.Range(0, rows).Average(i => q[(i * columns) + j]));
            double mean = states[0].Average();
            for (int i = 0; i < p.Length; i++)
            {
                double r = states[0][i / columns], c = states[1][i % columns];
                u[i] = g[i] / Math.Sqrt(torch ? Math.Max(r * c / Math.Max(mean, op.Eps1), op.Eps1 * op.Eps1) : r / mean * c);
            }
        }
        else
        {
            for (int i = 0; i < p.Length; i++)
            {
                states[0][i] = ((1 - take) * states[0][i]) + (take * q[i]);
                u[i] = g[i] / Math.Sqrt(torch ? Math.Max(states[0][i], op.Eps1 * op.Eps1) : states[0][i]);
            }
        }

        Scale(u, rate / Math.Max(1, RootMeanSquare(u) / op.ClipThreshold));
        if (op.Beta1 > 0)
        {
            double[] m = states[^1];
            for (int i = 0; i < p.Length; i++) u[i] = m[i] = (op.Beta1 * m[i]) + ((1 - op.Beta1) * u[i]);
        }

        Scale(p, 1 - (op.WeightDecay * (torch ? lr : rate)));
        for (int i = 0; i < p.Length; i++) p[i] -= u[i];
    }

    private static void RunMuon(Muon op, double lr, int rows, int columns, double[] p, double[] g, double[] m)
    {
        var u = new double[rows, columns];
        double norm = 0;
        for (int i = 0; i < p.Length; i++)
        {
            m[i] = (op.Momentum * m[i]) + ((1 - op.Momentum) * g[i]);
            double d = op.Nesterov ? ((1 - op.Momentum) * g[i]) + (op.Momentum * m[i]) : m[i];
            u[i / columns, i % columns] = d;
            norm += d * d;
        }

        double[,] x = rows > columns ? Transposed(u) : u;
        double factor = 1 / Math.Max(Math.Sqrt(norm), Muon.SmallestNorm);
        for (int i = 0; i < x.GetLength(0); i++)
            for (int j = 0; j < x.GetLength(1); j++) x[i, j] *= factor;
        for (int k = 0; k < Muon.Iterations; k++)
        {
            double[,] a = Product(x, Transposed(x)), aa = Product(a, a);
            for (int i = 0; i < a.GetLength(0); i++)
                for (int j = 0; j < a.GetLength(1); j++) aa[i, j] = (-4.775 * a[i, j]) + (2.0315 * aa[i, j]);
            double[,] bx = Product(aa, x);
            for (int i = 0; i < x.GetLength(0); i++)
                for (int j = 0; j < x.GetLength(1); j++) x[i, j] = (3.4445 * x[i, j]) + bx[i, j];
        }

        if (rows > columns) x = Transposed(x);
        double adjust = op.Adjust == MuonAdjust.Original ? Math.Sqrt(Math.Max(1, (double)rows / columns)) : 0.2 * Math.Sqrt(Math.Max(rows, columns));
        for (int i = 0; i < p.Length; i++) p[i] = (p[i] * (1 - (lr * op.WeightDecay))) - (lr * adjust * x[i / columns, i % columns]);
    }

    private static double[,] Product(double[,] a, double[,] b)
    {
        var c = new double[a.GetLength(0), b.GetLength(1)];
        for (int i = 0; i < c.GetLength(0); i++)
            for (int k = 0; k < b.GetLength(0); k++)
                for (int j = 0; j < c.GetLength(1); j++) c[i, j] += a[i, k] * b[k, j];
        return c;
    }

    private static double[,] Transposed(double[,] a)
    {
        var b = new double[a.GetLength(1), a.GetLength(0)];
        for (int i = 0; i < a.GetLength(0); i++)
            for (int j = 0; j < a.GetLength(1); j++) b[j, i] = a[i, j];
        return b;
    }

    private static double RootMeanSquare(double[] x) => Math.Sqrt(x.Sum(v => v * v) / x.Length);

    private static void Scale(double[] x, double factor)
    {
        for (int i = 0; i < x.Length; i++) x[i] *= factor;
    }
}
