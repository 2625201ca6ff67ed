using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// y[t] = table[ids[t]] and its gradient, for token and position embeddings. The table [V, n] lies row-major or in panels of 16 rows,
/// where element (v, c) stands at (v / 16 * n + c) * 16 + v % 16. Ids are checked by the caller.
/// </summary>
internal static unsafe class EmbeddingKernel
{
    private const int Panel = 16;

    /// <summary>y[t, n] = table[ids[t], :] from a row-major table, for rows [firstRow, firstRow + numRows).</summary>
    internal static void Gather<T, TStored>(int firstRow, int numRows, int n, int* ids, T* table, float* y)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            T* source = table + ((long)ids[t] * n);
            float* yt = y + (t * n);
            int c = 0;
            for (; c <= n - 8; c += 8)
                TStored.Load8(source + c).Store(yt + c);

            for (; c < n; c++)
                yt[c] = TStored.Load(source + c);
        }
    }

    /// <summary>Scalar twin of <see cref="Gather"/>.</summary>
    internal static void GatherScalar<T, TStored>(int firstRow, int numRows, int n, int* ids, T* table, float* y)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            for (int c = 0; c < n; c++)
                y[(t * n) + c] = TStored.Load(table + ((long)ids[t] * n) + c);
        }
    }

    /// <summary>y[t, n] = table[ids[t], :] from a table in panels, for rows [firstRow, firstRow + numRows).</summary>
    internal static void GatherPanel16<T, TStored>(int firstRow, int numRows, int n, int* ids, T* table, float* y)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
        {
            T* source = PanelRow(table, ids[t], n);
            float* yt = y + (t * n);
            for (int c = 0; c < n; c++)
                yt[c] = TStored.Load(source + ((long)c * Panel));
        }
    }

    /// <summary>
    /// dtable[ids[t], c] += dy[t, c] over all <paramref name="rows"/> rows in ascending order, for columns [firstColumn, firstColumn + numColumns)
    /// of a row-major f32 gradient; continues what is there.
    /// </summary>
    internal static void Gradient(int firstColumn, int numColumns, int rows, int n, int* ids, float* dy, float* dtable)
    {
        for (long t = 0; t < rows; t++)
        {
            float* destination = dtable + ((long)ids[t] * n);
            Elementwise.Add(firstColumn, numColumns, destination, dy + (t * n), destination);
        }
    }

    /// <summary>Scalar twin of <see cref="Gradient"/>.</summary>
    internal static void GradientScalar(int firstColumn, int numColumns, int rows, int n, int* ids, float* dy, float* dtable)
    {
        for (int c = firstColumn; c < firstColumn + numColumns; c++)
        {
            for (long t = 0; t < rows; t++)
                dtable[((long)ids[t] * n) + c] += dy[(t * n) + c];
        }
    }

    /// <summary>As <see cref="Gradient"/>, into a gradient in panels: the same bits in other places. Lanes beyond the vocabulary stay as they are.</summary>
    internal static void GradientPanel16(int firstColumn, int numColumns, int rows, int n, int* ids, float* dy, float* dtable)
    {
        for (long t = 0; t < rows; t++)
        {
            float* destination = PanelRow(dtable, ids[t], n), dyt = dy + (t * n);
            for (int c = firstColumn; c < firstColumn + numColumns; c++)
                destination[(long)c * Panel] += dyt[c];
        }
    }

    private static T* PanelRow<T>(T* table, int row, int n)
        where T : unmanaged => table + ((long)(row / Panel) * n * Panel) + (row % Panel);
}
