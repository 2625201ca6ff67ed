using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// The iteration of <see cref="Muon"/> on X [rows, columns], rows not above columns, in parts that any worker may do: panel i is 16 rows (or columns) of a matrix.
/// Every element of a product is one ascending chain of fused multiply-adds.
/// </summary>
internal static unsafe class NewtonSchulz
{
    /// <summary>Rows of a panel.</summary>
    internal const int Panel = 16;

    /// <summary>Number of panels of n rows or columns.</summary>
    internal static int Panels(int n) => (n + Panel - 1) / Panel;

    /// <summary>Lays rows 16 i .. 16 i + 15 of a [rows, columns] out as [columns][16], the last ones filled up with zeros.</summary>
    internal static void PackRows(int panel, float* a, int rows, int columns, float* panels)
    {
        int lanes = Math.Min(Panel, rows - (panel * Panel));
        float* to = panels + ((nint)panel * columns * Panel), from = a + ((nint)panel * Panel * columns);
        for (int j = 0; j < columns; j++, to += Panel)
            for (int lane = 0; lane < Panel; lane++) to[lane] = lane < lanes ? from[((nint)lane * columns) + j] : 0f;
    }

    /// <summary>Lays columns 16 i .. 16 i + 15 of a [rows, columns] out as [rows][16], the last ones filled up with zeros.</summary>
    internal static void PackColumns(int panel, float* a, int rows, int columns, float* panels)
    {
        int lanes = Math.Min(Panel, columns - (panel * Panel));
        float* to = panels + ((nint)panel * rows * Panel), from = a + (panel * Panel);
        for (int i = 0; i < rows; i++, to += Panel, from += columns)
            for (int lane = 0; lane < Panel; lane++) to[lane] = lane < lanes ? from[lane] : 0f;
    }

    /// <summary>Columns 16 i .. 16 i + 15 of A [rows, rows] = X X^T, with the rows of X in panels.</summary>
    internal static void Gram(int panel, float* x, float* rowPanels, int rows, int columns, float* gram) =>
        Product(panel, x, columns, rowPanels, gram, rows, rows, false);

    /// <summary>Columns 16 i .. 16 i + 15 of B [rows, rows] = b A + c A A, with the rows of A in panels; A is its own transpose, bit for bit.</summary>
    internal static void Polynomial(int panel, float* gram, float* gramPanels, int rows, float* result)
    {
        Product(panel, gram, rows, gramPanels, result, rows, rows, false);
        int first = panel * Panel, last = Math.Min(rows, first + Panel);
        for (int i = 0; i < rows; i++)
        {
            for (int j = first; j < last; j++)
            {
                nint at = ((nint)i * rows) + j;
                result[at] = MathF.FusedMultiplyAdd(Muon.C, result[at], Muon.B * gram[at]);
            }
        }
    }

    /// <summary>Columns 16 i .. 16 i + 15 of X = a X + B X, with the columns of X in panels.</summary>
    internal static void Next(int panel, float* polynomial, float* columnPanels, int rows, int columns, float* x)
    {
        int first = panel * Panel, last = Math.Min(columns, first + Panel);
        for (int i = 0; i < rows; i++)
            for (int j = first; j < last; j++) x[((nint)i * columns) + j] *= Muon.A;
        Product(panel, polynomial, rows, columnPanels, x, rows, columns, true);
    }

    // Columns 16 i .. 16 i + 15 of c [rows, columns] = (load ? c : 0) + a [rows, inner] times a panel [inner][16].
    private static void Product(int panel, float* a, int inner, float* panels, float* c, int rows, int columns, bool load)
    {
        float* b = panels + ((nint)panel * inner * Panel), to = c + (panel * Panel);
        MatMul.Tiles<float, StoredF32>(a, inner, b, inner, to, columns, rows, Math.Min(Panel, columns - (panel * Panel)), load);
    }
}
