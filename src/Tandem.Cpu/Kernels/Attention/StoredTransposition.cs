using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>Transposes small matrices: attention wants keys and values both ways.</summary>
internal static unsafe class StoredTransposition
{
    /// <summary>to[c * toStride + r] = from[r * fromStride + c] for r below <paramref name="rows"/> and c below <paramref name="columns"/>.</summary>
    public static void Copy(float* from, nint fromStride, int rows, int columns, float* to, nint toStride) =>
        Copy<float, StoredF32>(from, fromStride, rows, columns, to, toStride);

    /// <summary>The same, rounded to the type of the destination.</summary>
    public static void Copy<T, TStored>(float* from, nint fromStride, int rows, int columns, T* to, nint toStride)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        int wholeRows = Avx.IsSupported ? rows & ~7 : 0, wholeColumns = columns & ~7;
        for (int r = 0; r < wholeRows; r += 8)
        {
            for (int c = 0; c < wholeColumns; c += 8)
                Eight<T, TStored>(from + (r * fromStride) + c, fromStride, to + (c * toStride) + r, toStride);
            Scalar<T, TStored>(from + (r * fromStride) + wholeColumns, fromStride, 8, columns - wholeColumns, to + (wholeColumns * toStride) + r, toStride);
        }

        Scalar<T, TStored>(from + (wholeRows * fromStride), fromStride, rows - wholeRows, columns, to + wholeRows, toStride);
    }

    private static void Scalar<T, TStored>(float* from, nint fromStride, int rows, int columns, T* to, nint toStride)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
                TStored.Store(from[(r * fromStride) + c], to + (c * toStride) + r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight<T, TStored>(float* from, nint fromStride, T* to, nint toStride)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        float* from4 = from + (4 * fromStride);
        Vector256<float> r0 = Vector256.Load(from), r1 = Vector256.Load(from + fromStride), r2 = Vector256.Load(from + (2 * fromStride)), r3 = Vector256.Load(from + (3 * fromStride));
        Vector256<float> r4 = Vector256.Load(from4), r5 = Vector256.Load(from4 + fromStride), r6 = Vector256.Load(from4 + (2 * fromStride)), r7 = Vector256.Load(from4 + (3 * fromStride));
        Transposition.Turn8(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        T* to4 = to + (4 * toStride);
        TStored.Store8(r0, to);
        TStored.Store8(r1, to + toStride);
        TStored.Store8(r2, to + (2 * toStride));
        TStored.Store8(r3, to + (3 * toStride));
        TStored.Store8(r4, to4);
        TStored.Store8(r5, to4 + toStride);
        TStored.Store8(r6, to4 + (2 * toStride));
        TStored.Store8(r7, to4 + (3 * toStride));
    }
}
