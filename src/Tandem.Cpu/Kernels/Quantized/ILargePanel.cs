using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// A type with blocks of 256 in a panel. A block is some units of a few vectors of 16 rows by 4 elements; what is read at once are a unit's vector g and the one of elements
/// <see cref="Distance"/> further on. Scales and minima are small integers of sub-blocks; a block has one scale (and perhaps one for the minima) a row in floating point.
/// Vectors are as in <see cref="ISmallPanel"/>.
/// </summary>
internal unsafe interface ILargePanel
{
    /// <summary>Bytes of 16 blocks.</summary>
    static abstract int Bytes { get; }

    /// <summary>Elements that share an integer scale: 16 or 32.</summary>
    static abstract int SubBlock { get; }

    /// <summary>Elements between the two vectors that are read at once: 16, 32 or 64.</summary>
    static abstract int Distance { get; }

    /// <summary>Most of a unit's vectors whose products with bytes can be added in 16 bits.</summary>
    static abstract int Chain { get; }

    /// <summary>Whether the codes have 8 bits, of which the halves are multiplied one after the other; then both vectors have the same scale.</summary>
    static abstract bool IsWide { get; }

    /// <summary>Whether the minima have a scale of their own; else they are in units of the scales (a zero point times the scale).</summary>
    static abstract bool HasMinimumScale { get; }

    /// <summary>Writes the integer scales of 16 rows by sub-block twice each, [sub-block][row][2], and minima for the sums of 16 elements, [8][row][2].</summary>
    static abstract void Scales(byte* block, short* scales, short* minima);

    /// <summary>Vector g of a unit and the one <see cref="Distance"/> elements on.</summary>
    static abstract void Load512(byte* block, int unit, int g, out Vector512<byte> low, out Vector512<byte> high);

    /// <summary>The same of rows 8 half to 8 half + 7.</summary>
    static abstract void Load256(byte* block, int unit, int g, int half, out Vector256<byte> low, out Vector256<byte> high);

    /// <summary>16 binary16 scales of the block; those of the minima.</summary>
    static abstract (int Scale, int MinimumScale) ScaleOffsets { get; }
}

/// <summary>How a type's block falls into units.</summary>
internal static class LargeShape<T>
    where T : struct, ILargePanel
{
    /// <summary>Vectors of a unit.</summary>
    public static int Vectors
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (T.SubBlock < T.Distance ? T.SubBlock : T.Distance) / 4;
    }

    /// <summary>Units of a block.</summary>
    public static int Units
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 32 / Vectors;
    }

    /// <summary>The first element of a unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int First(int unit)
    {
        int perRun = T.Distance / (4 * Vectors);
        return (2 * T.Distance * (unit / perRun)) + (4 * Vectors * (unit % perRun));
    }
}
