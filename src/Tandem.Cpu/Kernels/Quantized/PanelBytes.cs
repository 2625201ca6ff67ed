using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>What the panels share.</summary>
internal static unsafe class PanelBytes
{
    // Levels of the IQ4 types plus 128, the first in the lowest byte.
    private const ulong UnevenLow = 0x766A_5D4F_3F2D_1801, UnevenHigh = 0xF1D9_C5B5_A699_8D81;

    // Bit b of an index is bit 4 of byte b.
    private static Vector512<uint> SpreadBits
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(
        0u, 0x10, 0x1000, 0x1010, 0x10_0000, 0x10_0010, 0x10_1000, 0x10_1010, 0x1000_0000, 0x1000_0010, 0x1000_1000, 0x1000_1010, 0x1010_0000, 0x1010_0010, 0x1010_1000, 0x1010_1010);
    }

    /// <summary>Eight binary16 numbers as f32: there is no instruction for it in .NET.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Halves(byte* source) => StoredF16.Load8((ushort*)source);

    /// <summary>Scales of 16 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scales512<T>(byte* block)
        where T : struct, ISmallPanel => T.Scales(block, 0).ToVector512Unsafe().WithUpper(T.Scales(block, 1));

    /// <summary>Minima of 16 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Minima512<T>(byte* block)
        where T : struct, ISmallPanel => T.Minima(block, 0).ToVector512Unsafe().WithUpper(T.Minima(block, 1));

    /// <summary>Levels of 64 codes below 16: bytes of two words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Lookup512(ulong lower, ulong upper, Vector512<byte> codes) => Avx512BW.IsSupported
        ? Avx512BW.Shuffle(Vector512.Create(lower, upper, lower, upper, lower, upper, lower, upper).AsByte(), codes)
        : Vector512.Create(Lookup256(lower, upper, codes.GetLower()), Lookup256(lower, upper, codes.GetUpper()));

    /// <summary>The same of 32 codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Lookup256(ulong lower, ulong upper, Vector256<byte> codes)
    {
        if (Avx2.IsSupported) return Avx2.Shuffle(Vector256.Create(lower, upper, lower, upper).AsByte(), codes);
        Vector128<byte> levels = Vector128.Create(lower, upper).AsByte();
        return Vector256.Create(Vector128.Shuffle(levels, codes.GetLower()), Vector128.Shuffle(levels, codes.GetUpper()));
    }

    /// <summary>The lowest four bits of each 32 as fifth bits of four bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> FifthBits512(Vector512<uint> bits) => Avx512F.IsSupported
        ? Avx512F.PermuteVar16x32(SpreadBits, bits).AsByte()
        : Vector512.Create(FifthBits256(bits.GetLower()), FifthBits256(bits.GetUpper()));

    /// <summary>The same of eight times 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> FifthBits256(Vector256<uint> bits) =>
        (((bits & Vector256.Create(15u)) * Vector256.Create(0x0204_0810u)) & Vector256.Create(0x1010_1010u)).AsByte();

    /// <summary>Low and high halves of 64 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Nibbles512(byte* source, out Vector512<byte> low, out Vector512<byte> high) => Split512(Vector512.Load(source), out low, out high);

    /// <summary>The same of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Nibbles256(byte* source, out Vector256<byte> low, out Vector256<byte> high) => Split256(Vector256.Load(source), out low, out high);

    /// <summary>Codes of 5 bits: low and high halves of 64 bytes, and bits 4 g to 4 g + 3 and 16 + 4 g to 16 + 4 g + 3 of 16 words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FiveBits512(byte* source, byte* fifth, int g, out Vector512<byte> low, out Vector512<byte> high)
    {
        Nibbles512(source, out low, out high);
        Vector512<uint> bits = Vector512.ShiftRightLogical(Vector512.Load((uint*)fifth), 4 * g);
        low |= FifthBits512(bits);
        high |= FifthBits512(bits >>> 16);
    }

    /// <summary>The same of 32 bytes and 8 words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FiveBits256(byte* source, byte* fifth, int g, out Vector256<byte> low, out Vector256<byte> high)
    {
        Nibbles256(source, out low, out high);
        Vector256<uint> bits = Vector256.ShiftRightLogical(Vector256.Load((uint*)fifth), 4 * g);
        low |= FifthBits256(bits);
        high |= FifthBits256(bits >>> 16);
    }

    /// <summary>Levels of the IQ4 types, plus 128, of the low and high halves of 64 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Uneven512(byte* source, out Vector512<byte> low, out Vector512<byte> high)
    {
        Nibbles512(source, out low, out high);
        (low, high) = (Lookup512(UnevenLow, UnevenHigh, low), Lookup512(UnevenLow, UnevenHigh, high));
    }

    /// <summary>The same of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Uneven256(byte* source, out Vector256<byte> low, out Vector256<byte> high)
    {
        Nibbles256(source, out low, out high);
        (low, high) = (Lookup256(UnevenLow, UnevenHigh, low), Lookup256(UnevenLow, UnevenHigh, high));
    }

    /// <summary>Low and high halves of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split512(Vector512<byte> both, out Vector512<byte> low, out Vector512<byte> high)
    {
        Vector512<byte> mask = Vector512.Create((byte)15);
        low = both & mask;
        high = Vector512.ShiftRightLogical(both.AsUInt16(), 4).AsByte() & mask;
    }

    /// <summary>Low and high halves of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split256(Vector256<byte> both, out Vector256<byte> low, out Vector256<byte> high)
    {
        Vector256<byte> mask = Vector256.Create((byte)15);
        low = both & mask;
        high = Vector256.ShiftRightLogical(both.AsUInt16(), 4).AsByte() & mask;
    }
}
