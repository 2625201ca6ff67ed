using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>Tiles of types with blocks of 256 with 256-bit vectors: 1 to 4 rows by half a panel. The bits of <see cref="LargeTiles512"/>.</summary>
internal static unsafe class LargeTiles256
{
    private const int MaxRows = 4;
    private const int PrefetchBytes = 2048, PrefetchRows = 3;

    /// <summary>c[i, 0..15] = row i times a panel.</summary>
    public static void Run<T>(byte* a, long rowBytes, byte* panel, int blocks, float* c, long ldc, int rows)
        where T : struct, ILargePanel
    {
        nint ld = (nint)rowBytes, ldy = (nint)ldc;
        for (; rows > 0; rows -= MaxRows, a += MaxRows * ld, c += MaxRows * ldy)
        {
            Half<T>(a, ld, panel, blocks, c, ldy, rows, 0);
            Half<T>(a, ld, panel, blocks, c + 8, ldy, rows, 1);
        }
    }

    private static void Half<T>(byte* a, nint ld, byte* panel, int blocks, float* c, nint ldy, int rows, int half)
        where T : struct, ILargePanel
    {
        switch (rows)
        {
            case 3: Tile<ThreeRows, T>(a, ld, panel, blocks, c, ldy, half); break;
            case 2: Tile<TwoRows, T>(a, ld, panel, blocks, c, ldy, half); break;
            case 1: Tile<OneRows, T>(a, ld, panel, blocks, c, ldy, half); break;
            default: Tile<FourRows, T>(a, ld, panel, blocks, c, ldy, half); break;
        }
    }

