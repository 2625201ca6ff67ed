using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>Tiles of types with blocks of 32 with 256-bit vectors: 1 to 4 rows by half a panel, a vector of sums a row. The bits of <see cref="SmallTiles512"/>.</summary>
internal static unsafe class SmallTiles256
{
    private const int MaxRows = 4;
    private const int PrefetchBytes = 2048, PrefetchRows = 3;

    /// <summary>c[i, 0..15] = row i times a panel.</summary>
    public static void Run<T>(byte* a, long rowBytes, byte* panel, int blocks, float* c, long ldc, int rows)
        where T : struct, ISmallPanel
    {
        nint ld = (nint)rowBytes, ldy = (nint)ldc;
        for (; rows > 0; rows -= MaxRows, a += MaxRows * ld, c += MaxRows * ldy)
        {
            Half<T>(a, ld, panel, blocks, c, ldy, rows, 0);
            Half<T>(a, ld, panel, blocks, c + 8, ldy, rows, 1);
        }
    }

    private static void Half<T>(byte* a, nint ld, byte* panel, int blocks, float* c, nint ldy, int rows, int half)
        where T : struct, ISmallPanel
    {
        switch (rows)
        {
            case 3: Tile<ThreeRows, T>(a, ld, panel, blocks, c, ldy, half); break;
            case 2: Tile<TwoRows, T>(a, ld, panel, blocks, c, ldy, half); break;
            case 1: Tile<OneRows, T>(a, ld, panel, blocks, c, ldy, half); break;
            default: Tile<FourRows, T>(a, ld, panel, blocks, c, ldy, half); break;
        }
    }

