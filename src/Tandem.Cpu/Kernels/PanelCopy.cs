using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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
            for (; j <= columns - 8; j += 8) Transpose8<T, TStored>(from + (i * ldFrom) + j, ldFrom, to + (j * ldTo) + i, ldTo);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose8<T, TStored>(T* from, nint ldFrom, float* to, nint ldTo)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        Vector256<float> r0 = TStored.Load8(from), r1 = TStored.Load8(from + ldFrom), r2 = TStored.Load8(from + (2 * ldFrom)), r3 = TStored.Load8(from + (3 * ldFrom));
        from += 4 * ldFrom;
        Vector256<float> r4 = TStored.Load8(from), r5 = TStored.Load8(from + ldFrom), r6 = TStored.Load8(from + (2 * ldFrom)), r7 = TStored.Load8(from + (3 * ldFrom));

        // Pairs of rows, then pairs of pairs, each within halves of 128 bits, then the halves.
        Vector256<float> t0 = Avx.UnpackLow(r0, r1), t1 = Avx.UnpackHigh(r0, r1), t2 = Avx.UnpackLow(r2, r3), t3 = Avx.UnpackHigh(r2, r3);
        Vector256<float> t4 = Avx.UnpackLow(r4, r5), t5 = Avx.UnpackHigh(r4, r5), t6 = Avx.UnpackLow(r6, r7), t7 = Avx.UnpackHigh(r6, r7);
        const byte low = 0x44, high = 0xee, lowHalves = 0x20, highHalves = 0x31;
        r0 = Avx.Shuffle(t0, t2, low);
        r1 = Avx.Shuffle(t0, t2, high);
        r2 = Avx.Shuffle(t1, t3, low);
        r3 = Avx.Shuffle(t1, t3, high);
        r4 = Avx.Shuffle(t4, t6, low);
        r5 = Avx.Shuffle(t4, t6, high);
        r6 = Avx.Shuffle(t5, t7, low);
        r7 = Avx.Shuffle(t5, t7, high);
        Avx.Permute2x128(r0, r4, lowHalves).Store(to);
        Avx.Permute2x128(r1, r5, lowHalves).Store(to + ldTo);
        Avx.Permute2x128(r2, r6, lowHalves).Store(to + (2 * ldTo));
        Avx.Permute2x128(r3, r7, lowHalves).Store(to + (3 * ldTo));
        to += 4 * ldTo;
        Avx.Permute2x128(r0, r4, highHalves).Store(to);
        Avx.Permute2x128(r1, r5, highHalves).Store(to + ldTo);
        Avx.Permute2x128(r2, r6, highHalves).Store(to + (2 * ldTo));
        Avx.Permute2x128(r3, r7, highHalves).Store(to + (3 * ldTo));
    }
}
