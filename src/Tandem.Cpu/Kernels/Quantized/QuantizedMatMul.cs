using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// y = x W^T with block-quantized W in panels (<see cref="BlockPanels"/>) and x in 8-bit blocks: for each element and block, in ascending order,
/// acc = fma(float(integer sum), scale of the weight * scale of the row, acc). The integer sum is exact, so that neither tiles nor vector widths change a bit.
/// A tile is some rows by the 16 outputs of a panel; a panel is read once for all rows of a tile.
/// </summary>
internal static unsafe class QuantizedMatMul
{
    /// <summary>Rows of the largest tile.</summary>
    public const int MaxRows = 8;

    /// <summary>Whether there is an integer product for weights of a type.</summary>
    public static bool Has(DType weight) => QuantizedTiles.Of(weight) != null;

    /// <summary>y[rows, N] = x[rows, K] W^T for one item of the grid.</summary>
    /// <param name="grid">The items.</param>
    /// <param name="item">Which one.</param>
    /// <param name="x">Rows in 8-bit blocks.</param>
    /// <param name="rowBytes">Bytes of a row of x.</param>
    /// <param name="w">The weight.</param>
    /// <param name="y">The result, row-major.</param>
    public static void Forward(ItemGrid grid, int item, byte* x, long rowBytes, PanelWeight w, float* y)
    {
        QuantizedTiles.Kernel tile = QuantizedTiles.Of(w.Type) ?? throw w.NoKernel();
        (int firstRow, int lastRow, int firstPanel, int lastPanel) = grid[item];
        int blocks = w.K / w.Type.BlockElements();
        long panelBytes = (long)blocks * BlockPanels.GroupBytes(w.Type);
        float* partial = stackalloc float[MaxRows * MicroKernel.Columns];

        // Rows in groups whose blocks stay in the first-level cache while the panels pass by; a panel then comes from the second for each group.
        int tiles = (lastRow - firstRow + MaxRows - 1) / MaxRows;
        for (int row = firstRow; row < lastRow; tiles--)
        {
            int rows = (lastRow - row + tiles - 1) / tiles;
            for (int panel = firstPanel; panel < lastPanel; panel++)
            {
                byte* b = w.Pointer + (panel * panelBytes), a = x + (row * rowBytes);
                float* c = y + ((long)row * w.N) + (panel * MicroKernel.Columns);
                int columns = Math.Min(MicroKernel.Columns, w.N - (panel * MicroKernel.Columns));
                if (columns == MicroKernel.Columns)
                {
                    tile(a, rowBytes, b, blocks, c, w.N, rows);
                    continue;
                }

                tile(a, rowBytes, b, blocks, partial, MicroKernel.Columns, rows);
                for (int i = 0; i < rows; i++) new Span<float>(partial + (i * MicroKernel.Columns), columns).CopyTo(new Span<float>(c + ((long)i * w.N), columns));
            }

            row += rows;
        }
    }
}
