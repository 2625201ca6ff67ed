namespace Tandem.Cpu;

/// <summary>
/// How a product's result is cut into items: a grid of nearly equal rectangles. Small enough that a rectangle's operands stay in the second-level cache,
/// large enough that copying operands into order is amortised, and a multiple of the workers where there are few.
/// The grid decides who computes an element, never how.
/// </summary>
internal readonly struct ItemGrid
{
    /// <summary>Most rows of an item: with <see cref="MatMul.InnerBlock"/> they take 240 KB of the second-level cache.</summary>
    public const int MaxRows = 240;

    private const int MaxPanels = 32;
    private const int MinRows = 24;
    private const int MinPanels = 2;
    private const int ItemsPerWorker = 4;

    // Under 0.25 million multiply-adds (some 5 microseconds of a core) waking others costs more than it gives. Reading a weight takes as long as
    // multiplying it with 10 rows, so fewer rows are no less work.
    private const long MinWork = 1 << 18;
    private const int RowsPerRead = 10;

    private readonly int _rows;
    private readonly int _panels;
    private readonly int _rowParts;
    private readonly int _panelParts;

    private ItemGrid(int rows, int panels, int rowParts, int panelParts)
    {
        _rows = rows;
        _panels = panels;
        _rowParts = rowParts;
        _panelParts = panelParts;
    }

    /// <summary>Number of items.</summary>
    public int Items => _rows == 0 ? 0 : _rowParts * _panelParts;

    /// <summary>The grid for a result of <paramref name="rows"/> rows and <paramref name="columns"/> columns that sums over <paramref name="inner"/> terms.</summary>
    public static ItemGrid Of(int rows, int columns, int inner, int workers)
    {
        int panels = MatMul.Panels(columns);
        int r = Math.Max(1, (rows + MaxRows - 1) / MaxRows), c = (panels + MaxPanels - 1) / MaxPanels;
        long worth = (long)Math.Max(rows, RowsPerRead) * panels * MicroKernel.Columns * inner / MinWork;
        long wanted = Math.Min(workers == 1 ? 1 : ItemsPerWorker * workers, worth);
        while (r * c < wanted || (r * c > 1 && r * c < wanted * 2 && r * c % workers != 0))
        {
            // The longer side is cut; a side that is short already is not.
            bool mayCutRows = rows >= 2 * MinRows * r, mayCutPanels = panels >= 2 * MinPanels * c;
            if (mayCutRows && (!mayCutPanels || rows / r > panels * MicroKernel.Columns / c)) r++;
            else if (mayCutPanels) c++;
            else break;
        }

        return new ItemGrid(rows, panels, r, c);
    }

    /// <summary>Rows and panels of an item.</summary>
    public (int FirstRow, int LastRow, int FirstPanel, int LastPanel) this[int item]
    {
        get
        {
            int row = item / _panelParts, column = item % _panelParts;
            int tiles = (_rows + MicroKernel.Rows - 1) / MicroKernel.Rows, pairs = (_panels + 1) / 2;
            return (Cut(tiles, row, _rowParts) * MicroKernel.Rows, Math.Min(_rows, Cut(tiles, row + 1, _rowParts) * MicroKernel.Rows), 2 * Cut(pairs, column, _panelParts), Math.Min(_panels, 2 * Cut(pairs, column + 1, _panelParts)));
        }
    }

    private static int Cut(int count, int index, int parts) => (int)((long)count * index / parts);
}
