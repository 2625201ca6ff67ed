using System.Runtime.Intrinsics;
using Tandem.Graph;

namespace Tandem.Cpu;

internal static unsafe partial class MatMul
{
    // Below this many rows the weights' bandwidth decides: they are read once, in order, straight from their panels.
    private const int FewRows = 16;

    /// <summary>The items of <see cref="Forward"/> for <paramref name="rows"/> rows.</summary>
    public static ItemGrid ForwardGrid(int rows, PanelWeight w, int workers) => ItemGrid.Of(rows, w.N, w.K, workers);

    /// <summary>y[rows, N] = x[rows, K] W^T for one item of the grid.</summary>
    public static void Forward(ItemGrid grid, int item, float* x, int ldx, PanelWeight w, float* y, int ldy, float* scratch)
    {
        switch (w.Type)
        {
            case DType.F32: Forward<float, StoredF32>(grid, item, x, ldx, w, y, ldy, scratch); break;
            case DType.BF16: Forward<ushort, StoredBF16>(grid, item, x, ldx, w, y, ldy, scratch); break;
            case DType.F16: Forward<ushort, StoredF16>(grid, item, x, ldx, w, y, ldy, scratch); break;
            default: ForwardBlocks(grid, item, x, ldx, w, y, ldy, scratch); break;
        }
    }

    // Block-quantized weights meet f32 rows: a part of a panel is expanded once for all rows of the item. The bits are those of the expanded weight's product.
    private static void ForwardBlocks(ItemGrid grid, int item, float* x, int ldx, PanelWeight w, float* y, int ldy, float* scratch)
    {
        (int firstRow, int lastRow, int firstPanel, int lastPanel) = grid[item];
        int rows = lastRow - firstRow, elements = w.Type.BlockElements();
        long groupBytes = BlockPanels.GroupBytes(w.Type);
        float* wide = scratch + PanelOffset;
        x += (nint)firstRow * ldx;
        y += (nint)firstRow * ldy;
        for (int p = 0; p < w.K; p += InnerBlock)
        {
            int count = Math.Min(InnerBlock, w.K - p);
            PanelCopy.Rows(x + p, ldx, rows, count, scratch, InnerBlock);
            for (int panel = firstPanel; panel < lastPanel; panel++)
            {
                byte* stored = w.Pointer + ((((long)panel * w.K) + p) / elements * groupBytes);
                BlockPanels.Decode(w.Type, stored, count / elements, wide);
                int columns = Math.Min(MicroKernel.Columns, w.N - (panel * MicroKernel.Columns));
                Tiles(scratch, wide, count, y + (panel * MicroKernel.Columns), ldy, rows, columns, p > 0, default);
            }
        }
    }

    private static void Forward<T, TStored>(ItemGrid grid, int item, float* x, int ldx, PanelWeight w, float* y, int ldy, float* scratch)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        (int firstRow, int lastRow, int firstPanel, int lastPanel) = grid[item];
        int rows = lastRow - firstRow;
        x += (nint)firstRow * ldx;
        y += (nint)firstRow * ldy;
        if (rows > MicroKernel.PairRows && rows <= MicroKernel512.MaxRows && Vector512.IsHardwareAccelerated)
            ForwardOneTile<T, TStored>(x, ldx, w, firstPanel, lastPanel, y, ldy, rows, scratch);
        else if (rows <= FewRows) ForwardFew<T, TStored>(x, ldx, w, firstPanel, lastPanel, y, ldy, rows);
        else ForwardMany<T, TStored>(x, ldx, w, firstPanel, lastPanel, y, ldy, rows, scratch);
    }

    private static void ForwardFew<T, TStored>(float* x, int ldx, PanelWeight w, int firstPanel, int lastPanel, float* y, int ldy, int rows)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        nint stride = (nint)w.K * MicroKernel.Columns;
        int panel = firstPanel;
        for (; rows <= MicroKernel.PairRows && panel <= lastPanel - 2 && (panel + 2) * MicroKernel.Columns <= w.N; panel += 2)
        {
            T* b = (T*)w.Pointer + (panel * stride);
            MicroKernel.Pair<T, TStored>(x, ldx, b, b + stride, w.K, y + (panel * MicroKernel.Columns), ldy, rows);
        }

        // Rows that one tile cannot hold meet a block of the panel before the next block is read.
        int length = rows <= MicroKernel.Rows ? w.K : BlockLength(w.K);
        for (; panel < lastPanel; panel++)
        {
            T* b = (T*)w.Pointer + (panel * stride);
            int columns = Math.Min(MicroKernel.Columns, w.N - (panel * MicroKernel.Columns));
            for (int p = 0; p < w.K; p += length)
                Tiles<T, TStored>(x + p, ldx, b + ((nint)p * MicroKernel.Columns), Math.Min(length, w.K - p), y + (panel * MicroKernel.Columns), ldy, rows, columns, p > 0);
        }
    }

    // All rows are one tile: a panel is read once, in order, and widened on its way to the registers.
    private static void ForwardOneTile<T, TStored>(float* x, int ldx, PanelWeight w, int firstPanel, int lastPanel, float* y, int ldy, int rows, float* scratch)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        int length = BlockLength(w.K);
        for (int p = 0; p < w.K; p += length)
        {
            int count = Math.Min(length, w.K - p);
            PanelCopy.Rows(x + p, ldx, rows, count, scratch, InnerBlock);
            for (int panel = firstPanel; panel < lastPanel; panel++)
            {
                T* b = (T*)w.Pointer + ((((nint)panel * w.K) + p) * MicroKernel.Columns);
                Tile<T, TStored>(scratch, b, count, y + (panel * MicroKernel.Columns), ldy, rows, Math.Min(MicroKernel.Columns, w.N - (panel * MicroKernel.Columns)), p > 0);
            }
        }
    }

    private static void ForwardMany<T, TStored>(float* x, int ldx, PanelWeight w, int firstPanel, int lastPanel, float* y, int ldy, int rows, float* scratch)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        float* wide = scratch + PanelOffset;
        int length = BlockLength(w.K);
        for (int p = 0; p < w.K; p += length)
        {
            int count = Math.Min(length, w.K - p);
            PanelCopy.Rows(x + p, ldx, rows, count, scratch, InnerBlock);
            for (int panel = firstPanel; panel < lastPanel; panel++)
            {
                T* stored = (T*)w.Pointer + ((((nint)panel * w.K) + p) * MicroKernel.Columns);
                float* b = (float*)stored;
                if (typeof(T) != typeof(float)) PanelCopy.Widen<T, TStored>(stored, count, b = wide);
                int columns = Math.Min(MicroKernel.Columns, w.N - (panel * MicroKernel.Columns));
                int segments = panel + 1 < lastPanel ? 1 : 0, lines = count * MicroKernel.Columns * sizeof(T) / 64;
                Tiles(scratch, b, count, y + (panel * MicroKernel.Columns), ldy, rows, columns, p > 0, new Ahead(stored + ((nint)w.K * MicroKernel.Columns), segments, lines, 0));
            }
        }
    }
}
