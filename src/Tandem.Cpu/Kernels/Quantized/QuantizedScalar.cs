using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>The quantized products in plain arithmetic: what the tiles are compared with, and the kernel of processors without AVX2.</summary>
internal static unsafe class QuantizedScalar
{
    private const int Outputs = 16;

    /// <summary>c[i, 0..15] = row i times a panel.</summary>
    public static void Run<T>(byte* a, long rowBytes, byte* panel, int blocks, float* c, long ldc, int rows)
        where T : struct, ISmallPanel
    {
        for (int row = 0; row < rows; row++)
        {
            for (int output = 0; output < Outputs; output++)
            {
                float acc = 0;
                for (int k = 0; k < blocks; k++)
                {
                    byte* x = a + (row * rowBytes) + ((long)k * RowQuantizer.SmallBytes), w = panel + ((long)k * T.Bytes);
                    float scale = *(float*)x;
                    int rowSum = *(int*)(x + 4);
                    acc = MathF.FusedMultiplyAdd(Sum<T>(w, (sbyte*)x + 8, output) - (T.Zero * rowSum), T.Scale(w, output) * scale, acc);
                    if (T.HasMinimum) acc = MathF.FusedMultiplyAdd(T.Minimum(w, output) * scale, rowSum, acc);
                }

                c[(row * ldc) + output] = acc;
            }
        }
    }

    private static int Sum<T>(byte* block, sbyte* x, int output)
        where T : struct, ISmallPanel
    {
        int sum = 0;
        for (int g = 0; g < 4; g++)
        {
            T.Load512(block, g, out Vector512<byte> low, out Vector512<byte> high);
            for (int j = 0; j < 4; j++)
                sum += (Value(low[(4 * output) + j]) * x[(4 * g) + j]) + (Value(high[(4 * output) + j]) * x[16 + (4 * g) + j]);
        }

        return sum;

        static int Value(byte w) => T.IsSigned ? (sbyte)w : w;
    }
}
