using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>Turns pairs of a head's first dimensions by a row's position: (a cos - b sin, b cos + a sin), each by one product and one fused multiply-add.</summary>
internal static unsafe class RopeKernel
{
    /// <summary>One row of heads; <paramref name="cos"/> and <paramref name="sin"/> are the position's. y may be x.</summary>
    public static void Row(Rope op, float* x, float* y, int width, float* cos, float* sin)
    {
        int half = op.RotaryDim / 2, step = op.Interleaved ? 2 : 1, second = op.Interleaved ? 1 : half;
        for (int head = 0; head < width; head += op.HeadDim)
        {
            for (int i = 0; i < half; i++)
            {
                float a = x[head + (i * step)], b = x[head + (i * step) + second], s = op.Inverse ? -sin[i] : sin[i];
                y[head + (i * step)] = MathF.FusedMultiplyAdd(a, cos[i], -(b * s));
                y[head + (i * step) + second] = MathF.FusedMultiplyAdd(b, cos[i], a * s);
            }

            if (x != y)
                for (int i = op.RotaryDim; i < op.HeadDim; i++) y[head + i] = x[head + i];
        }
    }
}
