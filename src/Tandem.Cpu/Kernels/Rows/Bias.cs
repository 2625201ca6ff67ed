using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>A bias added to every row, and its gradient.</summary>
internal static unsafe class Bias
{
    /// <summary>y[t, c] = x[t, c] + bias[c] for rows [firstRow, firstRow + numRows) of n columns; y may be x.</summary>
    internal static void Add(int firstRow, int numRows, int n, float* x, float* bias, float* y)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
            Elementwise.Add(0, n, x + (t * n), bias, y + (t * n));
    }

    /// <summary>y[t, c] += bias[c] for the rows and columns of a tile of y [rows, n].</summary>
    internal static void Add(Tile tile, int n, float* y, float* bias)
    {
        for (long t = tile.FirstRow; t < tile.LastRow; t++)
        {
            float* row = y + (t * n);
            Elementwise.Add(tile.FirstColumn, tile.LastColumn - tile.FirstColumn, row, bias, row);
        }
    }

    /// <summary>Scalar twin of <see cref="Add(int, int, int, float*, float*, float*)"/>.</summary>
    internal static void AddScalar(int firstRow, int numRows, int n, float* x, float* bias, float* y)
    {
        for (long t = firstRow; t < (long)firstRow + numRows; t++)
            Elementwise.AddScalar(0, n, x + (t * n), bias, y + (t * n));
    }

    /// <summary>
    /// dbias[c] += dy[t, c] over all <paramref name="rows"/> rows in ascending order, for columns [firstColumn, firstColumn + numColumns) of n:
    /// one chain a column that continues the accumulator, so that neither the split by columns nor microbatches change the bits.
    /// </summary>
    internal static void Gradient(int firstColumn, int numColumns, int rows, int n, float* dy, float* dbias)
    {
        int end = firstColumn + numColumns;
        long t = 0;
        // Four rows a pass: the accumulator is loaded and stored once for four additions.
        for (; t <= rows - 4; t += 4)
        {
            float* r0 = dy + (t * n), r1 = r0 + n, r2 = r1 + n, r3 = r2 + n;
            int c = firstColumn;
            for (; c <= end - 8; c += 8)
            {
                var acc = Vector256.Load(dbias + c) + Vector256.Load(r0 + c);
                acc += Vector256.Load(r1 + c);
                acc += Vector256.Load(r2 + c);
                (acc + Vector256.Load(r3 + c)).Store(dbias + c);
            }

            for (; c < end; c++)
                dbias[c] = dbias[c] + r0[c] + r1[c] + r2[c] + r3[c];
        }

        for (; t < rows; t++)
            Elementwise.Add(firstColumn, numColumns, dbias, dy + (t * n), dbias);
    }

    /// <summary>Scalar twin of <see cref="Gradient"/>.</summary>
    internal static void GradientScalar(int firstColumn, int numColumns, int rows, int n, float* dy, float* dbias)
    {
        for (int c = firstColumn; c < firstColumn + numColumns; c++)
        {
            for (long t = 0; t < rows; t++)
                dbias[c] += dy[(t * n) + c];
        }
    }
}
