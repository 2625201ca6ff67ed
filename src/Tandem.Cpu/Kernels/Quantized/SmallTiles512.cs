using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>Tiles of types with blocks of 32 with 512-bit vectors: 1 to 8 rows by 16 outputs, a vector of sums a row.</summary>
internal static unsafe class SmallTiles512
{
    // A panel is read once from memory; few rows leave the processor's own prefetching too late.
    private const int PrefetchBytes = 2048, PrefetchRows = 3;

    /// <summary>c[i, 0..15] = row i times a panel.</summary>
    public static void Run<T>(byte* a, long rowBytes, byte* panel, int blocks, float* c, long ldc, int rows)
        where T : struct, ISmallPanel
    {
        nint ld = (nint)rowBytes, ldy = (nint)ldc;
        switch (rows)
        {
            case 7: Tile<SevenRows, T>(a, ld, panel, blocks, c, ldy); break;
            case 6: Tile<SixRows, T>(a, ld, panel, blocks, c, ldy); break;
            case 5: Tile<FiveRows, T>(a, ld, panel, blocks, c, ldy); break;
            case 4: Tile<FourRows, T>(a, ld, panel, blocks, c, ldy); break;
            case 3: Tile<ThreeRows, T>(a, ld, panel, blocks, c, ldy); break;
            case 2: Tile<TwoRows, T>(a, ld, panel, blocks, c, ldy); break;
            case 1: Tile<OneRows, T>(a, ld, panel, blocks, c, ldy); break;
            default: Tile<EightRows, T>(a, ld, panel, blocks, c, ldy); break;
        }
    }

