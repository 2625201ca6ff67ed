using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>The quantized products in plain arithmetic: what the tiles are compared with, and the kernel of processors without AVX2.</summary>
internal static unsafe class QuantizedScalar
{
    private const int Outputs = 16;

    /// <summary>c[i, 0..15] = row i times a panel of blocks of 32.</summary>
    public static void Small<T>(byte* a, long rowBytes, byte* panel, int blocks, float* c, long ldc, int rows)
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
                sum += (low[(4 * output) + j] * x[(4 * g) + j]) + (high[(4 * output) + j] * x[16 + (4 * g) + j]);
        }

        return sum;
    }

    /// <summary>c[i, 0..15] = row i times a panel of blocks of 256.</summary>
    public static void Large<T>(byte* a, long rowBytes, byte* panel, int blocks, float* c, long ldc, int rows)
        where T : struct, ILargePanel
    {
        short* scales = stackalloc short[LargeBytes.Scales], minima = stackalloc short[LargeBytes.Minima];
        short* codes = stackalloc short[Outputs * RowQuantizer.LargeElements];
        for (int k = 0; k < blocks; k++, panel += T.Bytes, a += RowQuantizer.LargeBytes)
        {
            T.Scales(panel, scales, minima);
            Codes<T>(panel, codes);
            for (int row = 0; row < rows; row++)
            {
                byte* x = a + (row * rowBytes);
                short* sums = (short*)(x + RowQuantizer.LargeSums);
                for (int output = 0; output < Outputs; output++)
                {
                    int sum = 0, minimum = 0;
                    for (int i = 0; i < RowQuantizer.LargeElements; i++) sum += codes[(output * RowQuantizer.LargeElements) + i] * ((sbyte*)x)[4 + i] * scales[(i / T.SubBlock * 32) + (2 * output)];
                    for (int i = 0; i < 16; i++) minimum += minima[(i / 2 * 32) + (2 * output) + (i % 2)] * sums[i];
                    if (!T.HasMinimumScale) sum -= minimum;
                    float scale = *(float*)x, acc = k == 0 ? 0 : c[(row * ldc) + output];
                    acc = MathF.FusedMultiplyAdd(sum, (float)((Half*)(panel + T.ScaleOffsets.Scale))[output] * scale, acc);
                    if (T.HasMinimumScale) acc = MathF.FusedMultiplyAdd(-((float)((Half*)(panel + T.ScaleOffsets.MinimumScale))[output] * scale), minimum, acc);
                    c[(row * ldc) + output] = acc;
                }
            }
        }
    }

    // [output][element]
    private static void Codes<T>(byte* block, short* codes)
        where T : struct, ILargePanel
    {
        for (int unit = 0; unit < LargeShape<T>.Units; unit++)
        {
            for (int g = 0; g < LargeShape<T>.Vectors; g++)
            {
                T.Load512(block, unit, g, out Vector512<byte> low, out Vector512<byte> high);
                for (int i = 0; i < 64; i++)
                {
                    short* to = codes + (i / 4 * RowQuantizer.LargeElements) + LargeShape<T>.First(unit) + (4 * g) + (i % 4);
                    (to[0], to[T.Distance]) = (low[i], high[i]);
                }
            }
        }
    }
}
