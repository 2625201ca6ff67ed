namespace Tandem.Cpu;

/// <summary>Scalar twins of <see cref="MatMul"/>: what an element is, term by term.</summary>
internal static unsafe class MatMulScalar
{
    /// <summary>y[rows, N] = x[rows, K] W^T: one chain over K.</summary>
    public static void Forward<T, TStored>(float* x, T* w, float* y, int rows, int n, int k)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        for (int r = 0; r < rows; r++)
        {
            for (int i = 0; i < n; i++)
            {
                float sum = 0;
                for (int j = 0; j < k; j++) sum = MathF.FusedMultiplyAdd(x[((long)r * k) + j], TStored.Load(w + Place(i, j, k)), sum);
                y[((long)r * n) + i] = sum;
            }
        }
    }

    /// <summary>dx[rows, K] = (accumulate ? dx : 0) + dy[rows, N] W: one chain over N.</summary>
    public static void InputGrad<T, TStored>(float* dy, T* w, float* dx, int rows, int n, int k, bool accumulate)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        for (int r = 0; r < rows; r++)
        {
            for (int j = 0; j < k; j++)
            {
                float sum = accumulate ? dx[((long)r * k) + j] : 0;
                for (int i = 0; i < n; i++) sum = MathF.FusedMultiplyAdd(dy[((long)r * n) + i], TStored.Load(w + Place(i, j, k)), sum);
                dx[((long)r * k) + j] = sum;
            }
        }
    }

    /// <summary>dW (f32 panels of [N, K]) += dy[rows, N]^T x[rows, K]: one chain over rows that continues dW.</summary>
    public static void WeightGrad(float* dy, float* x, float* dw, int rows, int n, int k)
    {
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < k; j++)
            {
                for (long r = 0; r < rows; r++) dw[Place(i, j, k)] = MathF.FusedMultiplyAdd(x[(r * k) + j], dy[(r * n) + i], dw[Place(i, j, k)]);
            }
        }
    }

    private static long Place(int output, int input, int inputs) =>
        (((output / MicroKernel.Columns * (long)inputs) + input) * MicroKernel.Columns) + (output % MicroKernel.Columns);
}
