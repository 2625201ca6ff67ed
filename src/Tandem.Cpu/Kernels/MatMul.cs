using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// The three products of a linear layer with W [N, K] in panels of 16 (see Layout.Panel16), each cut into items that any worker may do.
/// Every element is one ascending chain: forward over K, input gradient over N, weight gradient over tokens, continuing the accumulator.
/// </summary>
internal static unsafe class MatMul
{
    private const int RowBlock = 96;
    private const int InnerBlock = 256;
    private const int PanelsPerItem = 4;

    public static int Panels(int n) => (n + 15) / 16;

    /// <summary>Items of <see cref="Forward"/>.</summary>
    public static int ForwardItems(int rows, int n, int workers) => RowGroups(rows, n, workers) * ((Panels(n) + PanelsPerItem - 1) / PanelsPerItem);

    /// <summary>The rectangle of y that an item of <see cref="Forward"/> writes.</summary>
    public static Tile ForwardTile(int item, int workers, int rows, int n)
    {
        int groups = (Panels(n) + PanelsPerItem - 1) / PanelsPerItem;
        (int first, int last) = Part(rows, RowGroups(rows, n, workers), item / groups);
        int firstColumn = item % groups * PanelsPerItem * 16;
        return new Tile(first, last, firstColumn, Math.Min(n, firstColumn + (PanelsPerItem * 16)));
    }

    /// <summary>y[rows, N] = x[rows, K] W^T for one item.</summary>
    public static void Forward(int item, int workers, float* x, int ldx, float* w, float* y, int ldy, int rows, int n, int k)
    {
        int groups = (Panels(n) + PanelsPerItem - 1) / PanelsPerItem, rowGroups = RowGroups(rows, n, workers);
        (int first, int last) = Part(rows, rowGroups, item / groups);
        int firstPanel = item % groups * PanelsPerItem, lastPanel = Math.Min(Panels(n), firstPanel + PanelsPerItem);
        if (last - first == 1 && lastPanel - firstPanel == PanelsPerItem && lastPanel * 16 <= n)
        {
            OneRow(x + ((nint)first * ldx), w + ((nint)firstPanel * k * 16), y + ((nint)first * ldy) + (firstPanel * 16), k);
            return;
        }

        for (int row = first; row < last; row += RowBlock)
        {
            int rowEnd = Math.Min(last, row + RowBlock);
            for (int p = 0; p < k; p += InnerBlock)
            {
                int count = Math.Min(InnerBlock, k - p);
                for (int panel = firstPanel; panel < lastPanel; panel++)
                {
                    float* b = w + ((((nint)panel * k) + p) * 16);
                    int columns = Math.Min(16, n - (panel * 16));
                    for (int i = row; i < rowEnd; i += MicroKernel.Rows)
                    {
                        float* c = y + ((nint)i * ldy) + (panel * 16), a = x + ((nint)i * ldx) + p;
                        int m = Math.Min(MicroKernel.Rows, rowEnd - i);
                        if (columns == 16) MicroKernel.Tile(a, ldx, 1, b, count, c, ldy, m, p > 0);
                        else MicroKernel.PartialColumns(a, ldx, 1, b, count, c, ldy, m, columns, p > 0);
                    }
                }
            }
        }
    }

    /// <summary>Items of <see cref="InputGrad"/>.</summary>
    public static int InputGradItems(int rows, int k, int workers) => RowGroups(rows, k, workers) * ((Panels(k) + PanelsPerItem - 1) / PanelsPerItem);

    /// <summary>Bytes of scratch a worker needs for <see cref="InputGrad"/>.</summary>
    public static long InputGradScratch => sizeof(float) * PanelsPerItem * InnerBlock * 16L;

    /// <summary>dx[rows, K] = (accumulate ? dx : 0) + dy[rows, N] W for one item.</summary>
    public static void InputGrad(int item, int workers, float* dy, int ldy, float* w, float* dx, int ldx, int rows, int n, int k, bool accumulate, float* scratch)
    {
        int groups = (Panels(k) + PanelsPerItem - 1) / PanelsPerItem, rowGroups = RowGroups(rows, k, workers);
        (int first, int last) = Part(rows, rowGroups, item / groups);
        int firstPanel = item % groups * PanelsPerItem, lastPanel = Math.Min(Panels(k), firstPanel + PanelsPerItem);
        for (int p = 0; p < n; p += InnerBlock)
        {
            int count = Math.Min(InnerBlock, n - p);
            for (int panel = firstPanel; panel < lastPanel; panel++)
                PackColumns(w, n, k, panel * 16, p, count, scratch + ((panel - firstPanel) * InnerBlock * 16));
            for (int row = first; row < last; row += RowBlock)
            {
                int rowEnd = Math.Min(last, row + RowBlock);
                for (int panel = firstPanel; panel < lastPanel; panel++)
                {
                    float* b = scratch + ((panel - firstPanel) * InnerBlock * 16);
                    int columns = Math.Min(16, k - (panel * 16));
                    for (int i = row; i < rowEnd; i += MicroKernel.Rows)
                    {
                        float* c = dx + ((nint)i * ldx) + (panel * 16), a = dy + ((nint)i * ldy) + p;
                        int m = Math.Min(MicroKernel.Rows, rowEnd - i);
                        if (columns == 16) MicroKernel.Tile(a, ldy, 1, b, count, c, ldx, m, accumulate || p > 0);
                        else MicroKernel.PartialColumns(a, ldy, 1, b, count, c, ldx, m, columns, accumulate || p > 0);
                    }
                }
            }
        }
    }

