namespace Tandem.Cpu;

internal static unsafe partial class MatMul
{
    /// <summary>The items of <see cref="InputGrad"/> for <paramref name="rows"/> rows.</summary>
    public static ItemGrid InputGradGrid(int rows, PanelWeight w, int workers) => ItemGrid.Of(rows, w.K, w.N, workers);

    /// <summary>dx[rows, K] = (accumulate ? dx : 0) + dy[rows, N] W for one item of the grid.</summary>
    public static void InputGrad(ItemGrid grid, int item, float* dy, int ldy, PanelWeight w, float* dx, int ldx, bool accumulate, float* scratch)
    {
        switch (w.Type)
        {
            case DType.F32: InputGrad<float, StoredF32>(grid, item, dy, ldy, w, dx, ldx, accumulate, scratch); break;
            case DType.BF16: InputGrad<ushort, StoredBF16>(grid, item, dy, ldy, w, dx, ldx, accumulate, scratch); break;
            case DType.F16: InputGrad<ushort, StoredF16>(grid, item, dy, ldy, w, dx, ldx, accumulate, scratch); break;
            default: throw w.NoKernel();
        }
    }

    private static void InputGrad<T, TStored>(ItemGrid grid, int item, float* dy, int ldy, PanelWeight w, float* dx, int ldx, bool accumulate, float* scratch)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        (int firstRow, int lastRow, int firstPanel, int lastPanel) = grid[item];
        int rows = lastRow - firstRow;
        dy += (nint)firstRow * ldy;
        dx += (nint)firstRow * ldx;
        float* b = scratch + PanelOffset;
        int length = (BlockLength(w.N) + MicroKernel.Columns - 1) / MicroKernel.Columns * MicroKernel.Columns;
        for (int p = 0; p < w.N; p += length)
        {
            int count = Math.Min(length, w.N - p);
            PanelCopy.Rows(dy + p, ldy, rows, count, scratch, InnerBlock);
            for (int panel = firstPanel; panel < lastPanel; panel++)
            {
                int columns = Math.Min(MicroKernel.Columns, w.K - (panel * MicroKernel.Columns));
                InputPanel<T, TStored>(w, p, count, panel * MicroKernel.Columns, columns, b);
                Tiles(scratch, b, count, dx + (panel * MicroKernel.Columns), ldx, rows, columns, accumulate || p > 0, panel + 1 < lastPanel ? AheadOf<T>(w, p, count, panel + 1) : default);
            }
        }
    }

    private static Ahead AheadOf<T>(PanelWeight w, int first, int count, int panel)
        where T : unmanaged
    {
        int lines = Math.Min(MicroKernel.Columns, w.K - (panel * MicroKernel.Columns)) * MicroKernel.Columns * sizeof(T) / 64;
        T* from = (T*)w.Pointer + (((nint)first * w.K) + ((nint)panel * MicroKernel.Columns * MicroKernel.Columns));
        return new Ahead(from, Panels(count), lines, (nint)w.K * MicroKernel.Columns * sizeof(T));
    }

    // W[first.., column .. column + columns - 1] as a panel: the panels' blocks of 16 inputs by 16 outputs, each transposed.
    private static void InputPanel<T, TStored>(PanelWeight w, int first, int count, int column, int columns, float* to)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        for (int p = 0; p < count; p += MicroKernel.Columns)
        {
            T* from = (T*)w.Pointer + (((nint)(first + p) * w.K) + ((nint)column * MicroKernel.Columns));
            PanelCopy.Transpose<T, TStored>(from, MicroKernel.Columns, columns, Math.Min(MicroKernel.Columns, count - p), to + (p * MicroKernel.Columns), MicroKernel.Columns);
        }
    }
}
