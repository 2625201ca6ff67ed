using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// The right operand of a product: rows of 16 columns, panel after panel. Its inner dimension may be cut once (keys 32 to 63 of a tile lie in another block).
/// </summary>
internal unsafe struct RightPanels
{
    /// <summary>Row 0 of panel 0.</summary>
    public float* First;

    /// <summary>Row <see cref="Split"/> of panel 0; not read below that row.</summary>
    public float* Second;

    /// <summary>First row that lies in <see cref="Second"/>.</summary>
    public int Split;

    /// <summary>Floats from one row to the next.</summary>
    public nint RowStride;

    /// <summary>Floats from one panel to the next.</summary>
    public nint PanelStride;
}

/// <summary>
/// The small matrix products of attention: 6 rows by 16 columns in registers, fewer rows with more columns. Every element is one ascending chain of
/// fused multiply-adds over the inner dimension, from 0 or continued from memory, so that no cut of rows, columns or inner dimension changes a bit.
/// </summary>
internal static unsafe class PanelProduct
{
    private const int Rows = 6;

    /// <summary>
    /// c[r, n] = sum over d of a[r, d] b[d, n] for rows [row0, row1) and panels [panel0, panel1) of 16 columns; panels where no row of a register tile
    /// sees a column ([from[r], end[r])) are left as they are. Rows of a are contiguous, b is [panel][inner][16] and starts at panel0.
    /// </summary>
    public static void Scores(
        float* a, nint rowStride, int inner, float* b, int panel0, int panel1, float* c, nint ldc, int row0, int row1, int* from, int* end)
    {
        nint panelStride = (nint)inner * 16;
        for (int n = panel0; n < panel1; n++, b += panelStride)
        {
            for (int r = row0; r < row1; r += Rows)
            {
                int rows = Math.Min(Rows, row1 - r);
                if (!AnySees(from + r, end + r, rows, n * 16))
                    continue;
                float* x = a + (r * rowStride), to = c + (r * ldc) + (n * 16);
                if (rows == 6)
                {
                    Six(x, rowStride, 1, b, 16, inner, 0, 0, to, ldc, false);
                    continue;
                }

                // With few rows two panels at once hide the latency of the chains.
                bool pair = n + 1 < panel1 && ((n - panel0) & 1) == 0;
                bool second = ((n - panel0) & 1) == 1;
                int i = 0;
                if (rows >= 4)
                {
                    Four(x, rowStride, 1, b, 16, inner, 0, 0, to, ldc, false);
                    i = 4;
                }

                if (second && AnySees(from + r, end + r, rows, (n * 16) - 16))
                    continue;
                for (; i < rows; i += 2)
                {
                    bool two = i + 1 < rows;
                    float* xi = x + (i * rowStride), ti = to + (i * ldc);
                    if (pair && two)
                        TwoWide(xi, rowStride, 1, b, 16, panelStride, inner, 0, 0, ti, ldc, false);
                    else if (pair)
                        OneWide(xi, 1, b, 16, panelStride, inner, 0, 0, ti, false);
                    else
                        Single(xi, rowStride, 1, b, 16, inner, 0, 0, ti, ldc, two ? 2 : 1, false);
                }
            }
        }
    }

    /// <summary>
    /// c[r, n] += sum over k in [from[r], end[r]) of a[r, k] b[k, n] for rows [row0, row1) and <paramref name="panels"/> panels of 16 columns.
    /// Element (r, k) of a is at r * rowStride + k * innerStride. Elements outside a row's range take no part, whatever lies there.
    /// </summary>
    public static void Accumulate(
        float* a, nint rowStride, nint innerStride, in RightPanels b, int panels, float* c, nint ldc, int row0, int row1, int* from, int* end)
    {
        for (int n = 0; n < panels; n++)
        {
            for (int r = row0; r < row1; r += Rows)
            {
                int rows = Math.Min(Rows, row1 - r);
                int first = 0, last = int.MaxValue, lowest = int.MaxValue, highest = 0;
                for (int i = r; i < r + rows; i++)
                {
                    first = Math.Max(first, from[i]);
                    lowest = Math.Min(lowest, from[i]);
                    last = Math.Min(last, end[i]);
                    highest = Math.Max(highest, end[i]);
                }

                float* x = a + (r * rowStride), to = c + (r * ldc) + (n * 16);
                float* panel = b.First + (n * b.PanelStride), other = b.Second + (n * b.PanelStride);
                if (last <= first)
                {
                    for (int i = 0; i < rows; i++)
                        Stretch(x + (i * rowStride), rowStride, innerStride, panel, other, b, from[r + i], end[r + i], to + (i * ldc), ldc, 1);
                    continue;
                }

                for (int i = 0; i < rows && lowest < first; i++)
                    Stretch(x + (i * rowStride), rowStride, innerStride, panel, other, b, from[r + i], first, to + (i * ldc), ldc, 1);
                Stretch(x, rowStride, innerStride, panel, other, b, first, last, to, ldc, rows);
                for (int i = 0; i < rows && last < highest; i++)
                    Stretch(x + (i * rowStride), rowStride, innerStride, panel, other, b, last, end[r + i], to + (i * ldc), ldc, 1);
            }
        }
    }

