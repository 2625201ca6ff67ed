using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>Q2_K: 0 to 3 * scale - minimum, of 16 elements each; scales and minima of 4 bits.</summary>
internal readonly unsafe struct Q2_KPanel : ILargePanel
{
    public static int Bytes => 16 * 84;

    public static int SubBlock => 16;

    public static int Distance => 64;

    public static int Chain => 4;

    public static bool IsWide => false;

    public static bool HasMinimumScale => true;

    public static (int Scale, int MinimumScale) ScaleOffsets => (1280, 1312);

    public static void Scales(byte* block, short* scales, short* minima)
    {
        Vector512<ushort> four = Vector512.Create((ushort)15);
        for (int i = 0; i < 8; i++, block += 32, scales += 64, minima += 32)
        {
            Vector512<ushort> first = LargeBytes.Twice(block), second = LargeBytes.Twice(block + 16);
            (first & four).AsInt16().Store(scales);
            (second & four).AsInt16().Store(scales + 32);
            LargeBytes.Pairs((first >>> 4).AsInt16(), (second >>> 4).AsInt16()).Store(minima);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int unit, int g, out Vector512<byte> low, out Vector512<byte> high)
    {
        int q = (4 * (unit % 4)) + g;
        Vector512<byte> codes = LargeBytes.Right512(block + 256 + (512 * (unit / 4)) + (64 * (q % 8)), 2 * (q / 8)), mask = Vector512.Create((byte)3);
        low = codes & mask;
        high = (codes.AsUInt16() >>> 4).AsByte() & mask;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int unit, int g, int half, out Vector256<byte> low, out Vector256<byte> high)
    {
        int q = (4 * (unit % 4)) + g;
        Vector256<byte> codes = LargeBytes.Right256(block + 256 + (512 * (unit / 4)) + (64 * (q % 8)) + (32 * half), 2 * (q / 8)), mask = Vector256.Create((byte)3);
        low = codes & mask;
        high = (codes.AsUInt16() >>> 4).AsByte() & mask;
    }
}

/// <summary>Q3_K: (0 to 7 - 4) * (scale - 32) of 16 elements, scales of 6 bits.</summary>
internal readonly unsafe struct Q3_KPanel : ILargePanel
{
    public static int Bytes => 16 * 110;

    public static int SubBlock => 16;

    public static int Distance => 64;

    public static int Chain => 4;

    public static bool IsWide => false;

    public static bool HasMinimumScale => false;

    public static (int Scale, int MinimumScale) ScaleOffsets => (1728, 0);

    public static void Scales(byte* block, short* scales, short* minima)
    {
        for (int pair = 0; pair < 8; pair++) LargeBytes.Zeroed(scales, minima, pair, Scale(block, 2 * pair), Scale(block, (2 * pair) + 1), 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Scale(byte* block, int sub)
    {
        Vector512<ushort> low = Vector512.ShiftRightLogical(LargeBytes.Twice(block + 1536 + (16 * (sub % 8))), sub / 8 * 4) & Vector512.Create((ushort)15);
        Vector512<ushort> high = Vector512.ShiftRightLogical(LargeBytes.Twice(block + 1664 + (16 * (sub % 4))), sub / 4 * 2) & Vector512.Create((ushort)3);
        return (low | (high << 4)).AsInt16() - Vector512.Create((short)32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int unit, int g, out Vector512<byte> low, out Vector512<byte> high)
    {
        int q = (4 * (unit % 4)) + g;
        Vector512<byte> two = Vector512.Create((byte)3), four = Vector512.Create((byte)4);
        Vector512<byte> codes = LargeBytes.Right512(block + 512 + (512 * (unit / 4)) + (64 * (q % 8)), 2 * (q / 8));
        Vector512<byte> third = LargeBytes.Right512(block + (64 * (q % 8)), (4 * (unit / 4)) + (q / 8));
        low = (codes & two) | ((third.AsUInt16() << 2).AsByte() & four);
        high = ((codes.AsUInt16() >>> 4).AsByte() & two) | (third & four);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int unit, int g, int half, out Vector256<byte> low, out Vector256<byte> high)
    {
        int q = (4 * (unit % 4)) + g;
        Vector256<byte> two = Vector256.Create((byte)3), four = Vector256.Create((byte)4);
        Vector256<byte> codes = LargeBytes.Right256(block + 512 + (512 * (unit / 4)) + (64 * (q % 8)) + (32 * half), 2 * (q / 8));
        Vector256<byte> third = LargeBytes.Right256(block + (64 * (q % 8)) + (32 * half), (4 * (unit / 4)) + (q / 8));
        low = (codes & two) | ((third.AsUInt16() << 2).AsByte() & four);
        high = ((codes.AsUInt16() >>> 4).AsByte() & two) | (third & four);
    }
}

/// <summary>Q4_K: 0 to 15 * scale - minimum, of 32 elements each; scales and minima of 6 bits.</summary>
internal readonly unsafe struct Q4_KPanel : ILargePanel
{
    public static int Bytes => 16 * 144;

    public static int SubBlock => 32;

    public static int Distance => 32;

    public static int Chain => 8;

    public static bool IsWide => false;

    public static bool HasMinimumScale => true;

    public static (int Scale, int MinimumScale) ScaleOffsets => (0, 32);

    public static void Scales(byte* block, short* scales, short* minima) => LargeBytes.SixBits(block + 64, scales, minima);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int unit, int g, out Vector512<byte> low, out Vector512<byte> high)
    {
        PanelBytes.Nibbles512(block + 256 + (512 * unit) + (64 * g), out low, out high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int unit, int g, int half, out Vector256<byte> low, out Vector256<byte> high)
    {
        PanelBytes.Nibbles256(block + 256 + (512 * unit) + (64 * g) + (32 * half), out low, out high);
    }
}

/// <summary>Q5_K: 0 to 31 * scale - minimum, of 32 elements each; scales and minima of 6 bits.</summary>
internal readonly unsafe struct Q5_KPanel : ILargePanel
{
    public static int Bytes => 16 * 176;

    public static int SubBlock => 32;

    public static int Distance => 32;

    public static int Chain => 4;

    public static bool IsWide => false;

    public static bool HasMinimumScale => true;

    public static (int Scale, int MinimumScale) ScaleOffsets => (0, 32);

    public static void Scales(byte* block, short* scales, short* minima) => LargeBytes.SixBits(block + 64, scales, minima);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int unit, int g, out Vector512<byte> low, out Vector512<byte> high)
    {
        PanelBytes.Nibbles512(block + 768 + (512 * unit) + (64 * g), out low, out high);
        Vector512<byte> fifth = LargeBytes.Right512(block + 256 + (64 * g), 2 * unit), bit = Vector512.Create((byte)16);
        low |= (fifth.AsUInt16() << 4).AsByte() & bit;
        high |= (fifth.AsUInt16() << 3).AsByte() & bit;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int unit, int g, int half, out Vector256<byte> low, out Vector256<byte> high)
    {
        PanelBytes.Nibbles256(block + 768 + (512 * unit) + (64 * g) + (32 * half), out low, out high);
        Vector256<byte> fifth = LargeBytes.Right256(block + 256 + (64 * g) + (32 * half), 2 * unit), bit = Vector256.Create((byte)16);
        low |= (fifth.AsUInt16() << 4).AsByte() & bit;
        high |= (fifth.AsUInt16() << 3).AsByte() & bit;
    }
}

/// <summary>Q6_K: (0 to 63 - 32) * scale of 16 elements, scales of 8 bits.</summary>
internal readonly unsafe struct Q6_KPanel : ILargePanel
{
    public static int Bytes => 16 * 210;

    public static int SubBlock => 16;

    public static int Distance => 64;

    public static int Chain => 2;

    public static bool IsWide => false;

    public static bool HasMinimumScale => false;

    public static (int Scale, int MinimumScale) ScaleOffsets => (3328, 0);

    public static void Scales(byte* block, short* scales, short* minima)
    {
        block += 3072;
        for (int pair = 0; pair < 8; pair++, block += 32) LargeBytes.Zeroed(scales, minima, pair, LargeBytes.TwiceSigned(block), LargeBytes.TwiceSigned(block + 16), 5);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int unit, int g, out Vector512<byte> low, out Vector512<byte> high)
    {
        int q = (4 * (unit % 4)) + g;
        PanelBytes.Nibbles512(block + (1024 * (unit / 4)) + (64 * q), out low, out high);
        Vector512<byte> upper = LargeBytes.Right512(block + 2048 + (512 * (unit / 4)) + (64 * (q % 8)), 2 * (q / 8)), mask = Vector512.Create((byte)0x30);
        low |= (upper.AsUInt16() << 4).AsByte() & mask;
        high |= upper & mask;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int unit, int g, int half, out Vector256<byte> low, out Vector256<byte> high)
    {
        int q = (4 * (unit % 4)) + g;
        PanelBytes.Nibbles256(block + (1024 * (unit / 4)) + (64 * q) + (32 * half), out low, out high);
        Vector256<byte> upper = LargeBytes.Right256(block + 2048 + (512 * (unit / 4)) + (64 * (q % 8)) + (32 * half), 2 * (q / 8)), mask = Vector256.Create((byte)0x30);
        low |= (upper.AsUInt16() << 4).AsByte() & mask;
        high |= upper & mask;
    }
}

/// <summary>IQ4_XS: (one of sixteen levels - 128) * (scale - 32) of 32 elements, scales of 6 bits.</summary>
internal readonly unsafe struct IQ4_XSPanel : ILargePanel
{
    public static int Bytes => 16 * 136;

    public static int SubBlock => 32;

    public static int Distance => 16;

    public static int Chain => 4;

    public static bool IsWide => true;

    public static bool HasMinimumScale => false;

    public static (int Scale, int MinimumScale) ScaleOffsets => (0, 0);

    public static void Scales(byte* block, short* scales, short* minima)
    {
        Vector512<uint> low = Vector512.Load((uint*)(block + 64)), high = Vector512.WidenLower(Vector256.Load((ushort*)(block + 32)).ToVector512Unsafe()) << 4;
        for (int sub = 0; sub < 8; sub++, low >>>= 4, high >>>= 2, scales += 32, minima += 32)
        {
            Vector512<uint> code = (low & Vector512.Create(15u)) | (high & Vector512.Create(0x30u));
            Vector512<short> scale = (code | (code << 16)).AsInt16() - Vector512.Create((short)32);
            scale.Store(scales);
            (scale << 7).Store(minima);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int unit, int g, out Vector512<byte> low, out Vector512<byte> high)
    {
        PanelBytes.Uneven512(block + 128 + (256 * unit) + (64 * g), out low, out high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int unit, int g, int half, out Vector256<byte> low, out Vector256<byte> high)
    {
        PanelBytes.Uneven256(block + 128 + (256 * unit) + (64 * g) + (32 * half), out low, out high);
    }
}
