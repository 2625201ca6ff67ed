using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>What the panels of types with blocks of 256 share.</summary>
internal static unsafe class LargeBytes
{
    /// <summary>Room for the scales and the minima of a block of 16 rows.</summary>
    public const int Scales = 16 * 32, Minima = 8 * 32;

    /// <summary>A vector of bytes of 16 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Rows(byte* source) => Vector128.Load(source);

    /// <summary>Pairs of two numbers of 16 rows each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Join(short* to, Vector256<short> first, Vector256<short> second)
    {
        (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(first.AsUInt16());
        (Vector256<uint> nextLow, Vector256<uint> nextHigh) = Vector256.Widen(second.AsUInt16());
        (low | (nextLow << 16)).AsInt16().Store(to);
        (high | (nextHigh << 16)).AsInt16().Store(to + 16);
    }

    /// <summary>Bytes below 128 as numbers of 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Widen(Vector128<byte> bytes) => Vector256.WidenLower(bytes.ToVector256Unsafe()).AsInt16();

    /// <summary>Signed bytes as numbers of 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Widen(Vector128<sbyte> bytes) => Vector256.WidenLower(bytes.ToVector256Unsafe());

    /// <summary>A number of each row, twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Twice(short* to, Vector128<byte> bytes)
    {
        Vector256<short> wide = Widen(bytes);
        Join(to, wide, wide);
    }

    /// <summary>Scales of sub-blocks of 16 and, for the minima, those times a zero point.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Zeroed(short* scales, short* minima, int pair, Vector128<sbyte> first, Vector128<sbyte> second, int shift)
    {
        Vector256<short> a = Widen(first), b = Widen(second);
        Join(scales + (64 * pair), a, a);
        Join(scales + (64 * pair) + 32, b, b);
        Join(minima + (32 * pair), a << shift, b << shift);
    }

    /// <summary>Eight scales and eight minima of 6 bits each in 12 bytes, as Q4_K and Q5_K have them.</summary>
    public static void SixBits(byte* packed, short* scales, short* minima)
    {
        Vector128<byte> six = Vector128.Create((byte)63), four = Vector128.Create((byte)15), upper = Vector128.Create((byte)0x30);
        for (int i = 0; i < 4; i++, packed += 16, scales += 32, minima += 32)
        {
            Vector128<byte> a = Rows(packed), b = Rows(packed + 64), c = Rows(packed + 128);
            Twice(scales, a & six);
            Twice(minima, b & six);
            Twice(scales + 128, (c & four) | ((a >>> 2) & upper));
            Twice(minima + 128, ((c >>> 4) & four) | ((b >>> 2) & upper));
        }
    }

    /// <summary>Bytes as words, moved right by a number of bits that is the same for all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Right512(byte* source, int bits) => Vector512.ShiftRightLogical(Vector512.Load(source).AsUInt16(), bits).AsByte();

    /// <summary>The same of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Right256(byte* source, int bits) => Vector256.ShiftRightLogical(Vector256.Load(source).AsUInt16(), bits).AsByte();
}