    /// <summary>Items of <see cref="WeightGrad"/>.</summary>
    public static int WeightGradItems(int n) => Panels(n);

    /// <summary>Bytes of scratch a worker needs for <see cref="WeightGrad"/>.</summary>
    public static long WeightGradScratch => sizeof(float) * InnerBlock * 16L;

    /// <summary>dW (panels) += dy[rows, N]^T x[rows, K] for the panel of this item; lanes beyond N stay zero.</summary>
    public static void WeightGrad(int item, float* dy, int ldy, float* x, int ldx, float* dw, int rows, int n, int k, float* scratch)
    {
        int columns = Math.Min(16, n - (item * 16));
        float* c = dw + ((nint)item * k * 16);
        for (int p = 0; p < rows; p += InnerBlock)
        {
            int count = Math.Min(InnerBlock, rows - p);
            for (int t = 0; t < count; t++)
            {
                float* from = dy + ((nint)(p + t) * ldy) + (item * 16), to = scratch + (t * 16);
                for (int j = 0; j < 16; j++) to[j] = j < columns ? from[j] : 0;
            }

            for (int i = 0; i < k; i += MicroKernel.Rows)
                MicroKernel.Tile(x + ((nint)p * ldx) + i, 1, ldx, scratch, count, c + ((nint)i * 16), 16, Math.Min(MicroKernel.Rows, k - i), true);
        }
    }

    // Columns column .. column+15 of rows first .. first+count-1 of W, as a panel of rows of 16.
    private static void PackColumns(float* w, int n, int k, int column, int first, int count, float* to)
    {
        int columns = Math.Min(16, k - column);
        for (int i = 0; i < count; i++)
        {
            int row = first + i;
            float* from = w + ((((nint)(row / 16) * k) + column) * 16) + (row % 16);
            for (int j = 0; j < 16; j++) to[(i * 16) + j] = j < columns ? from[j * 16] : 0;
        }
    }

    // One row over four panels: eight chains hide the latency of the multiply-add.
    private static void OneRow(float* x, float* w, float* y, int k)
    {
        nint stride = (nint)k * 16;
        float* w1 = w + stride, w2 = w1 + stride, w3 = w2 + stride;
        Vector256<float> c0, c1, c2, c3, c4, c5, c6, c7;
        c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = Vector256<float>.Zero;
        for (nint p = 0; p < stride; p += 16)
        {
            Vector256<float> v = Vector256.Create(*x++);
            c0 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w + p), c0);
            c1 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w + p + 8), c1);
            c2 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w1 + p), c2);
            c3 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w1 + p + 8), c3);
            c4 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w2 + p), c4);
            c5 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w2 + p + 8), c5);
            c6 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w3 + p), c6);
            c7 = Vector256.FusedMultiplyAdd(v, Vector256.Load(w3 + p + 8), c7);
        }

        c0.Store(y);
        c1.Store(y + 8);
        c2.Store(y + 16);
        c3.Store(y + 24);
        c4.Store(y + 32);
        c5.Store(y + 40);
        c6.Store(y + 48);
        c7.Store(y + 56);
    }

    // Rows are cut only where the panels alone do not give every worker several items.
    private static int RowGroups(int rows, int n, int workers)
    {
        int groups = (Panels(n) + PanelsPerItem - 1) / PanelsPerItem;
        int wanted = Math.Max(1, ((4 * workers) + groups - 1) / groups);
        return Math.Max(1, Math.Min(wanted, rows / RowBlock));
    }

    private static (int First, int Last) Part(int rows, int parts, int index)
    {
        int tiles = (rows + MicroKernel.Rows - 1) / MicroKernel.Rows;
        return (Math.Min(rows, tiles * index / parts * MicroKernel.Rows), Math.Min(rows, tiles * (index + 1) / parts * MicroKernel.Rows));
    }
}
