using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// The register tile of processors with 512-bit vectors: 1 to 12 rows by 16 columns, one vector a row, of a left operand whose rows lie
/// <see cref="MatMul.InnerBlock"/> apart. The chains, and so the bits, are those of <see cref="MicroKernel"/>; a third of the instructions leaves the
/// processor more time to wait for the caches.
/// </summary>
internal static unsafe class MicroKernel512
{
    /// <summary>Rows of the largest tile.</summary>
    public const int Rows = 12;

    private const int Lda = MatMul.InnerBlock;

    /// <summary>C[i, 0..15] = (load ? C : 0) + sum over p of A[i, p] * B[p, 0..15] for <paramref name="rows"/> (1 to 12) rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile(float* a, float* b, nint count, float* c, nint ldc, int rows, bool load)
    {
        switch (rows)
        {
            case 12: Panel<TwelveRows>(a, b, count, c, ldc, load); break;
            case 11: Panel<ElevenRows>(a, b, count, c, ldc, load); break;
            case 10: Panel<TenRows>(a, b, count, c, ldc, load); break;
            case 9: Panel<NineRows>(a, b, count, c, ldc, load); break;
            case 8: Panel<EightRows>(a, b, count, c, ldc, load); break;
            case 7: Panel<SevenRows>(a, b, count, c, ldc, load); break;
            case 6: Panel<SixRows>(a, b, count, c, ldc, load); break;
            case 5: Panel<FiveRows>(a, b, count, c, ldc, load); break;
            case 4: Panel<FourRows>(a, b, count, c, ldc, load); break;
            case 3: Panel<ThreeRows>(a, b, count, c, ldc, load); break;
            case 2: Panel<TwoRows>(a, b, count, c, ldc, load); break;
            default: Panel<OneRows>(a, b, count, c, ldc, load); break;
        }
    }

    private static void Panel<TRows>(float* a, float* b, nint count, float* c, nint ldc, bool load)
        where TRows : struct, IRowCount
    {
        Vector512<float> c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11;
        c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = c8 = c9 = c10 = c11 = Vector512<float>.Zero;
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
        }

        for (float* end = a + count; a < end; a++, b += MicroKernel.Columns)
        {
            Vector512<float> w = Vector512.Load(b);
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
    }
}
