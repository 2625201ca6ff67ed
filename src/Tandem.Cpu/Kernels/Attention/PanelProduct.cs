using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// The right operand of a product: rows of 16 columns, panel after panel. Its inner dimension may be cut once (keys 32 to 63 of a tile lie in another block).
/// </summary>
/// <typeparam name="T">The element in memory.</typeparam>
internal unsafe struct RightPanels<T>
    where T : unmanaged
{
    /// <summary>Row 0 of panel 0.</summary>
    public T* First;

    /// <summary>Row <see cref="Split"/> of panel 0; not read below that row.</summary>
    public T* Second;

    /// <summary>First row that lies in <see cref="Second"/>.</summary>
    public int Split;

    /// <summary>Elements from one row to the next.</summary>
    public nint RowStride;

    /// <summary>Elements from one panel to the next.</summary>
    public nint PanelStride;
}

/// <summary>
/// The small matrix products of attention: 6 rows by 16 columns in registers. Every element is one ascending chain of fused multiply-adds over the inner
/// dimension, from 0 or continued from memory, so that no cut of rows, columns or inner dimension changes a bit. The right operand is widened as it is read.
/// Each row has a range [from, end) of columns or inner indices; neither bound may decrease from a row to the next.
/// </summary>
internal static unsafe class PanelProduct
{
    /// <summary>Rows of a register tile.</summary>
    public const int MaxRows = 6;