    private static bool AnySees(int* from, int* end, int rows, int column)
    {
        for (int i = 0; i < rows; i++)
        {
            if (from[i] < column + 16 && end[i] > column)
                return true;
        }

        return false;
    }

    private static void Stretch(
        float* a, nint rowStride, nint innerStride, float* panel, float* other, in RightPanels b, int first, int last, float* c, nint ldc, int rows)
    {
        if (first >= last)
            return;
        a += first * innerStride;
        float* start = panel + (first * b.RowStride);
        nint count = last - first, count2 = 0, next = 0;
        if (last > b.Split)
        {
            if (first >= b.Split)
            {
                start = other + ((first - b.Split) * b.RowStride);
            }
            else
            {
                count = b.Split - first;
                count2 = last - b.Split;
                next = (nint)(other - (panel + (b.Split * b.RowStride)));
            }
        }

        if (rows == 6)
        {
            Six(a, rowStride, innerStride, start, b.RowStride, count, next, count2, c, ldc, true);
            return;
        }

        int i = 0;
        if (rows >= 4)
        {
            Four(a, rowStride, innerStride, start, b.RowStride, count, next, count2, c, ldc, true);
            i = 4;
        }

        for (; i < rows; i += 2)
            Single(a + (i * rowStride), rowStride, innerStride, start, b.RowStride, count, next, count2, c + (i * ldc), ldc, Math.Min(2, rows - i), true);
    }

    private static void Single(
        float* a, nint rowStride, nint innerStride, float* b, nint bStride, nint count, nint next, nint count2, float* c, nint ldc, int rows, bool load)
    {
        if (rows == 2)
            Two(a, rowStride, innerStride, b, bStride, count, next, count2, c, ldc, load);
        else
            One(a, innerStride, b, bStride, count, next, count2, c, load);
    }