    private static void Tile<TRows, T>(byte* a, nint ld, byte* panel, int blocks, float* c, nint ldy, int half)
        where TRows : struct, IRowCount
        where T : struct, ISmallPanel
    {
        Vector256<float> c0, c1, c2, c3;
        c0 = c1 = c2 = c3 = Vector256<float>.Zero;
        byte* a3 = a + (3 * ld);
        for (int k = 0; k < blocks; k++, panel += T.Bytes, a += RowQuantizer.SmallBytes, a3 += RowQuantizer.SmallBytes)
        {
            for (int i = 0; TRows.Count <= PrefetchRows && i < T.Bytes; i += 64) Sse.Prefetch0(panel + PrefetchBytes + i);
            Vector256<int> n0, n1, n2, n3;
            n0 = n1 = n2 = n3 = Vector256<int>.Zero;
            if (T.IsWide)
            {
                Vector256<short> s0, s1, s2, s3, t0, t1, t2, t3;
                s0 = s1 = s2 = s3 = Vector256<short>.Zero;
                t0 = t1 = t2 = t3 = Vector256<short>.Zero;
                for (int g = 0; g < 4; g++)
                {
                    T.Load256(panel, g, half, out Vector256<byte> first, out Vector256<byte> second);
                    PanelBytes.Split256(first, out Vector256<byte> low, out Vector256<byte> high);
                    (s0, t0) = (s0 + Product(low, a + 8 + (4 * g)), t0 + Product(high, a + 8 + (4 * g)));
                    if (TRows.Count > 1) (s1, t1) = (s1 + Product(low, a + ld + 8 + (4 * g)), t1 + Product(high, a + ld + 8 + (4 * g)));
                    if (TRows.Count > 2) (s2, t2) = (s2 + Product(low, a + (2 * ld) + 8 + (4 * g)), t2 + Product(high, a + (2 * ld) + 8 + (4 * g)));
                    if (TRows.Count > 3) (s3, t3) = (s3 + Product(low, a3 + 8 + (4 * g)), t3 + Product(high, a3 + 8 + (4 * g)));
                    PanelBytes.Split256(second, out low, out high);
                    (s0, t0) = (s0 + Product(low, a + 24 + (4 * g)), t0 + Product(high, a + 24 + (4 * g)));
                    if (TRows.Count > 1) (s1, t1) = (s1 + Product(low, a + ld + 24 + (4 * g)), t1 + Product(high, a + ld + 24 + (4 * g)));
                    if (TRows.Count > 2) (s2, t2) = (s2 + Product(low, a + (2 * ld) + 24 + (4 * g)), t2 + Product(high, a + (2 * ld) + 24 + (4 * g)));
                    if (TRows.Count > 3) (s3, t3) = (s3 + Product(low, a3 + 24 + (4 * g)), t3 + Product(high, a3 + 24 + (4 * g)));
                }

                n0 = Pairs(s0) + Avx2.MultiplyAddAdjacent(t0, Vector256.Create((short)16));
                if (TRows.Count > 1) n1 = Pairs(s1) + Avx2.MultiplyAddAdjacent(t1, Vector256.Create((short)16));
                if (TRows.Count > 2) n2 = Pairs(s2) + Avx2.MultiplyAddAdjacent(t2, Vector256.Create((short)16));
                if (TRows.Count > 3) n3 = Pairs(s3) + Avx2.MultiplyAddAdjacent(t3, Vector256.Create((short)16));
            }
            else
            {
                for (int first = 0; first < 4; first += T.Chain / 2)
                {
                    Vector256<short> s0, s1, s2, s3;
                    s0 = s1 = s2 = s3 = Vector256<short>.Zero;
                    for (int g = first; g < first + (T.Chain / 2); g++)
                    {
                        T.Load256(panel, g, half, out Vector256<byte> low, out Vector256<byte> high);
                        s0 += Product(low, a + 8 + (4 * g)) + Product(high, a + 24 + (4 * g));
                        if (TRows.Count > 1) s1 += Product(low, a + ld + 8 + (4 * g)) + Product(high, a + ld + 24 + (4 * g));
                        if (TRows.Count > 2) s2 += Product(low, a + (2 * ld) + 8 + (4 * g)) + Product(high, a + (2 * ld) + 24 + (4 * g));
                        if (TRows.Count > 3) s3 += Product(low, a3 + 8 + (4 * g)) + Product(high, a3 + 24 + (4 * g));
                    }

                    n0 += Pairs(s0);
                    if (TRows.Count > 1) n1 += Pairs(s1);
                    if (TRows.Count > 2) n2 += Pairs(s2);
                    if (TRows.Count > 3) n3 += Pairs(s3);
                }
            }

            Vector256<float> scales = T.Scales(panel, half), minima = T.Minima(panel, half);
            c0 = Add<T>(c0, n0, scales, minima, a);
            if (TRows.Count > 1) c1 = Add<T>(c1, n1, scales, minima, a + ld);
            if (TRows.Count > 2) c2 = Add<T>(c2, n2, scales, minima, a + (2 * ld));
            if (TRows.Count > 3) c3 = Add<T>(c3, n3, scales, minima, a3);
        }

        c0.Store(c);
        if (TRows.Count > 1) c1.Store(c + (1 * ldy));
        if (TRows.Count > 2) c2.Store(c + (2 * ldy));
        if (TRows.Count > 3) c3.Store(c + (3 * ldy));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Product(Vector256<byte> w, byte* a) => Avx2.MultiplyAddAdjacent(w, Vector256.Create(*(int*)a).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Pairs(Vector256<short> sums) => Avx2.MultiplyAddAdjacent(sums, Vector256<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add<T>(Vector256<float> c, Vector256<int> sum, Vector256<float> scales, Vector256<float> minima, byte* a)
        where T : struct, ISmallPanel
    {
        if (T.Zero != 0) sum -= Vector256.Create(T.Zero * *(int*)(a + 4));
        Vector256<float> scale = Vector256.Create(*(float*)a);
        c = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sum), scales * scale, c);
        return T.HasMinimum ? Vector256.FusedMultiplyAdd(minima * scale, Vector256.Create((float)*(int*)(a + 4)), c) : c;
    }
}
