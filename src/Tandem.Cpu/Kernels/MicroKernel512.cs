using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>
/// The register tile of processors with 512-bit vectors: 1 to 16 rows by 16 columns, one vector a row, of a left operand whose rows lie
/// <see cref="MatMul.InnerBlock"/> apart. The chains, and so the bits, are those of <see cref="MicroKernel"/>; a third of the instructions leaves the
/// processor more time to wait for the caches.
/// </summary>
internal static unsafe class MicroKernel512
{
    /// <summary>Rows of the largest tile.</summary>
    public const int MaxRows = 16;

    /// <summary>Rows of a tile where there are many: the sums of the next tile have to come to the first-level cache as well.</summary>
    public const int Rows = 12;

    // Few rows leave the processor's own prefetching too late; where a panel is in the cache anyway this costs nothing that could be measured.
    private const int PrefetchBytes = 2048;

    private const int Lda = MatMul.InnerBlock;

    /// <summary>C[i, 0..15] = (load ? C : 0) + sum over p of A[i, p] * B[p, 0..15] for <paramref name="rows"/> (1 to 16) rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile<T, TStored>(float* a, T* b, nint count, float* c, nint ldc, int rows, bool load)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        switch (rows)
        {
            case 16: Panel<SixteenRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 15: Panel<FifteenRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 14: Panel<FourteenRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 13: Panel<ThirteenRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 12: Panel<TwelveRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 11: Panel<ElevenRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 10: Panel<TenRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 9: Panel<NineRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 8: Panel<EightRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 7: Panel<SevenRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 6: Panel<SixRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 5: Panel<FiveRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 4: Panel<FourRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 3: Panel<ThreeRows, T, TStored>(a, b, count, c, ldc, load); break;
            case 2: Panel<TwoRows, T, TStored>(a, b, count, c, ldc, load); break;
            default: Panel<OneRows, T, TStored>(a, b, count, c, ldc, load); break;
        }
    }

    private static void Panel<TRows, T, TStored>(float* a, T* b, nint count, float* c, nint ldc, bool load)
        where TRows : struct, IRowCount
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        Vector512<float> c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15;
        c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = c8 = c9 = c10 = c11 = c12 = c13 = c14 = c15 = Vector512<float>.Zero;
        if (load)
        {
            c0 = Vector512.Load(c);
            if (TRows.Count > 1) c1 = Vector512.Load(c + (1 * ldc));
            if (TRows.Count > 2) c2 = Vector512.Load(c + (2 * ldc));
            if (TRows.Count > 3) c3 = Vector512.Load(c + (3 * ldc));
            if (TRows.Count > 4) c4 = Vector512.Load(c + (4 * ldc));
            if (TRows.Count > 5) c5 = Vector512.Load(c + (5 * ldc));
            if (TRows.Count > 6) c6 = Vector512.Load(c + (6 * ldc));
            if (TRows.Count > 7) c7 = Vector512.Load(c + (7 * ldc));
            if (TRows.Count > 8) c8 = Vector512.Load(c + (8 * ldc));
            if (TRows.Count > 9) c9 = Vector512.Load(c + (9 * ldc));
            if (TRows.Count > 10) c10 = Vector512.Load(c + (10 * ldc));
            if (TRows.Count > 11) c11 = Vector512.Load(c + (11 * ldc));
            if (TRows.Count > 12) c12 = Vector512.Load(c + (12 * ldc));
            if (TRows.Count > 13) c13 = Vector512.Load(c + (13 * ldc));
            if (TRows.Count > 14) c14 = Vector512.Load(c + (14 * ldc));
            if (TRows.Count > 15) c15 = Vector512.Load(c + (15 * ldc));
        }

        for (float* end = a + count; a < end; a++, b += MicroKernel.Columns)
        {
            if (Sse.IsSupported) Sse.Prefetch0((byte*)b + PrefetchBytes);
            Vector512<float> w = TStored.Load16(b);
            c0 = Vector512.FusedMultiplyAdd(Vector512.Create(*a), w, c0);
            if (TRows.Count > 1) c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a[1 * Lda]), w, c1);
            if (TRows.Count > 2) c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a[2 * Lda]), w, c2);
            if (TRows.Count > 3) c3 = Vector512.FusedMultiplyAdd(Vector512.Create(a[3 * Lda]), w, c3);
            if (TRows.Count > 4) c4 = Vector512.FusedMultiplyAdd(Vector512.Create(a[4 * Lda]), w, c4);
            if (TRows.Count > 5) c5 = Vector512.FusedMultiplyAdd(Vector512.Create(a[5 * Lda]), w, c5);
            if (TRows.Count > 6) c6 = Vector512.FusedMultiplyAdd(Vector512.Create(a[6 * Lda]), w, c6);
            if (TRows.Count > 7) c7 = Vector512.FusedMultiplyAdd(Vector512.Create(a[7 * Lda]), w, c7);
            if (TRows.Count > 8) c8 = Vector512.FusedMultiplyAdd(Vector512.Create(a[8 * Lda]), w, c8);
            if (TRows.Count > 9) c9 = Vector512.FusedMultiplyAdd(Vector512.Create(a[9 * Lda]), w, c9);
            if (TRows.Count > 10) c10 = Vector512.FusedMultiplyAdd(Vector512.Create(a[10 * Lda]), w, c10);
            if (TRows.Count > 11) c11 = Vector512.FusedMultiplyAdd(Vector512.Create(a[11 * Lda]), w, c11);
            if (TRows.Count > 12) c12 = Vector512.FusedMultiplyAdd(Vector512.Create(a[12 * Lda]), w, c12);
            if (TRows.Count > 13) c13 = Vector512.FusedMultiplyAdd(Vector512.Create(a[13 * Lda]), w, c13);
            if (TRows.Count > 14) c14 = Vector512.FusedMultiplyAdd(Vector512.Create(a[14 * Lda]), w, c14);
            if (TRows.Count > 15) c15 = Vector512.FusedMultiplyAdd(Vector512.Create(a[15 * Lda]), w, c15);
        }

        c0.Store(c);
        if (TRows.Count > 1) c1.Store(c + (1 * ldc));
        if (TRows.Count > 2) c2.Store(c + (2 * ldc));
        if (TRows.Count > 3) c3.Store(c + (3 * ldc));
        if (TRows.Count > 4) c4.Store(c + (4 * ldc));
        if (TRows.Count > 5) c5.Store(c + (5 * ldc));
        if (TRows.Count > 6) c6.Store(c + (6 * ldc));
        if (TRows.Count > 7) c7.Store(c + (7 * ldc));
        if (TRows.Count > 8) c8.Store(c + (8 * ldc));
        if (TRows.Count > 9) c9.Store(c + (9 * ldc));
        if (TRows.Count > 10) c10.Store(c + (10 * ldc));
        if (TRows.Count > 11) c11.Store(c + (11 * ldc));
        if (TRows.Count > 12) c12.Store(c + (12 * ldc));
        if (TRows.Count > 13) c13.Store(c + (13 * ldc));
        if (TRows.Count > 14) c14.Store(c + (14 * ldc));
        if (TRows.Count > 15) c15.Store(c + (15 * ldc));
    }

    /// <summary>C[i, 0..31] = sum over p of A[i, p] * [B0[p, 0..15], B1[p, 0..15]] for 1 to 3 rows; too few rows to hide latency over one panel.</summary>
    public static void Pair<TRows, T, TStored>(float* a, nint lda, T* b0, T* b1, nint count, float* c, nint ldc)
        where TRows : struct, IRowCount
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        Vector512<float> c00, c01, c10, c11, c20, c21;
        c00 = c01 = c10 = c11 = c20 = c21 = Vector512<float>.Zero;
        for (float* end = a + count; a < end; a++, b0 += MicroKernel.Columns, b1 += MicroKernel.Columns)
        {
            Vector512<float> w0 = TStored.Load16(b0), w1 = TStored.Load16(b1);
            Vector512<float> x = Vector512.Create(*a);
            c00 = Vector512.FusedMultiplyAdd(x, w0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, w1, c01);
            if (TRows.Count > 1)
            {
                x = Vector512.Create(a[lda]);
                c10 = Vector512.FusedMultiplyAdd(x, w0, c10);
                c11 = Vector512.FusedMultiplyAdd(x, w1, c11);
            }

            if (TRows.Count > 2)
            {
                x = Vector512.Create(a[2 * lda]);
                c20 = Vector512.FusedMultiplyAdd(x, w0, c20);
                c21 = Vector512.FusedMultiplyAdd(x, w1, c21);
            }
        }

        c00.Store(c);
        c01.Store(c + 16);
        if (TRows.Count > 1)
        {
            c10.Store(c + ldc);
            c11.Store(c + ldc + 16);
        }

        if (TRows.Count > 2)
        {
            c20.Store(c + (2 * ldc));
            c21.Store(c + (2 * ldc) + 16);
        }
    }
}
