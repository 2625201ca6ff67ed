using System.Runtime.InteropServices;

namespace Tandem.Cpu;

/// <summary>Takes some rows or columns out of an array of rows, and puts gradients back.</summary>
internal static unsafe class RowSelection
{
    /// <summary>y[i, n] = x[selected[i], :] for i in [first, first + count).</summary>
    internal static void Gather(int first, int count, int n, int* selected, float* x, float* y)
    {
        for (long i = first; i < (long)first + count; i++)
            Elementwise.Copy(0, n, x + ((long)selected[i] * n), y + (i * n));
    }

    /// <summary>
    /// The gradient of <see cref="Gather"/> for rows [firstRow, firstRow + numRows) of dx: dx[selected[i]] = dy[i], zero where a row was not selected.
    /// <paramref name="selected"/> is ascending; where a row was selected several times its gradients are added in that order.
    /// </summary>
    internal static void Scatter(int firstRow, int numRows, int n, int* selected, int numSelected, float* dy, float* dx)
    {
        long i = LowerBound(selected, numSelected, firstRow);
        for (int t = firstRow; t < firstRow + numRows; t++)
        {
            float* row = dx + ((long)t * n);
            if (i == numSelected || selected[i] != t)
            {
                NativeMemory.Clear(row, (nuint)n * sizeof(float));
                continue;
            }

            Elementwise.Copy(0, n, dy + (i * n), row);
            for (i++; i < numSelected && selected[i] == t; i++)
                Elementwise.Add(0, n, row, dy + (i * n), row);
        }
    }

    /// <summary>Copies <paramref name="columns"/> columns of rows [firstRow, firstRow + numRows); the strides are floats from one row to the next.</summary>
    internal static void CopyColumns(int firstRow, int numRows, int columns, float* x, long xStride, float* y, long yStride)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
            Elementwise.Copy(0, columns, x + (t * xStride), y + (t * yStride));
    }

    private static int LowerBound(int* ascending, int count, int value)
    {
        int low = 0, high = count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (ascending[middle] < value)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }
}