    /// <summary>
    /// c[r, n] = sum over d of a[r, d] b[d, n] for the panels of 16 columns, numbered from <paramref name="firstPanel"/>, of which some row of a register tile
    /// sees a column; the others are left as they are. Rows of a are contiguous, b is [panel][inner][16].
    /// </summary>
    public static void Scores<T, TStored>(
        float* a, nint rowStride, int inner, T* b, int firstPanel, int panels, float* c, nint ldc, int rows, int* from, int* end)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        // Panel by panel: one stays in the first-level cache while all rows go over it.
        for (int n = 0; n < panels; n++, b += (nint)inner * 16)
        {
            int column = (firstPanel + n) * 16;
            for (int r = 0, count; r < rows; r += count)
            {
                count = TileRows(rows - r);
                if (from[r] < column + 16 && end[r + count - 1] > column)
                    Tile<T, TStored>(count, a + (r * rowStride), rowStride, 1, b, 16, inner, 0, 0, c + (r * ldc) + column, ldc, false);
            }
        }
    }

    /// <summary>
    /// c[r, n] += sum over k in [from[r], end[r]) of a[r, k] b[k, n] for <paramref name="panels"/> panels of 16 columns.
    /// Element (r, k) of a is at r * rowStride + k * innerStride. Elements outside a row's range take no part, whatever lies there.
    /// </summary>
    public static void Accumulate<T, TStored>(
        float* a, nint rowStride, nint innerStride, in RightPanels<T> b, int panels, float* c, nint ldc, int rows, int* from, int* end)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        for (int n = 0; n < panels; n++, c += 16)
        {
            T* first = b.First + (n * b.PanelStride), second = b.Second + (n * b.PanelStride);
            for (int r = 0, count; r < rows; r += count)
            {
                count = TileRows(rows - r);
                Accumulate<T, TStored>(count, a + (r * rowStride), rowStride, innerStride, first, second, b, c + (r * ldc), ldc, from + r, end + r);
            }
        }
    }

    // Two tiles of 4 rows have shorter chains than one of 6 and one of 2.
    private static int TileRows(int left) => left <= MaxRows ? left : left < 2 * MaxRows ? (left + 1) / 2 : MaxRows;

    // One register tile: what the upper rows see and the lower ones do not yet, what all see, what only the lower rows see.
    private static void Accumulate<T, TStored>(
        int rows, float* a, nint rowStride, nint innerStride, T* first, T* second, in RightPanels<T> b, float* c, nint ldc, int* from, int* end)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        int start = from[rows - 1], stop = end[0];
        if (stop <= start)
        {
            for (int i = 0; i < rows; i++)
                Stretch<T, TStored>(1, a + (i * rowStride), rowStride, innerStride, first, second, b, from[i], end[i], c + (i * ldc), ldc);
            return;
        }

        for (int i = 1; i < rows && from[0] < start; i++)
            Stretch<T, TStored>(i, a, rowStride, innerStride, first, second, b, from[i - 1], from[i], c, ldc);
        Stretch<T, TStored>(rows, a, rowStride, innerStride, first, second, b, start, stop, c, ldc);
        for (int i = 1; i < rows && stop < end[rows - 1]; i++)
            Stretch<T, TStored>(rows - i, a + (i * rowStride), rowStride, innerStride, first, second, b, end[i - 1], end[i], c + (i * ldc), ldc);
    }

    // c[r, 0..15] += sum over k in [start, stop).
    private static void Stretch<T, TStored>(
        int rows, float* a, nint rowStride, nint innerStride, T* first, T* second, in RightPanels<T> b, int start, int stop, float* c, nint ldc)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        if (start >= stop)
            return;
        T* at = first + (start * b.RowStride);
        nint count = stop - start, count2 = 0, next = 0;
        if (start >= b.Split)
        {
            at = second + ((start - b.Split) * b.RowStride);
        }
        else if (stop > b.Split)
        {
            count = b.Split - start;
            count2 = stop - b.Split;
            next = (nint)(second - (first + (b.Split * b.RowStride)));
        }

        Tile<T, TStored>(rows, a + (start * innerStride), rowStride, innerStride, at, b.RowStride, count, next, count2, c, ldc, true);
    }

    private static void Tile<T, TStored>(
        int rows, float* a, nint rowStride, nint innerStride, T* b, nint bStride, nint count, nint next, nint count2, float* c, nint ldc, bool load)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        switch (rows)
        {
            case 1:
                Tile<Rows1, T, TStored>(a, rowStride, innerStride, b, bStride, count, next, count2, c, ldc, load);
                break;
            case 2:
                Tile<Rows2, T, TStored>(a, rowStride, innerStride, b, bStride, count, next, count2, c, ldc, load);
                break;
            case 3:
                Tile<Rows3, T, TStored>(a, rowStride, innerStride, b, bStride, count, next, count2, c, ldc, load);
                break;
            case 4:
                Tile<Rows4, T, TStored>(a, rowStride, innerStride, b, bStride, count, next, count2, c, ldc, load);
                break;
            case 5:
                Tile<Rows5, T, TStored>(a, rowStride, innerStride, b, bStride, count, next, count2, c, ldc, load);
                break;
            default:
                Tile<Rows6, T, TStored>(a, rowStride, innerStride, b, bStride, count, next, count2, c, ldc, load);
                break;
        }
    }

    // The register tile: 2 chains a row, 12 of 16 registers with 6 rows. After count steps b jumps by next and count2 more follow.
    // The number of rows is a constant of the instantiation; what belongs to other rows does not exist in its code.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<TRows, T, TStored>(
        float* a, nint rowStride, nint innerStride, T* b, nint bStride, nint count, nint next, nint count2, float* c, nint ldc, bool load)
        where TRows : struct, IRowCount
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        Vector256<float> c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51;
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = Vector256<float>.Zero;
        if (load)
        {
            Load(c, out c00, out c01);
            if (TRows.Count > 1)
                Load(c + ldc, out c10, out c11);
            if (TRows.Count > 2)
                Load(c + (2 * ldc), out c20, out c21);
            if (TRows.Count > 3)
                Load(c + (3 * ldc), out c30, out c31);
            if (TRows.Count > 4)
                Load(c + (4 * ldc), out c40, out c41);
            if (TRows.Count > 5)
                Load(c + (5 * ldc), out c50, out c51);
        }

        float* a3 = a + (3 * rowStride);
        while (true)
        {
            for (; count > 0; count--)
            {
                Vector256<float> b0 = TStored.Load8(b), b1 = TStored.Load8(b + 8);
                MultiplyAdd(*a, b0, b1, ref c00, ref c01);
                if (TRows.Count > 1)
                    MultiplyAdd(a[rowStride], b0, b1, ref c10, ref c11);
                if (TRows.Count > 2)
                    MultiplyAdd(a[2 * rowStride], b0, b1, ref c20, ref c21);
                if (TRows.Count > 3)
                    MultiplyAdd(*a3, b0, b1, ref c30, ref c31);
                if (TRows.Count > 4)
                    MultiplyAdd(a3[rowStride], b0, b1, ref c40, ref c41);
                if (TRows.Count > 5)
                    MultiplyAdd(a3[2 * rowStride], b0, b1, ref c50, ref c51);
                a += innerStride;
                a3 += innerStride;
                b += bStride;
            }

            if (count2 <= 0)
                break;
            b += next;
            count = count2;
            count2 = 0;
        }

        Store(c, c00, c01);
        if (TRows.Count > 1)
            Store(c + ldc, c10, c11);
        if (TRows.Count > 2)
            Store(c + (2 * ldc), c20, c21);
        if (TRows.Count > 3)
            Store(c + (3 * ldc), c30, c31);
        if (TRows.Count > 4)
            Store(c + (4 * ldc), c40, c41);
        if (TRows.Count > 5)
            Store(c + (5 * ldc), c50, c51);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* c, out Vector256<float> lo, out Vector256<float> hi)
    {
        lo = Vector256.Load(c);
        hi = Vector256.Load(c + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(float a, Vector256<float> b0, Vector256<float> b1, ref Vector256<float> lo, ref Vector256<float> hi)
    {
        var x = Vector256.Create(a);
        lo = Vector256.FusedMultiplyAdd(x, b0, lo);
        hi = Vector256.FusedMultiplyAdd(x, b1, hi);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector256<float> lo, Vector256<float> hi)
    {
        lo.Store(c);
        hi.Store(c + 8);
    }

    /// <summary>A number of rows as a constant of generated code.</summary>
    private interface IRowCount
    {
        static abstract int Count { get; }
    }

    private readonly struct Rows1 : IRowCount
    {
        public static int Count => 1;
    }

    private readonly struct Rows2 : IRowCount
    {
        public static int Count => 2;
    }

    private readonly struct Rows3 : IRowCount
    {
        public static int Count => 3;
    }

    private readonly struct Rows4 : IRowCount
    {
        public static int Count => 4;
    }

    private readonly struct Rows5 : IRowCount
    {
        public static int Count => 5;
    }

    private readonly struct Rows6 : IRowCount
    {
        public static int Count => 6;
    }
}
