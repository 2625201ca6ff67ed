using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// The register tile that all f32 products share: up to 6 rows by 16 columns. Each element is one ascending chain of fused multiply-adds over the
/// inner dimension, started from 0 or continued from memory, so cutting the inner dimension or the rows differently gives the same bits.
/// </summary>
internal static unsafe class MicroKernel
{
    public const int Rows = 6;
    public const int Columns = 16;

    /// <summary>
    /// C[i, 0..15] = (load ? C : 0) + sum over p of A[i * rowStride + p * innerStride] * B[p * 16 ..]. Rows at or beyond <paramref name="rows"/> are not written.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile(float* a, nint rowStride, nint innerStride, float* b, nint count, float* c, nint ldc, int rows, bool load)
    {
        if (rows < Rows)
        {
            Partial(a, rowStride, innerStride, b, count, c, ldc, rows, load);
            return;
        }

        Vector256<float> c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51;
        if (load)
        {
            c00 = Vector256.Load(c);
            c01 = Vector256.Load(c + 8);
            c10 = Vector256.Load(c + ldc);
            c11 = Vector256.Load(c + ldc + 8);
            c20 = Vector256.Load(c + (2 * ldc));
            c21 = Vector256.Load(c + (2 * ldc) + 8);
            c30 = Vector256.Load(c + (3 * ldc));
            c31 = Vector256.Load(c + (3 * ldc) + 8);
            c40 = Vector256.Load(c + (4 * ldc));
            c41 = Vector256.Load(c + (4 * ldc) + 8);
            c50 = Vector256.Load(c + (5 * ldc));
            c51 = Vector256.Load(c + (5 * ldc) + 8);
        }
        else
        {
            c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = Vector256<float>.Zero;
        }

        float* a3 = a + (3 * rowStride);
        for (nint p = 0; p < count; p++)
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
            Vector256<float> x = Vector256.Create(*a);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            x = Vector256.Create(a[rowStride]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            x = Vector256.Create(a[2 * rowStride]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            x = Vector256.Create(*a3);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
            x = Vector256.Create(a3[rowStride]);
            c40 = Vector256.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector256.FusedMultiplyAdd(x, b1, c41);
            x = Vector256.Create(a3[2 * rowStride]);
            c50 = Vector256.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector256.FusedMultiplyAdd(x, b1, c51);
            a += innerStride;
            a3 += innerStride;
            b += Columns;
        }

        c00.Store(c);
        c01.Store(c + 8);
        c10.Store(c + ldc);
        c11.Store(c + ldc + 8);
        c20.Store(c + (2 * ldc));
        c21.Store(c + (2 * ldc) + 8);
        c30.Store(c + (3 * ldc));
        c31.Store(c + (3 * ldc) + 8);
        c40.Store(c + (4 * ldc));
        c41.Store(c + (4 * ldc) + 8);
        c50.Store(c + (5 * ldc));
        c51.Store(c + (5 * ldc) + 8);
    }

    /// <summary>The same where only <paramref name="columns"/> of the 16 columns of C exist: goes through a full tile on the stack.</summary>
    public static void PartialColumns(float* a, nint rowStride, nint innerStride, float* b, nint count, float* c, nint ldc, int rows, int columns, bool load)
    {
        float* tile = stackalloc float[Rows * Columns];
        for (int i = 0; load && i < rows; i++)
            for (int j = 0; j < columns; j++) tile[(i * Columns) + j] = c[(i * ldc) + j];
        Tile(a, rowStride, innerStride, b, count, tile, Columns, rows, load);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) c[(i * ldc) + j] = tile[(i * Columns) + j];
    }

    // One row at a time; a single chain a lane leaves the FMA units half idle, but B comes from the first-level cache after the first row.
    private static void Partial(float* a, nint rowStride, nint innerStride, float* b, nint count, float* c, nint ldc, int rows, bool load)
    {
        int i = 0;
        for (; i + 3 <= rows; i += 3) Three(a + (i * rowStride), rowStride, innerStride, b, count, c + (i * ldc), ldc, load);
        for (; i < rows; i++)
        {
            float* x = a + (i * rowStride), y = c + (i * ldc), w = b;
            Vector256<float> c0 = load ? Vector256.Load(y) : Vector256<float>.Zero, c1 = load ? Vector256.Load(y + 8) : Vector256<float>.Zero;
            for (nint p = 0; p < count; p++, x += innerStride, w += Columns)
            {
                Vector256<float> v = Vector256.Create(*x);
                c0 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w), c0);
                c1 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w + 8), c1);
            }

            c0.Store(y);
            c1.Store(y + 8);
        }
    }

    private static void Three(float* a, nint rowStride, nint innerStride, float* b, nint count, float* c, nint ldc, bool load)
    {
        Vector256<float> c00, c01, c10, c11, c20, c21;
        c00 = c01 = c10 = c11 = c20 = c21 = Vector256<float>.Zero;
        if (load)
        {
            c00 = Vector256.Load(c);
            c01 = Vector256.Load(c + 8);
            c10 = Vector256.Load(c + ldc);
            c11 = Vector256.Load(c + ldc + 8);
            c20 = Vector256.Load(c + (2 * ldc));
            c21 = Vector256.Load(c + (2 * ldc) + 8);
        }

        for (nint p = 0; p < count; p++, a += innerStride, b += Columns)
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
            Vector256<float> x = Vector256.Create(*a);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            x = Vector256.Create(a[rowStride]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            x = Vector256.Create(a[2 * rowStride]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
        }

        c00.Store(c);
        c01.Store(c + 8);
        c10.Store(c + ldc);
        c11.Store(c + ldc + 8);
        c20.Store(c + (2 * ldc));
        c21.Store(c + (2 * ldc) + 8);
    }
}
