namespace Tandem.Cpu;

internal static unsafe partial class MatMul
{
    /// <summary>The items of <see cref="WeightGrad"/> for <paramref name="rows"/> tokens: rectangles of inputs by outputs.</summary>
    public static ItemGrid WeightGradGrid(int rows, int n, int k, int workers) => ItemGrid.Of(rows == 0 ? 0 : k, n, rows, workers);

    /// <summary>dW (f32 panels of [N, K]) += dy[rows, N]^T x[rows, K] for one item of the grid; lanes beyond N stay zero.</summary>
    public static void WeightGrad(ItemGrid grid, int item, float* dy, int ldy, float* x, int ldx, float* dw, int rows, int n, int k, float* scratch)
    {
        (int firstInput, int lastInput, int firstPanel, int lastPanel) = grid[item];
        int inputs = lastInput - firstInput;
        float* b = scratch + PanelOffset;
        int length = BlockLength(rows);
        for (int p = 0; p < rows; p += length)
        {
            int count = Math.Min(length, rows - p);
            PanelCopy.Transpose<float, StoredF32>(x + ((nint)p * ldx) + firstInput, ldx, count, inputs, scratch, InnerBlock);
            for (int panel = firstPanel; panel < lastPanel; panel++)
            {
                int columns = Math.Min(MicroKernel.Columns, n - (panel * MicroKernel.Columns));
                PanelCopy.Columns16(dy + ((nint)p * ldy) + (panel * MicroKernel.Columns), ldy, count, columns, b);
                float* c = dw + ((((nint)panel * k) + firstInput) * MicroKernel.Columns);
                Ahead next = panel + 1 < lastPanel ? new Ahead(dy + ((nint)p * ldy) + ((panel + 1) * MicroKernel.Columns), count, 1, (nint)ldy * sizeof(float)) : default;
                Tiles(scratch, b, count, c, MicroKernel.Columns, inputs, MicroKernel.Columns, true, next);
            }
        }
    }
}