    // 6 rows x 16 columns: 12 chains, the edge of 16 registers. After count steps b jumps by next and count2 more follow.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Six(
        float* a, nint rowStride, nint innerStride, float* b, nint bStride, nint count, nint next, nint count2, float* c, nint ldc, bool load)
    {
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
        while (true)
        {
            for (; count > 0; count--)
            {
                Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
                var x = Vector256.Create(*a);
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
                b += bStride;
            }

            if (count2 <= 0)
                break;
            b += next;
            count = count2;
            count2 = 0;
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

    // 4 rows x 16 columns.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(
        float* a, nint rowStride, nint innerStride, float* b, nint bStride, nint count, nint next, nint count2, float* c, nint ldc, bool load)
    {
        Vector256<float> c00, c01, c10, c11, c20, c21, c30, c31;
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
        }
        else
        {
            c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = Vector256<float>.Zero;
        }

        while (true)
        {
            for (; count > 0; count--)
            {
                Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
                var x = Vector256.Create(*a);
                c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
                c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
                x = Vector256.Create(a[rowStride]);
                c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
                c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
                x = Vector256.Create(a[2 * rowStride]);
                c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
                c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
                x = Vector256.Create(a[3 * rowStride]);
                c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
                c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
                a += innerStride;
                b += bStride;
            }

            if (count2 <= 0)
                break;
            b += next;
            count = count2;
            count2 = 0;
        }

        c00.Store(c);
        c01.Store(c + 8);
        c10.Store(c + ldc);
        c11.Store(c + ldc + 8);
        c20.Store(c + (2 * ldc));
        c21.Store(c + (2 * ldc) + 8);
        c30.Store(c + (3 * ldc));
        c31.Store(c + (3 * ldc) + 8);
    }

    // 2 rows x 16 columns.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two(
        float* a, nint rowStride, nint innerStride, float* b, nint bStride, nint count, nint next, nint count2, float* c, nint ldc, bool load)
    {
        Vector256<float> c00, c01, c10, c11;
        if (load)
        {
            c00 = Vector256.Load(c);
            c01 = Vector256.Load(c + 8);
            c10 = Vector256.Load(c + ldc);
            c11 = Vector256.Load(c + ldc + 8);
        }
        else
        {
            c00 = c01 = c10 = c11 = Vector256<float>.Zero;
        }

        while (true)
        {
            for (; count > 0; count--)
            {
                Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
                var x = Vector256.Create(*a);
                c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
                c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
                x = Vector256.Create(a[rowStride]);
                c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
                c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
                a += innerStride;
                b += bStride;
            }

            if (count2 <= 0)
                break;
            b += next;
            count = count2;
            count2 = 0;
        }

        c00.Store(c);
        c01.Store(c + 8);
        c10.Store(c + ldc);
        c11.Store(c + ldc + 8);
    }

    // 1 row x 16 columns.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(
        float* a, nint innerStride, float* b, nint bStride, nint count, nint next, nint count2, float* c, bool load)
    {
        Vector256<float> c00, c01;
        if (load)
        {
            c00 = Vector256.Load(c);
            c01 = Vector256.Load(c + 8);
        }
        else
        {
            c00 = c01 = Vector256<float>.Zero;
        }

        while (true)
        {
            for (; count > 0; count--)
            {
                Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
                var x = Vector256.Create(*a);
                c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
                c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
                a += innerStride;
                b += bStride;
            }

            if (count2 <= 0)
                break;
            b += next;
            count = count2;
            count2 = 0;
        }

        c00.Store(c);
        c01.Store(c + 8);
    }

    // 2 rows x 32 columns of two panels.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoWide(
        float* a, nint rowStride, nint innerStride, float* b, nint bStride, nint panelStride, nint count, nint next, nint count2, float* c, nint ldc, bool load)
    {
        Vector256<float> c00, c01, c02, c03, c10, c11, c12, c13;
        if (load)
        {
            c00 = Vector256.Load(c);
            c01 = Vector256.Load(c + 8);
            c02 = Vector256.Load(c + 16);
            c03 = Vector256.Load(c + 24);
            c10 = Vector256.Load(c + ldc);
            c11 = Vector256.Load(c + ldc + 8);
            c12 = Vector256.Load(c + ldc + 16);
            c13 = Vector256.Load(c + ldc + 24);
        }
        else
        {
            c00 = c01 = c02 = c03 = c10 = c11 = c12 = c13 = Vector256<float>.Zero;
        }

        while (true)
        {
            for (; count > 0; count--)
            {
                Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8), b2 = Vector256.Load(b + panelStride), b3 = Vector256.Load(b + panelStride + 8);
                var x = Vector256.Create(*a);
                c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
                c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
                c02 = Vector256.FusedMultiplyAdd(x, b2, c02);
                c03 = Vector256.FusedMultiplyAdd(x, b3, c03);
                x = Vector256.Create(a[rowStride]);
                c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
                c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
                c12 = Vector256.FusedMultiplyAdd(x, b2, c12);
                c13 = Vector256.FusedMultiplyAdd(x, b3, c13);
                a += innerStride;
                b += bStride;
            }

            if (count2 <= 0)
                break;
            b += next;
            count = count2;
            count2 = 0;
        }

        c00.Store(c);
        c01.Store(c + 8);
        c02.Store(c + 16);
        c03.Store(c + 24);
        c10.Store(c + ldc);
        c11.Store(c + ldc + 8);
        c12.Store(c + ldc + 16);
        c13.Store(c + ldc + 24);
    }

    // 1 row x 32 columns of two panels.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneWide(
        float* a, nint innerStride, float* b, nint bStride, nint panelStride, nint count, nint next, nint count2, float* c, bool load)
    {
        Vector256<float> c00, c01, c02, c03;
        if (load)
        {
            c00 = Vector256.Load(c);
            c01 = Vector256.Load(c + 8);
            c02 = Vector256.Load(c + 16);
            c03 = Vector256.Load(c + 24);
        }
        else
        {
            c00 = c01 = c02 = c03 = Vector256<float>.Zero;
        }

        while (true)
        {
            for (; count > 0; count--)
            {
                Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8), b2 = Vector256.Load(b + panelStride), b3 = Vector256.Load(b + panelStride + 8);
                var x = Vector256.Create(*a);
                c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
                c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
                c02 = Vector256.FusedMultiplyAdd(x, b2, c02);
                c03 = Vector256.FusedMultiplyAdd(x, b3, c03);
                a += innerStride;
                b += bStride;
            }

            if (count2 <= 0)
                break;
            b += next;
            count = count2;
            count2 = 0;
        }

        c00.Store(c);
        c01.Store(c + 8);
        c02.Store(c + 16);
        c03.Store(c + 24);
    }
}
