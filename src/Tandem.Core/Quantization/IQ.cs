using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>What the codebook types share in their bytes: signs, and points as vectors.</summary>
internal static class IQ
{
    /// <summary>Eight signs from the seven that are stored: the eighth makes the number of negative ones even.</summary>
    public static int Even(int seven)
    {
        seven &= 127;
        return seven | ((BitOperations.PopCount((uint)seven) & 1) << 7);
    }

    /// <summary>The word of a sub-block of 32 with its scale and four times seven signs.</summary>
    public static uint Word(CodebookChoice choice, int sub)
    {
        uint word = (uint)choice.Scales[sub] << 28;
        for (int i = 0; i < 4; i++) word |= (uint)(choice.Signs[(4 * sub) + i] & 127) << (7 * i);
        return word;
    }

    /// <summary>The eight values of a point, in the lower half.</summary>
    public static Vector128<sbyte> Point(ReadOnlySpan<sbyte> points, int number) =>
        Vector128.CreateScalar(BinaryPrimitives.ReadInt64LittleEndian(MemoryMarshal.AsBytes(points.Slice(8 * number, 8)))).AsSByte();

    /// <summary>The values of two points of four, in the lower half.</summary>
    public static Vector128<sbyte> Pair(ReadOnlySpan<sbyte> points, int first, int second)
    {
        uint low = BinaryPrimitives.ReadUInt32LittleEndian(MemoryMarshal.AsBytes(points.Slice(4 * first, 4)));
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(MemoryMarshal.AsBytes(points.Slice(4 * second, 4)));
        return Vector128.CreateScalar(low | ((ulong)high << 32)).AsSByte();
    }
}
