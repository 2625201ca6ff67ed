using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>What the panels of types with blocks of 256 share.</summary>
internal static unsafe class LargeBytes
{
    /// <summary>Room for the scales and the minima of a block of 16 rows.</summary>
    public const int Scales = 16 * 32, Minima = 8 * 32;

    // Of the 16 bytes that all lanes have, lane i takes those from 4 i on.
    private static Vector512<byte> LowBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(0x8001_8001_8000_8000, 0x8003_8003_8002_8002, 0x8005_8005_8004_8004, 0x8007_8007_8006_8006, 0x8009_8009_8008_8008, 0x800B_800B_800A_800A, 0x800D_800D_800C_800C, 0x800F_800F_800E_800E).AsByte();
    }

    /// <summary>A byte of each of 16 rows as two equal numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> Twice(byte* source)
    {
        if (Avx512BW.IsSupported) return Avx512BW.Shuffle(Avx512F.BroadcastVector128ToVector512((int*)source).AsByte(), LowBytes).AsUInt16();
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Load(source));
        return Vector512.Create(Twice(low), Twice(high)).AsUInt16();
    }

    /// <summary>A signed byte of each of 16 rows as two equal numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> TwiceSigned(byte* source) => (Twice(source) << 8).AsInt16() >> 8;

    /// <summary>The first of each pair of numbers, and the second ones of others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Pairs(Vector512<short> first, Vector512<short> second) =>
        Vector512.ConditionalSelect(Vector512.Create(0x0000_FFFFu), first.AsUInt32(), second.AsUInt32()).AsInt16();

    /// <summary>Scales of two sub-blocks of 16 and, for the minima, those times a zero point that is a power of two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Zeroed(short* scales, short* minima, int pair, Vector512<short> first, Vector512<short> second, int shift)
    {
        first.Store(scales + (64 * pair));
        second.Store(scales + (64 * pair) + 32);
        Pairs(first << shift, second << shift).Store(minima + (32 * pair));
    }

    /// <summary>Eight scales and eight minima of 6 bits each in 12 bytes, as Q4_K and Q5_K have them.</summary>
    public static void SixBits(byte* packed, short* scales, short* minima)
    {
        Vector512<ushort> six = Vector512.Create((ushort)63), four = Vector512.Create((ushort)15), upper = Vector512.Create((ushort)0x30);
        for (int i = 0; i < 4; i++, packed += 16, scales += 32, minima += 32)
        {
            Vector512<ushort> a = Twice(packed), b = Twice(packed + 64), c = Twice(packed + 128);
            (a & six).AsInt16().Store(scales);
            (b & six).AsInt16().Store(minima);
            ((c & four) | ((a >>> 2) & upper)).AsInt16().Store(scales + 128);
            ((c >>> 4) | ((b >>> 2) & upper)).AsInt16().Store(minima + 128);
        }
    }

    /// <summary>Bytes as words, moved right by a number of bits that is the same for all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Right512(byte* source, int bits) => Vector512.ShiftRightLogical(Vector512.Load(source).AsUInt16(), bits).AsByte();

    /// <summary>The same of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Right256(byte* source, int bits) => Vector256.ShiftRightLogical(Vector256.Load(source).AsUInt16(), bits).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Twice(Vector128<ushort> numbers)
    {
        (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(numbers);
        return Vector256.Create(low | (low << 16), high | (high << 16));
    }
}