    [SkipLocalsInit]
    private static void Tile<TRows, T>(byte* a, nint ld, byte* panel, int blocks, float* c, nint ldy, int half)
        where TRows : struct, IRowCount
        where T : struct, ILargePanel
    {
        short* factors = stackalloc short[LargeBytes.Scales], minima = stackalloc short[LargeBytes.Minima];
        for (int k = 0; k < blocks; k++, panel += T.Bytes, a += RowQuantizer.LargeBytes)
        {
            T.Scales(panel, factors, minima);
            Vector256<int> n0, n1, n2, n3;
            n0 = n1 = n2 = n3 = Vector256<int>.Zero;
            for (int unit = 0; unit < LargeShape<T>.Units; unit++)
            {
                for (int i = 0; TRows.Count <= PrefetchRows && i < T.Bytes / LargeShape<T>.Units; i += 64) Sse.Prefetch0(panel + PrefetchBytes + (unit * (T.Bytes / LargeShape<T>.Units)) + i);
                int element = LargeShape<T>.First(unit);
                Vector256<short> lowScale = Vector256.Load(factors + (element / T.SubBlock * 32) + (16 * half));
                Vector256<short> highScale = Vector256.Load(factors + ((element + T.Distance) / T.SubBlock * 32) + (16 * half));
                byte* x = a + 4 + element, x3 = x + (3 * ld);
                if (T.IsWide) highScale = lowScale << 4;
                for (int first = 0; first < LargeShape<T>.Vectors; first += T.Chain)
                {
                    Vector256<short> l0, l1, l2, l3, h0, h1, h2, h3;
                    l0 = l1 = l2 = l3 = Vector256<short>.Zero;
                    h0 = h1 = h2 = h3 = Vector256<short>.Zero;
                    for (int g = first; g < first + T.Chain; g++, x += 4, x3 += 4)
                    {
                        T.Load256(panel, unit, g, half, out Vector256<byte> low, out Vector256<byte> high);
                        if (T.IsWide)
                        {
                            Vector256<byte> next = high;
                            PanelBytes.Split256(low, out low, out high);
                            (l0, h0) = (l0 + Product(low, x), h0 + Product(high, x));
                            if (TRows.Count > 1) (l1, h1) = (l1 + Product(low, x + ld), h1 + Product(high, x + ld));
                            if (TRows.Count > 2) (l2, h2) = (l2 + Product(low, x + (2 * ld)), h2 + Product(high, x + (2 * ld)));
                            if (TRows.Count > 3) (l3, h3) = (l3 + Product(low, x3), h3 + Product(high, x3));

                            PanelBytes.Split256(next, out low, out high);
                            (l0, h0) = (l0 + Product(low, x + T.Distance), h0 + Product(high, x + T.Distance));
                            if (TRows.Count > 1) (l1, h1) = (l1 + Product(low, x + ld + T.Distance), h1 + Product(high, x + ld + T.Distance));
                            if (TRows.Count > 2) (l2, h2) = (l2 + Product(low, x + (2 * ld) + T.Distance), h2 + Product(high, x + (2 * ld) + T.Distance));
                            if (TRows.Count > 3) (l3, h3) = (l3 + Product(low, x3 + T.Distance), h3 + Product(high, x3 + T.Distance));
                            continue;
                        }

                        (l0, h0) = (l0 + Product(low, x), h0 + Product(high, x + T.Distance));
                        if (TRows.Count > 1) (l1, h1) = (l1 + Product(low, x + ld), h1 + Product(high, x + ld + T.Distance));
                        if (TRows.Count > 2) (l2, h2) = (l2 + Product(low, x + (2 * ld)), h2 + Product(high, x + (2 * ld) + T.Distance));
                        if (TRows.Count > 3) (l3, h3) = (l3 + Product(low, x3), h3 + Product(high, x3 + T.Distance));
                    }

                    n0 += Fold(l0, lowScale) + Fold(h0, highScale);
                    if (TRows.Count > 1) n1 += Fold(l1, lowScale) + Fold(h1, highScale);
                    if (TRows.Count > 2) n2 += Fold(l2, lowScale) + Fold(h2, highScale);
                    if (TRows.Count > 3) n3 += Fold(l3, lowScale) + Fold(h3, highScale);
                }
            }

            Vector256<float> scales = PanelBytes.Halves(panel + T.ScaleOffsets.Scale + (16 * half));
            Vector256<float> minimumScales = T.HasMinimumScale ? PanelBytes.Halves(panel + T.ScaleOffsets.MinimumScale + (16 * half)) : default;
            Finish<T>(c, n0, scales, minimumScales, minima + (16 * half), a, k == 0);
            if (TRows.Count > 1) Finish<T>(c + ldy, n1, scales, minimumScales, minima + (16 * half), a + ld, k == 0);
            if (TRows.Count > 2) Finish<T>(c + (2 * ldy), n2, scales, minimumScales, minima + (16 * half), a + (2 * ld), k == 0);
            if (TRows.Count > 3) Finish<T>(c + (3 * ldy), n3, scales, minimumScales, minima + (16 * half), a + (3 * ld), k == 0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Product(Vector256<byte> w, byte* a) => Avx2.MultiplyAddAdjacent(w, Vector256.Create(*(int*)a).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Fold(Vector256<short> sums, Vector256<short> scale) => Avx2.MultiplyAddAdjacent(sums, scale);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<T>(float* c, Vector256<int> sum, Vector256<float> scales, Vector256<float> minimumScales, short* minima, byte* a, bool isFirst)
        where T : struct, ILargePanel
    {
        Vector256<int> minimum = Vector256<int>.Zero;
        for (int i = 0; i < 8; i++) minimum += Avx2.MultiplyAddAdjacent(Vector256.Load(minima + (32 * i)), Vector256.Create(*(int*)(a + RowQuantizer.LargeSums + (4 * i))).AsInt16());
        if (!T.HasMinimumScale) sum -= minimum;
        Vector256<float> scale = Vector256.Create(*(float*)a), acc = isFirst ? Vector256<float>.Zero : Vector256.Load(c);
        acc = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sum), scales * scale, acc);
        if (T.HasMinimumScale) acc = Vector256.FusedMultiplyAdd(-(minimumScales * scale), Vector256.ConvertToSingle(minimum), acc);
        acc.Store(c);
    }
}
