using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// A type with blocks of 32 in a panel: 8 vectors of 16 rows by 4 elements, codes without sign that count from a zero point; scales and perhaps minima of 16 rows.
/// In the vectors of 512 bits, 32-bit lane i is row i; those of 256 bits are the halves, rows 0 to 7 and 8 to 15.
/// </summary>
internal unsafe interface ISmallPanel
{
    /// <summary>Bytes of 16 blocks.</summary>
    static abstract int Bytes { get; }

    /// <summary>Whether the bytes that <see cref="Load512"/> gives have 8 bits, of which the halves are multiplied one after the other; else they are below 32.</summary>
    static abstract bool IsWide { get; }

    /// <summary>What the bytes, which have no sign, count from.</summary>
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
