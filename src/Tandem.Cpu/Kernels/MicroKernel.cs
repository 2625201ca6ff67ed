using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// The register tiles that all products share: 1 to 6 rows by 16 columns, 1 to 3 rows by 32. Each element is one ascending chain of fused
/// multiply-adds over the inner dimension, started from 0 or continued from memory, so cutting the inner dimension or the rows differently gives the same bits.
/// </summary>
internal static unsafe class MicroKernel
{
    /// <summary>Rows of the largest tile: 12 of 16 registers hold sums, which hides the latency of the multiply-add twice over.</summary>
    public const int Rows = 6;

    /// <summary>Columns of a panel.</summary>
    public const int Columns = 16;

    /// <summary>Most rows of <see cref="Pair{T, TStored}"/>.</summary>
    public const int PairRows = 3;

    /// <summary>
    /// C[i, 0..15] = (load ? C : 0) + sum over p of A[i, p] * B[p, 0..15] for <paramref name="rows"/> (1 to 6) rows, B being part of a panel.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile<T, TStored>(float* a, nint lda, T* b, nint count, float* c, nint ldc, int rows, bool load)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        switch (rows)
        {
            case 6: Panel<SixRows, T, TStored>(a, lda, b, count, c, ldc, load); break;
            case 5: Panel<FiveRows, T, TStored>(a, lda, b, count, c, ldc, load); break;
            case 4: Panel<FourRows, T, TStored>(a, lda, b, count, c, ldc, load); break;
            case 3: Panel<ThreeRows, T, TStored>(a, lda, b, count, c, ldc, load); break;
            case 2: Panel<TwoRows, T, TStored>(a, lda, b, count, c, ldc, load); break;
            default: Panel<OneRows, T, TStored>(a, lda, b, count, c, ldc, load); break;
        }
    }

    /// <summary>The same where only <paramref name="columns"/> of the 16 columns of C exist: goes through a full tile on the stack.</summary>
    public static void PartialTile<T, TStored>(float* a, nint lda, T* b, nint count, float* c, nint ldc, int rows, int columns, bool load)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        float* tile = stackalloc float[Rows * Columns];
        for (int i = 0; load && i < rows; i++)
            for (int j = 0; j < columns; j++) tile[(i * Columns) + j] = c[(i * ldc) + j];
        Tile<T, TStored>(a, lda, b, count, tile, Columns, rows, load);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) c[(i * ldc) + j] = tile[(i * Columns) + j];
    }

    /// <summary>C[i, 0..31] = sum over p of A[i, p] * [B0[p, 0..15], B1[p, 0..15]] for 1 to 3 rows: too few rows to hide latency over one panel.</summary>
    public static void Pair<T, TStored>(float* a, nint lda, T* b0, T* b1, nint count, float* c, nint ldc, int rows)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        if (rows == 1) Pair<OneRows, T, TStored>(a, lda, b0, b1, count, c, ldc);
        else if (rows == 2) Pair<TwoRows, T, TStored>(a, lda, b0, b1, count, c, ldc);
        else Pair<ThreeRows, T, TStored>(a, lda, b0, b1, count, c, ldc);
    }

    private static void Panel<TRows, T, TStored>(float* a, nint lda, T* b, nint count, float* c, nint ldc, bool load)
        where TRows : struct, IRowCount
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        Vector256<float> c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51;
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = Vector256<float>.Zero;
        if (load)
        {
            Load(c, out c00, out c01);
            if (TRows.Count > 1) Load(c + ldc, out c10, out c11);
            if (TRows.Count > 2) Load(c + (2 * ldc), out c20, out c21);
            if (TRows.Count > 3) Load(c + (3 * ldc), out c30, out c31);
            if (TRows.Count > 4) Load(c + (4 * ldc), out c40, out c41);
            if (TRows.Count > 5) Load(c + (5 * ldc), out c50, out c51);
        }

        float* a3 = a + (3 * lda);
        for (float* end = a + count; a < end; a++, a3++, b += Columns)
        {
            Vector256<float> b0 = TStored.Load8(b), b1 = TStored.Load8(b + 8);
            Add(*a, b0, b1, ref c00, ref c01);
            if (TRows.Count > 1) Add(a[lda], b0, b1, ref c10, ref c11);
            if (TRows.Count > 2) Add(a[2 * lda], b0, b1, ref c20, ref c21);
            if (TRows.Count > 3) Add(*a3, b0, b1, ref c30, ref c31);
            if (TRows.Count > 4) Add(a3[lda], b0, b1, ref c40, ref c41);
            if (TRows.Count > 5) Add(a3[2 * lda], b0, b1, ref c50, ref c51);
        }

        Store(c, c00, c01);
        if (TRows.Count > 1) Store(c + ldc, c10, c11);
        if (TRows.Count > 2) Store(c + (2 * ldc), c20, c21);
        if (TRows.Count > 3) Store(c + (3 * ldc), c30, c31);
        if (TRows.Count > 4) Store(c + (4 * ldc), c40, c41);
        if (TRows.Count > 5) Store(c + (5 * ldc), c50, c51);
    }

    private static void Pair<TRows, T, TStored>(float* a, nint lda, T* b0, T* b1, nint count, float* c, nint ldc)
        where TRows : struct, IRowCount
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        if (Vector512.IsHardwareAccelerated)
        {
            MicroKernel512.Pair<TRows, T, TStored>(a, lda, b0, b1, count, c, ldc);
            return;
        }

        Vector256<float> c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23;
        c00 = c01 = c02 = c03 = c10 = c11 = c12 = c13 = c20 = c21 = c22 = c23 = Vector256<float>.Zero;
        for (float* end = a + count; a < end; a++, b0 += Columns, b1 += Columns)
        {
            Vector256<float> w0 = TStored.Load8(b0), w1 = TStored.Load8(b0 + 8);
            Add(*a, w0, w1, ref c00, ref c01);
            if (TRows.Count > 1) Add(a[lda], w0, w1, ref c10, ref c11);
            if (TRows.Count > 2) Add(a[2 * lda], w0, w1, ref c20, ref c21);
            w0 = TStored.Load8(b1);
            w1 = TStored.Load8(b1 + 8);
            Add(*a, w0, w1, ref c02, ref c03);
            if (TRows.Count > 1) Add(a[lda], w0, w1, ref c12, ref c13);
            if (TRows.Count > 2) Add(a[2 * lda], w0, w1, ref c22, ref c23);
        }

        Store(c, c00, c01);
        Store(c + 16, c02, c03);
        if (TRows.Count > 1)
        {
            Store(c + ldc, c10, c11);
            Store(c + ldc + 16, c12, c13);
        }

        if (TRows.Count > 2)
        {
            Store(c + (2 * ldc), c20, c21);
            Store(c + (2 * ldc) + 16, c22, c23);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float x, Vector256<float> b0, Vector256<float> b1, ref Vector256<float> c0, ref Vector256<float> c1)
    {
        Vector256<float> v = Vector256.Create(x);
        c0 = Vector256.FusedMultiplyAdd(v, b0, c0);
        c1 = Vector256.FusedMultiplyAdd(v, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* c, out Vector256<float> c0, out Vector256<float> c1)
    {
        c0 = Vector256.Load(c);
        c1 = Vector256.Load(c + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector256<float> c0, Vector256<float> c1)
    {
        c0.Store(c);
        c1.Store(c + 8);
    }
}
