using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>Tiles of types with blocks of 256 with 512-bit vectors: 1 to 8 rows by 16 outputs. The results of a block are added where they end up, once per 256 elements.</summary>
internal static unsafe class LargeTiles512
{
    private const int PrefetchBytes = 2048, PrefetchRows = 3;

    /// <summary>c[i, 0..15] = row i times a panel.</summary>
    public static void Run<T>(byte* a, long rowBytes, byte* panel, int blocks, float* c, long ldc, int rows)
        where T : struct, ILargePanel
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

    [SkipLocalsInit]
    private static void Tile<TRows, T>(byte* a, nint ld, byte* panel, int blocks, float* c, nint ldy)
        where TRows : struct, IRowCount
        where T : struct, ILargePanel
    {
        short* factors = stackalloc short[LargeBytes.Scales], minima = stackalloc short[LargeBytes.Minima];
        for (int k = 0; k < blocks; k++, panel += T.Bytes, a += RowQuantizer.LargeBytes)
        {
            T.Scales(panel, factors, minima);
            Vector512<int> n0, n1, n2, n3, n4, n5, n6, n7;
            n0 = n1 = n2 = n3 = n4 = n5 = n6 = n7 = Vector512<int>.Zero;
            for (int unit = 0; unit < LargeShape<T>.Units; unit++)
            {
                for (int i = 0; TRows.Count <= PrefetchRows && i < T.Bytes / LargeShape<T>.Units; i += 64) Sse.Prefetch0(panel + PrefetchBytes + (unit * (T.Bytes / LargeShape<T>.Units)) + i);
                int element = LargeShape<T>.First(unit);
                Vector512<short> lowScale = Vector512.Load(factors + (element / T.SubBlock * 32));
                Vector512<short> highScale = Vector512.Load(factors + ((element + T.Distance) / T.SubBlock * 32));
                byte* x = a + 4 + element, x3 = x + (3 * ld), x6 = x + (6 * ld);
                if (T.IsWide) highScale = lowScale << 4;
                for (int first = 0; first < LargeShape<T>.Vectors; first += T.Chain)
                {
                    Vector512<short> l0, l1, l2, l3, l4, l5, l6, l7, h0, h1, h2, h3, h4, h5, h6, h7;
                    l0 = l1 = l2 = l3 = l4 = l5 = l6 = l7 = Vector512<short>.Zero;
                    h0 = h1 = h2 = h3 = h4 = h5 = h6 = h7 = Vector512<short>.Zero;
                    for (int g = first; g < first + T.Chain; g++, x += 4, x3 += 4, x6 += 4)
                    {
                        T.Load512(panel, unit, g, out Vector512<byte> low, out Vector512<byte> high);
                        if (T.IsWide)
                        {
                            Vector512<byte> next = high;
                            PanelBytes.Split512(low, out low, out high);
                            (l0, h0) = (l0 + Product(low, x), h0 + Product(high, x));
                            if (TRows.Count > 1) (l1, h1) = (l1 + Product(low, x + ld), h1 + Product(high, x + ld));
                            if (TRows.Count > 2) (l2, h2) = (l2 + Product(low, x + (2 * ld)), h2 + Product(high, x + (2 * ld)));
                            if (TRows.Count > 3) (l3, h3) = (l3 + Product(low, x3), h3 + Product(high, x3));
                            if (TRows.Count > 4) (l4, h4) = (l4 + Product(low, x3 + ld), h4 + Product(high, x3 + ld));
                            if (TRows.Count > 5) (l5, h5) = (l5 + Product(low, x3 + (2 * ld)), h5 + Product(high, x3 + (2 * ld)));
                            if (TRows.Count > 6) (l6, h6) = (l6 + Product(low, x6), h6 + Product(high, x6));
                            if (TRows.Count > 7) (l7, h7) = (l7 + Product(low, x6 + ld), h7 + Product(high, x6 + ld));

                            PanelBytes.Split512(next, out low, out high);
                            (l0, h0) = (l0 + Product(low, x + T.Distance), h0 + Product(high, x + T.Distance));
                            if (TRows.Count > 1) (l1, h1) = (l1 + Product(low, x + ld + T.Distance), h1 + Product(high, x + ld + T.Distance));
                            if (TRows.Count > 2) (l2, h2) = (l2 + Product(low, x + (2 * ld) + T.Distance), h2 + Product(high, x + (2 * ld) + T.Distance));
                            if (TRows.Count > 3) (l3, h3) = (l3 + Product(low, x3 + T.Distance), h3 + Product(high, x3 + T.Distance));
                            if (TRows.Count > 4) (l4, h4) = (l4 + Product(low, x3 + ld + T.Distance), h4 + Product(high, x3 + ld + T.Distance));
                            if (TRows.Count > 5) (l5, h5) = (l5 + Product(low, x3 + (2 * ld) + T.Distance), h5 + Product(high, x3 + (2 * ld) + T.Distance));
                            if (TRows.Count > 6) (l6, h6) = (l6 + Product(low, x6 + T.Distance), h6 + Product(high, x6 + T.Distance));
                            if (TRows.Count > 7) (l7, h7) = (l7 + Product(low, x6 + ld + T.Distance), h7 + Product(high, x6 + ld + T.Distance));
                            continue;
                        }

                        (l0, h0) = (l0 + Product(low, x), h0 + Product(high, x + T.Distance));
                        if (TRows.Count > 1) (l1, h1) = (l1 + Product(low, x + ld), h1 + Product(high, x + ld + T.Distance));
                        if (TRows.Count > 2) (l2, h2) = (l2 + Product(low, x + (2 * ld)), h2 + Product(high, x + (2 * ld) + T.Distance));
                        if (TRows.Count > 3) (l3, h3) = (l3 + Product(low, x3), h3 + Product(high, x3 + T.Distance));
                        if (TRows.Count > 4) (l4, h4) = (l4 + Product(low, x3 + ld), h4 + Product(high, x3 + ld + T.Distance));
                        if (TRows.Count > 5) (l5, h5) = (l5 + Product(low, x3 + (2 * ld)), h5 + Product(high, x3 + (2 * ld) + T.Distance));
                        if (TRows.Count > 6) (l6, h6) = (l6 + Product(low, x6), h6 + Product(high, x6 + T.Distance));
                        if (TRows.Count > 7) (l7, h7) = (l7 + Product(low, x6 + ld), h7 + Product(high, x6 + ld + T.Distance));
                    }

                    n0 += Fold(l0, lowScale) + Fold(h0, highScale);
                    if (TRows.Count > 1) n1 += Fold(l1, lowScale) + Fold(h1, highScale);
                    if (TRows.Count > 2) n2 += Fold(l2, lowScale) + Fold(h2, highScale);
                    if (TRows.Count > 3) n3 += Fold(l3, lowScale) + Fold(h3, highScale);
                    if (TRows.Count > 4) n4 += Fold(l4, lowScale) + Fold(h4, highScale);
                    if (TRows.Count > 5) n5 += Fold(l5, lowScale) + Fold(h5, highScale);
                    if (TRows.Count > 6) n6 += Fold(l6, lowScale) + Fold(h6, highScale);
                    if (TRows.Count > 7) n7 += Fold(l7, lowScale) + Fold(h7, highScale);
                }
            }

            Vector512<float> scales = Halves(panel + T.ScaleOffsets.Scale), minimumScales = T.HasMinimumScale ? Halves(panel + T.ScaleOffsets.MinimumScale) : default;
            Finish<T>(c, n0, scales, minimumScales, minima, a, k == 0);
            if (TRows.Count > 1) Finish<T>(c + ldy, n1, scales, minimumScales, minima, a + ld, k == 0);
            if (TRows.Count > 2) Finish<T>(c + (2 * ldy), n2, scales, minimumScales, minima, a + (2 * ld), k == 0);
            if (TRows.Count > 3) Finish<T>(c + (3 * ldy), n3, scales, minimumScales, minima, a + (3 * ld), k == 0);
            if (TRows.Count > 4) Finish<T>(c + (4 * ldy), n4, scales, minimumScales, minima, a + (4 * ld), k == 0);
            if (TRows.Count > 5) Finish<T>(c + (5 * ldy), n5, scales, minimumScales, minima, a + (5 * ld), k == 0);
            if (TRows.Count > 6) Finish<T>(c + (6 * ldy), n6, scales, minimumScales, minima, a + (6 * ld), k == 0);
            if (TRows.Count > 7) Finish<T>(c + (7 * ldy), n7, scales, minimumScales, minima, a + (7 * ld), k == 0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Product(Vector512<byte> w, byte* a) => Avx512BW.MultiplyAddAdjacent(w, Vector512.Create(*(int*)a).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Fold(Vector512<short> sums, Vector512<short> scale) => Avx512BW.MultiplyAddAdjacent(sums, scale);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Halves(byte* source) => PanelBytes.Halves(source).ToVector512Unsafe().WithUpper(PanelBytes.Halves(source + 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<T>(float* c, Vector512<int> sum, Vector512<float> scales, Vector512<float> minimumScales, short* minima, byte* a, bool isFirst)
        where T : struct, ILargePanel
    {
        Vector512<int> minimum = Vector512<int>.Zero;
        for (int i = 0; i < 8; i++) minimum += Avx512BW.MultiplyAddAdjacent(Vector512.Load(minima + (32 * i)), Vector512.Create(*(int*)(a + RowQuantizer.LargeSums + (4 * i))).AsInt16());
        if (!T.HasMinimumScale) sum -= minimum;
        Vector512<float> scale = Vector512.Create(*(float*)a), acc = isFirst ? Vector512<float>.Zero : Vector512.Load(c);
        acc = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(sum), scales * scale, acc);
        if (T.HasMinimumScale) acc = Vector512.FusedMultiplyAdd(-(minimumScales * scale), Vector512.ConvertToSingle(minimum), acc);
        acc.Store(c);
    }
}