    private static void Tile<TRows, T>(byte* a, nint ld, byte* panel, int blocks, float* c, nint ldy)
        where TRows : struct, IRowCount
        where T : struct, ISmallPanel
    {
        Vector512<float> c0, c1, c2, c3, c4, c5, c6, c7;
        c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = Vector512<float>.Zero;
        byte* a3 = a + (3 * ld);
        byte* a6 = a + (6 * ld);
        for (int k = 0; k < blocks; k++, panel += T.Bytes, a += RowQuantizer.SmallBytes, a3 += RowQuantizer.SmallBytes, a6 += RowQuantizer.SmallBytes)
        {
            for (int i = 0; TRows.Count <= PrefetchRows && i < T.Bytes; i += 64) Sse.Prefetch0(panel + PrefetchBytes + i);
            Vector512<int> n0, n1, n2, n3, n4, n5, n6, n7;
            n0 = n1 = n2 = n3 = n4 = n5 = n6 = n7 = Vector512<int>.Zero;
            if (T.IsWide)
            {
                Vector512<short> s0, s1, s2, s3, s4, s5, s6, s7, t0, t1, t2, t3, t4, t5, t6, t7;
                s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = Vector512<short>.Zero;
                t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = Vector512<short>.Zero;
                for (int g = 0; g < 4; g++)
                {
                    T.Load512(panel, g, out Vector512<byte> first, out Vector512<byte> second);
                    PanelBytes.Split512(first, out Vector512<byte> low, out Vector512<byte> high);
                    (s0, t0) = (s0 + Product(low, a + 8 + (4 * g)), t0 + Product(high, a + 8 + (4 * g)));
                    if (TRows.Count > 1) (s1, t1) = (s1 + Product(low, a + ld + 8 + (4 * g)), t1 + Product(high, a + ld + 8 + (4 * g)));
                    if (TRows.Count > 2) (s2, t2) = (s2 + Product(low, a + (2 * ld) + 8 + (4 * g)), t2 + Product(high, a + (2 * ld) + 8 + (4 * g)));
                    if (TRows.Count > 3) (s3, t3) = (s3 + Product(low, a3 + 8 + (4 * g)), t3 + Product(high, a3 + 8 + (4 * g)));
                    if (TRows.Count > 4) (s4, t4) = (s4 + Product(low, a3 + ld + 8 + (4 * g)), t4 + Product(high, a3 + ld + 8 + (4 * g)));
                    if (TRows.Count > 5) (s5, t5) = (s5 + Product(low, a3 + (2 * ld) + 8 + (4 * g)), t5 + Product(high, a3 + (2 * ld) + 8 + (4 * g)));
                    if (TRows.Count > 6) (s6, t6) = (s6 + Product(low, a6 + 8 + (4 * g)), t6 + Product(high, a6 + 8 + (4 * g)));
                    if (TRows.Count > 7) (s7, t7) = (s7 + Product(low, a6 + ld + 8 + (4 * g)), t7 + Product(high, a6 + ld + 8 + (4 * g)));
                    PanelBytes.Split512(second, out low, out high);
                    (s0, t0) = (s0 + Product(low, a + 24 + (4 * g)), t0 + Product(high, a + 24 + (4 * g)));
                    if (TRows.Count > 1) (s1, t1) = (s1 + Product(low, a + ld + 24 + (4 * g)), t1 + Product(high, a + ld + 24 + (4 * g)));
                    if (TRows.Count > 2) (s2, t2) = (s2 + Product(low, a + (2 * ld) + 24 + (4 * g)), t2 + Product(high, a + (2 * ld) + 24 + (4 * g)));
                    if (TRows.Count > 3) (s3, t3) = (s3 + Product(low, a3 + 24 + (4 * g)), t3 + Product(high, a3 + 24 + (4 * g)));
                    if (TRows.Count > 4) (s4, t4) = (s4 + Product(low, a3 + ld + 24 + (4 * g)), t4 + Product(high, a3 + ld + 24 + (4 * g)));
                    if (TRows.Count > 5) (s5, t5) = (s5 + Product(low, a3 + (2 * ld) + 24 + (4 * g)), t5 + Product(high, a3 + (2 * ld) + 24 + (4 * g)));
                    if (TRows.Count > 6) (s6, t6) = (s6 + Product(low, a6 + 24 + (4 * g)), t6 + Product(high, a6 + 24 + (4 * g)));
                    if (TRows.Count > 7) (s7, t7) = (s7 + Product(low, a6 + ld + 24 + (4 * g)), t7 + Product(high, a6 + ld + 24 + (4 * g)));
                }

                n0 = Pairs(s0) + Avx512BW.MultiplyAddAdjacent(t0, Vector512.Create((short)16));
                if (TRows.Count > 1) n1 = Pairs(s1) + Avx512BW.MultiplyAddAdjacent(t1, Vector512.Create((short)16));
                if (TRows.Count > 2) n2 = Pairs(s2) + Avx512BW.MultiplyAddAdjacent(t2, Vector512.Create((short)16));
                if (TRows.Count > 3) n3 = Pairs(s3) + Avx512BW.MultiplyAddAdjacent(t3, Vector512.Create((short)16));
                if (TRows.Count > 4) n4 = Pairs(s4) + Avx512BW.MultiplyAddAdjacent(t4, Vector512.Create((short)16));
                if (TRows.Count > 5) n5 = Pairs(s5) + Avx512BW.MultiplyAddAdjacent(t5, Vector512.Create((short)16));
                if (TRows.Count > 6) n6 = Pairs(s6) + Avx512BW.MultiplyAddAdjacent(t6, Vector512.Create((short)16));
                if (TRows.Count > 7) n7 = Pairs(s7) + Avx512BW.MultiplyAddAdjacent(t7, Vector512.Create((short)16));
            }
            else
            {
                for (int first = 0; first < 4; first += T.Chain / 2)
                {
                    Vector512<short> s0, s1, s2, s3, s4, s5, s6, s7;
                    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = Vector512<short>.Zero;
                    for (int g = first; g < first + (T.Chain / 2); g++)
                    {
                        T.Load512(panel, g, out Vector512<byte> low, out Vector512<byte> high);
                        s0 += Product(low, a + 8 + (4 * g)) + Product(high, a + 24 + (4 * g));
                        if (TRows.Count > 1) s1 += Product(low, a + ld + 8 + (4 * g)) + Product(high, a + ld + 24 + (4 * g));
                        if (TRows.Count > 2) s2 += Product(low, a + (2 * ld) + 8 + (4 * g)) + Product(high, a + (2 * ld) + 24 + (4 * g));
                        if (TRows.Count > 3) s3 += Product(low, a3 + 8 + (4 * g)) + Product(high, a3 + 24 + (4 * g));
                        if (TRows.Count > 4) s4 += Product(low, a3 + ld + 8 + (4 * g)) + Product(high, a3 + ld + 24 + (4 * g));
                        if (TRows.Count > 5) s5 += Product(low, a3 + (2 * ld) + 8 + (4 * g)) + Product(high, a3 + (2 * ld) + 24 + (4 * g));
                        if (TRows.Count > 6) s6 += Product(low, a6 + 8 + (4 * g)) + Product(high, a6 + 24 + (4 * g));
                        if (TRows.Count > 7) s7 += Product(low, a6 + ld + 8 + (4 * g)) + Product(high, a6 + ld + 24 + (4 * g));
                    }

                    n0 += Pairs(s0);
                    if (TRows.Count > 1) n1 += Pairs(s1);
                    if (TRows.Count > 2) n2 += Pairs(s2);
                    if (TRows.Count > 3) n3 += Pairs(s3);
                    if (TRows.Count > 4) n4 += Pairs(s4);
                    if (TRows.Count > 5) n5 += Pairs(s5);
                    if (TRows.Count > 6) n6 += Pairs(s6);
                    if (TRows.Count > 7) n7 += Pairs(s7);
                }
            }

            Vector512<float> scales = PanelBytes.Scales512<T>(panel), minima = PanelBytes.Minima512<T>(panel);
            c0 = Add<T>(c0, n0, scales, minima, a);
            if (TRows.Count > 1) c1 = Add<T>(c1, n1, scales, minima, a + ld);
            if (TRows.Count > 2) c2 = Add<T>(c2, n2, scales, minima, a + (2 * ld));
            if (TRows.Count > 3) c3 = Add<T>(c3, n3, scales, minima, a3);
            if (TRows.Count > 4) c4 = Add<T>(c4, n4, scales, minima, a3 + ld);
            if (TRows.Count > 5) c5 = Add<T>(c5, n5, scales, minima, a3 + (2 * ld));
            if (TRows.Count > 6) c6 = Add<T>(c6, n6, scales, minima, a6);
            if (TRows.Count > 7) c7 = Add<T>(c7, n7, scales, minima, a6 + ld);
        }

        c0.Store(c);
        if (TRows.Count > 1) c1.Store(c + (1 * ldy));
        if (TRows.Count > 2) c2.Store(c + (2 * ldy));
        if (TRows.Count > 3) c3.Store(c + (3 * ldy));
        if (TRows.Count > 4) c4.Store(c + (4 * ldy));
        if (TRows.Count > 5) c5.Store(c + (5 * ldy));
        if (TRows.Count > 6) c6.Store(c + (6 * ldy));
        if (TRows.Count > 7) c7.Store(c + (7 * ldy));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Product(Vector512<byte> w, byte* a) => Avx512BW.MultiplyAddAdjacent(w, Vector512.Create(*(int*)a).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Pairs(Vector512<short> sums) => Avx512BW.MultiplyAddAdjacent(sums, Vector512<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Add<T>(Vector512<float> c, Vector512<int> sum, Vector512<float> scales, Vector512<float> minima, byte* a)
        where T : struct, ISmallPanel
    {
        if (T.Zero != 0) sum -= Vector512.Create(T.Zero * *(int*)(a + 4));
        Vector512<float> scale = Vector512.Create(*(float*)a);
        c = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(sum), scales * scale, c);
        return T.HasMinimum ? Vector512.FusedMultiplyAdd(minima * scale, Vector512.Create((float)*(int*)(a + 4)), c) : c;
    }
}
