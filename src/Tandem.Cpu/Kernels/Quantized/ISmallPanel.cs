using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// A type with blocks of 32 in a panel: 8 vectors of 16 rows by 4 elements, unsigned with a zero point or signed; scales and perhaps minima of 16 rows.
/// In the vectors of 512 bits, 32-bit lane i is row i; those of 256 bits are the halves, rows 0 to 7 and 8 to 15.
/// </summary>
internal unsafe interface ISmallPanel
{
    /// <summary>Bytes of 16 blocks.</summary>
    static abstract int Bytes { get; }

    /// <summary>Whether the bytes that <see cref="Load512"/> gives are signed; else they are below 32, and <see cref="Zero"/> is to be subtracted.</summary>
    static abstract bool IsSigned { get; }

    /// <summary>What the unsigned bytes count from.</summary>
    static abstract int Zero { get; }

    /// <summary>Most of the eight vectors whose products with bytes can be added in 16 bits.</summary>
    static abstract int Chain { get; }

    /// <summary>Whether there are minima, to which the sums of the rows are multiplied.</summary>
    static abstract bool HasMinimum { get; }

    /// <summary>Elements 4 g to 4 g + 3 and 16 + 4 g to 16 + 4 g + 3 of the 16 rows.</summary>
    static abstract void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high);

    /// <summary>The same of rows 8 half to 8 half + 7.</summary>
    static abstract void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high);

    /// <summary>Scale of a row.</summary>
    static abstract float Scale(byte* block, int row);

    /// <summary>Scales of rows 8 half to 8 half + 7.</summary>
    static abstract Vector256<float> Scales(byte* block, int half);

    /// <summary>Minimum of a row.</summary>
    static abstract float Minimum(byte* block, int row);

    /// <summary>Minima of rows 8 half to 8 half + 7.</summary>
    static abstract Vector256<float> Minima(byte* block, int half);
}

/// <summary>What the panels share.</summary>
internal static unsafe class PanelBytes
{
    /// <summary>Eight binary16 numbers as f32: there is no instruction for it in .NET.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Halves(byte* source) => StoredF16.Load8((ushort*)source);

    /// <summary>Scales of 16 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scales512<T>(byte* block)
        where T : struct, ISmallPanel => Vector512.Create(T.Scales(block, 0), T.Scales(block, 1));

    /// <summary>Minima of 16 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Minima512<T>(byte* block)
        where T : struct, ISmallPanel => Vector512.Create(T.Minima(block, 0), T.Minima(block, 1));

    /// <summary>Low and high halves of 64 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Nibbles512(byte* source, out Vector512<byte> low, out Vector512<byte> high)
    {
        Vector512<byte> both = Vector512.Load(source), mask = Vector512.Create((byte)15);
        low = both & mask;
        high = Vector512.ShiftRightLogical(both.AsUInt16(), 4).AsByte() & mask;
    }

    /// <summary>The same of 32 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Nibbles256(byte* source, out Vector256<byte> low, out Vector256<byte> high)
    {
        Vector256<byte> both = Vector256.Load(source), mask = Vector256.Create((byte)15);
        low = both & mask;
        high = Vector256.ShiftRightLogical(both.AsUInt16(), 4).AsByte() & mask;
    }
}

/// <summary>Q4_0: (0 to 15 - 8) * scale.</summary>
internal readonly unsafe struct Q4_0Panel : ISmallPanel
{
    public static int Bytes => 16 * 18;

    public static bool IsSigned => false;

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

    public static bool IsSigned => false;

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

/// <summary>Q8_0: -128 to 127 * scale.</summary>
internal readonly unsafe struct Q8_0Panel : ISmallPanel
{
    public static int Bytes => 16 * 34;

    public static bool IsSigned => true;

    public static int Zero => 0;

    public static int Chain => 1;

    public static bool HasMinimum => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load512(byte* block, int g, out Vector512<byte> low, out Vector512<byte> high) =>
        (low, high) = (Vector512.Load(block + 32 + (64 * g)), Vector512.Load(block + 288 + (64 * g)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load256(byte* block, int g, int half, out Vector256<byte> low, out Vector256<byte> high) =>
        (low, high) = (Vector256.Load(block + 32 + (64 * g) + (32 * half)), Vector256.Load(block + 288 + (64 * g) + (32 * half)));

    public static float Scale(byte* block, int row) => (float)((Half*)block)[row];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* block, int half) => PanelBytes.Halves(block + (16 * half));

    public static float Minimum(byte* block, int row) => 0;

    public static Vector256<float> Minima(byte* block, int half) => default;
}
