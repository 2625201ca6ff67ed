using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tandem;

/// <summary>Looks for scales of blocks that are NaN or infinite: with one of them the whole block means nothing. Integers and codebooks cannot be wrong in that way.</summary>
public static class BlockScales
{
    // All ones in the exponent is NaN or infinite; one added to it then carries into the sign, whose own bit is masked off before.
    private const uint HalfExponent = 0x7C00, HalfStep = 0x0400, HalfCarry = 0x8000;

    /// <summary>How many of these blocks have a scale that is not finite, and which is the first.</summary>
    /// <param name="type">A type of blocks.</param>
    /// <param name="blocks">Whole blocks, as in a file.</param>
    /// <param name="first">The first of them; -1 if there is none.</param>
    public static int CountNotFinite(DType type, ReadOnlySpan<byte> blocks, out int first)
    {
        first = -1;
        if (AllFinite(type, blocks)) return 0;
        int size = type.BlockBytes(), count = 0;
        for (int i = 0; i < blocks.Length / size; i++)
        {
            if (AllFinite(type, blocks.Slice(i * size, size))) continue;
            if (count++ == 0) first = i;
        }

        return count;
    }

    private static bool AllFinite(DType type, ReadOnlySpan<byte> blocks) => type switch
    {
        // Of Q8_1 the other number is a sum, which nothing is read from.
        DType.Q4_0 or DType.Q5_0 or DType.Q8_0 or DType.Q8_1 or DType.Q1_0 or DType.Q2_0 or DType.IQ4_NL or DType.IQ4_XS
            or DType.IQ1_S or DType.IQ2_XXS or DType.IQ2_XS or DType.IQ2_S or DType.IQ3_XXS or DType.IQ3_S => Halves(blocks, type.BlockBytes(), 0),
        DType.Q4_1 or DType.Q5_1 or DType.Q4_K or DType.Q5_K => Halves(blocks, type.BlockBytes(), 0) && Halves(blocks, type.BlockBytes(), 2),
        DType.Q2_K => Halves(blocks, type.BlockBytes(), 80) && Halves(blocks, type.BlockBytes(), 82),
        DType.Q3_K => Halves(blocks, type.BlockBytes(), 108),
        DType.Q6_K => Halves(blocks, type.BlockBytes(), 208),
        DType.TQ1_0 => Halves(blocks, type.BlockBytes(), 52),
        DType.TQ2_0 => Halves(blocks, type.BlockBytes(), 64),
        DType.Q8_K => Singles(blocks, type.BlockBytes()),
        DType.IQ1_M => Nibbles(blocks, type.BlockBytes()),
        DType.MXFP4 => Exponents(blocks, type.BlockBytes()),

        // What is no number in its scales stands for 0.
        DType.NVFP4 => true,
        _ => throw new ArgumentException($"{type.Name()} is no type of blocks", nameof(type)),
    };

    // No branch in the loop: a model has hundreds of millions of blocks.
    private static bool Halves(ReadOnlySpan<byte> blocks, int size, int offset)
    {
        uint carry = 0;
        ref byte start = ref MemoryMarshal.GetReference(blocks);
        for (nint at = offset; at < blocks.Length; at += size) carry |= (Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref start, at)) & HalfExponent) + HalfStep;
        return (carry & HalfCarry) == 0;
    }

    private static bool Singles(ReadOnlySpan<byte> blocks, int size)
    {
        for (int at = 0; at < blocks.Length; at += size)
            if (!float.IsFinite(BinaryPrimitives.ReadSingleLittleEndian(blocks[at..]))) return false;
        return true;
    }

    // The scale of IQ1_M lies in the highest four bits of four words.
    private static bool Nibbles(ReadOnlySpan<byte> blocks, int size)
    {
        for (int at = 48; at < blocks.Length; at += size)
        {
            int bits = 0;
            for (int i = 0; i < 4; i++) bits |= (blocks[at + (2 * i) + 1] >> 4) << (4 * i);
            if ((bits & HalfExponent) == HalfExponent) return false;
        }

        return true;
    }

    // The highest exponent is NaN (OCP Microscaling Formats 1.0).
    private static bool Exponents(ReadOnlySpan<byte> blocks, int size)
    {
        bool all = true;
        for (int at = 0; at < blocks.Length; at += size) all &= blocks[at] != 0xFF;
        return all;
    }
}
