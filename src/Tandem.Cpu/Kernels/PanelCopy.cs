using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>Copies of operands into the order in which the products read them.</summary>
internal static unsafe class PanelCopy
{
    /// <summary>to[i, 0..count-1] = from[i, 0..count-1] for rows i.</summary>
    public static void Rows(float* from, nint ldFrom, int rows, int count, float* to, nint ldTo)
    {
        for (int i = 0; i < rows; i++, from += ldFrom, to += ldTo)
        {
            int j = 0;
            for (; j <= count - 8; j += 8) Vector256.Load(from + j).Store(to + j);
            for (; j < count; j++) to[j] = from[j];
        }
    }

    /// <summary>to[j, i] = from[i, j] for i below <paramref name="rows"/>, j below <paramref name="columns"/>, stored elements becoming f32.</summary>
    public static void Transpose<T, TStored>(T* from, nint ldFrom, int rows, int columns, float* to, nint ldTo)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        int i = 0;
        for (; Avx.IsSupported && i <= rows - 8; i += 8)
        {
            int j = 0;
            for (; j <= columns - 8; j += 8)
            {
                T* a = from + (i * ldFrom) + j, b = a + (4 * ldFrom);
                Transposition.Store8(
                    TStored.Load8(a), TStored.Load8(a + ldFrom), TStored.Load8(a + (2 * ldFrom)), TStored.Load8(a + (3 * ldFrom)),
                    TStored.Load8(b), TStored.Load8(b + ldFrom), TStored.Load8(b + (2 * ldFrom)), TStored.Load8(b + (3 * ldFrom)),
                    to + (j * ldTo) + i, ldTo);
            }

            for (; j < columns; j++)
                for (int k = i; k < i + 8; k++) to[(j * ldTo) + k] = TStored.Load(from + (k * ldFrom) + j);
        }

        for (; i < rows; i++)
            for (int j = 0; j < columns; j++) to[(j * ldTo) + i] = TStored.Load(from + (i * ldFrom) + j);
    }

    /// <summary>to[i, 0..15] = from[i, 0..columns-1], zeros beyond: 16 columns of a row-major matrix as a panel.</summary>
    public static void Columns16(float* from, nint ldFrom, int rows, int columns, float* to)
    {
        for (int i = 0; i < rows; i++, from += ldFrom, to += MicroKernel.Columns)
        {
            if (columns == MicroKernel.Columns)
            {
                Vector256.Load(from).Store(to);
                Vector256.Load(from + 8).Store(to + 8);
                continue;
            }

            for (int j = 0; j < MicroKernel.Columns; j++) to[j] = j < columns ? from[j] : 0;
        }
    }

    /// <summary>Part of a panel as f32.</summary>
    public static void Widen<T, TStored>(T* from, int rows, float* to)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        for (int i = 0; i < rows * MicroKernel.Columns; i += 16)
        {
            TStored.Load8(from + i).Store(to + i);
            TStored.Load8(from + i + 8).Store(to + i + 8);
        }
    }
}
