using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>Q4_0: (0 to 15 - 8) * scale.</summary>
internal readonly unsafe struct Q4_0Panel : ISmallPanel
{
    public static int Bytes => 16 * 18;

    public static bool IsWide => false;

    public static int Zero => 8;

    public static int Chain => 8;

    public static bool HasMinimum => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high) => PanelBytes.Nibbles512(block + 32 + (64 * g), out low, out high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high) => PanelBytes.Nibbles256(block + 32 + (64 * g) + (32 * half), out low, out high);

    public static float Scale(byte* block, int row) => (float)((Half*)block)[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block, int half) => PanelBytes.Halves(block + (16 * half));

    public static float Minimum(byte* block, int row) => 0;

    public static Vector256<float> Minima(byte* block, int half) => default;
}

/// <summary>Q4_1: 0 to 15 * scale + minimum.</summary>
internal readonly unsafe struct Q4_1Panel : ISmallPanel
{
    public static int Bytes => 16 * 20;

    public static bool IsWide => false;

    public static int Zero => 0;

    public static int Chain => 8;

    public static bool HasMinimum => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high) => PanelBytes.Nibbles512(block + 64 + (64 * g), out low, out high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high) => PanelBytes.Nibbles256(block + 64 + (64 * g) + (32 * half), out low, out high);

    public static float Scale(byte* block, int row) => (float)((Half*)block)[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block, int half) => PanelBytes.Halves(block + (16 * half));

    public static float Minimum(byte* block, int row) => (float)((Half*)(block + 32))[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Minima(byte* block, int half) => PanelBytes.Halves(block + 32 + (16 * half));
}

/// <summary>Q5_0: (0 to 31 - 16) * scale.</summary>
internal readonly unsafe struct Q5_0Panel : ISmallPanel
{
    public static int Bytes => 16 * 22;

    public static bool IsWide => false;

    public static int Zero => 16;

    public static int Chain => 4;

    public static bool HasMinimum => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high) => PanelBytes.FiveBits512(block + 96 + (64 * g), block + 32, g, out low, out high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high) =>
        PanelBytes.FiveBits256(block + 96 + (64 * g) + (32 * half), block + 32 + (32 * half), g, out low, out high);

    public static float Scale(byte* block, int row) => (float)((Half*)block)[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block, int half) => PanelBytes.Halves(block + (16 * half));

    public static float Minimum(byte* block, int row) => 0;

    public static Vector256<float> Minima(byte* block, int half) => default;
}

/// <summary>Q5_1: 0 to 31 * scale + minimum.</summary>
internal readonly unsafe struct Q5_1Panel : ISmallPanel
{
    public static int Bytes => 16 * 24;

    public static bool IsWide => false;

    public static int Zero => 0;

    public static int Chain => 4;

    public static bool HasMinimum => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high) => PanelBytes.FiveBits512(block + 128 + (64 * g), block + 64, g, out low, out high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high) =>
        PanelBytes.FiveBits256(block + 128 + (64 * g) + (32 * half), block + 64 + (32 * half), g, out low, out high);

    public static float Scale(byte* block, int row) => (float)((Half*)block)[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block, int half) => PanelBytes.Halves(block + (16 * half));

    public static float Minimum(byte* block, int row) => (float)((Half*)(block + 32))[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Minima(byte* block, int half) => PanelBytes.Halves(block + 32 + (16 * half));
}

/// <summary>Q8_0: (0 to 255 - 128) * scale.</summary>
internal readonly unsafe struct Q8_0Panel : ISmallPanel
{
    public static int Bytes => 16 * 34;

    public static bool IsWide => true;

    public static int Zero => 128;

    public static int Chain => 8;

    public static bool HasMinimum => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high) =>
        (low, high) = (Vector512.Load(block + 32 + (64 * g)) ^ Vector512.Create((byte)128), Vector512.Load(block + 288 + (64 * g)) ^ Vector512.Create((byte)128));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high) =>
        (low, high) = (Vector256.Load(block + 32 + (64 * g) + (32 * half)) ^ Vector256.Create((byte)128), Vector256.Load(block + 288 + (64 * g) + (32 * half)) ^ Vector256.Create((byte)128));

    public static float Scale(byte* block, int row) => (float)((Half*)block)[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block, int half) => PanelBytes.Halves(block + (16 * half));

    public static float Minimum(byte* block, int row) => 0;

    public static Vector256<float> Minima(byte* block, int half) => default;
}

/// <summary>IQ4_NL: (one of sixteen levels - 128) * scale.</summary>
internal readonly unsafe struct IQ4_NLPanel : ISmallPanel
{
    public static int Bytes => 16 * 18;

    public static bool IsWide => true;

    public static int Zero => 128;

    public static int Chain => 8;

    public static bool HasMinimum => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high) => PanelBytes.Uneven512(block + 32 + (64 * g), out low, out high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high) => PanelBytes.Uneven256(block + 32 + (64 * g) + (32 * half), out low, out high);

    public static float Scale(byte* block, int row) => (float)((Half*)block)[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block, int half) => PanelBytes.Halves(block + (16 * half));

    public static float Minimum(byte* block, int row) => 0;

    public static Vector256<float> Minima(byte* block, int half) => default;
}

/// <summary>MXFP4: twice a 4-bit float, here 12 more (0 to 24), * 2^(e - 128).</summary>
internal readonly unsafe struct MXFP4Panel : ISmallPanel
{
    // Twice each number plus 12, the first in the lowest byte.
    private const ulong Lower = 0x1814_1210_0F0E_0D0C, Upper = 0x0004_0608_090A_0B0C;

    public static int Bytes => 16 * 17;

    public static bool IsWide => false;

    public static int Zero => 12;

    public static int Chain => 4;

    public static bool HasMinimum => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high)
    {
        PanelBytes.Nibbles512(block + 16 + (64 * g), out low, out high);
        (low, high) = (PanelBytes.Lookup512(Lower, Upper, low), PanelBytes.Lookup512(Lower, Upper, high));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high)
    {
        PanelBytes.Nibbles256(block + 16 + (64 * g) + (32 * half), out low, out high);
        (low, high) = (PanelBytes.Lookup256(Lower, Upper, low), PanelBytes.Lookup256(Lower, Upper, high));
    }

    // 2^(e - 128); for e = 0 and 1 that is below the normal floats.
    public static float Scale(byte* block, int row) => BitConverter.UInt32BitsToSingle(block[row] < 2 ? 0x0020_0000u << block[row] : (uint)(block[row] - 1) << 23);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block, int half)
    {
        Vector256<uint> e = Vector256.WidenLower(Vector256.WidenLower(Vector256.CreateScalarUnsafe(*(ulong*)(block + (8 * half))).AsByte()));
        Vector256<uint> tiny = Vector256.ConditionalSelect(Vector256.Equals(e, Vector256<uint>.Zero), Vector256.Create(0x0020_0000u), Vector256.Create(0x0040_0000u));
        return Vector256.ConditionalSelect(Vector256.LessThan(e.AsInt32(), Vector256.Create(2)), tiny.AsInt32(), ((e - Vector256<uint>.One) << 23).AsInt32()).AsSingle();
    }

    public static float Minimum(byte* block, int row) => 0;

    public static Vector256<float> Minima(byte* block, int half) => default;
}
