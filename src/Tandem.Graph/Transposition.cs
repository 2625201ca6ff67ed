using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Graph;

/// <summary>Transposition of small matrices: what lies between rows and panels.</summary>
internal static unsafe class Transposition
{
    /// <summary>to[j, i] = from[i, j] for i below <paramref name="rows"/>, j below <paramref name="columns"/>.</summary>
    public static void Run(float* from, nint ldFrom, int rows, int columns, float* to, nint ldTo)
    {
        int i = 0;
        for (; Avx.IsSupported && i <= rows - 8; i += 8)
        {
            int j = 0;
            for (; j <= columns - 8; j += 8)
            {
                float* a = from + (i * ldFrom) + j, b = a + (4 * ldFrom);
                Store8(
                    Vector256.Load(a), Vector256.Load(a + ldFrom), Vector256.Load(a + (2 * ldFrom)), Vector256.Load(a + (3 * ldFrom)),
                    Vector256.Load(b), Vector256.Load(b + ldFrom), Vector256.Load(b + (2 * ldFrom)), Vector256.Load(b + (3 * ldFrom)),
                    to + (j * ldTo) + i, ldTo);
            }

            for (; j < columns; j++)
                for (int k = i; k < i + 8; k++) to[(j * ldTo) + k] = from[(k * ldFrom) + j];
        }

        for (; i < rows; i++)
            for (int j = 0; j < columns; j++) to[(j * ldTo) + i] = from[(i * ldFrom) + j];
    }

    /// <summary>Stores 8 rows of 8 as 8 columns: row j of the result is element j of each. Needs AVX.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store8(
        Vector256<float> r0, Vector256<float> r1, Vector256<float> r2, Vector256<float> r3,
        Vector256<float> r4, Vector256<float> r5, Vector256<float> r6, Vector256<float> r7, float* to, nint ldTo)
    {
        Turn8(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        r0.Store(to);
        r1.Store(to + ldTo);
        r2.Store(to + (2 * ldTo));
        r3.Store(to + (3 * ldTo));
        to += 4 * ldTo;
        r4.Store(to);
        r5.Store(to + ldTo);
        r6.Store(to + (2 * ldTo));
        r7.Store(to + (3 * ldTo));
    }

    /// <summary>Transposes 8 registers of 8. Needs AVX.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Turn8(
        ref Vector256<float> r0, ref Vector256<float> r1, ref Vector256<float> r2, ref Vector256<float> r3,
        ref Vector256<float> r4, ref Vector256<float> r5, ref Vector256<float> r6, ref Vector256<float> r7)
    {
        // Pairs of rows, then pairs of pairs, each within halves of 128 bits, then the halves.
        const byte low = 0x44, high = 0xee, lowHalves = 0x20, highHalves = 0x31;
        Vector256<float> t0 = Avx.UnpackLow(r0, r1), t1 = Avx.UnpackHigh(r0, r1), t2 = Avx.UnpackLow(r2, r3), t3 = Avx.UnpackHigh(r2, r3);
        Vector256<float> t4 = Avx.UnpackLow(r4, r5), t5 = Avx.UnpackHigh(r4, r5), t6 = Avx.UnpackLow(r6, r7), t7 = Avx.UnpackHigh(r6, r7);
        Vector256<float> s0 = Avx.Shuffle(t0, t2, low), s1 = Avx.Shuffle(t0, t2, high), s2 = Avx.Shuffle(t1, t3, low), s3 = Avx.Shuffle(t1, t3, high);
        Vector256<float> s4 = Avx.Shuffle(t4, t6, low), s5 = Avx.Shuffle(t4, t6, high), s6 = Avx.Shuffle(t5, t7, low), s7 = Avx.Shuffle(t5, t7, high);
        r0 = Avx.Permute2x128(s0, s4, lowHalves);
        r1 = Avx.Permute2x128(s1, s5, lowHalves);
        r2 = Avx.Permute2x128(s2, s6, lowHalves);
        r3 = Avx.Permute2x128(s3, s7, lowHalves);
        r4 = Avx.Permute2x128(s0, s4, highHalves);
        r5 = Avx.Permute2x128(s1, s5, highHalves);
        r6 = Avx.Permute2x128(s2, s6, highHalves);
        r7 = Avx.Permute2x128(s3, s7, highHalves);
    }
}
