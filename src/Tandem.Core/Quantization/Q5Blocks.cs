using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>Q5_0: a binary16 scale d, a word with the fifth bits of 32 codes, and their lower four as in Q4_0; value = d * (code - 16).</summary>
internal readonly struct Q5_0Codec : IBlockCodec
{
    public static DType Type => DType.Q5_0;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        int high = BinaryPrimitives.ReadInt32LittleEndian(block[2..]);
        Vector128<byte> codes = BlockVectors.Bytes16(block, 6);
        Vector128<sbyte> middle = Vector128.Create((sbyte)16);
        BlockVectors.Scale16((BlockVectors.LowNibbles(codes) | BlockVectors.SpreadBits(high, 16)).AsSByte() - middle, d, values);
        BlockVectors.Scale16((BlockVectors.HighNibbles(codes) | BlockVectors.SpreadBits(high >> 16, 16)).AsSByte() - middle, d, values[16..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<byte> codes = stackalloc byte[32];
        float d = SymmetricBlocks.Codes<Levels5>(values, weights, 5, codes);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(d));
        BinaryPrimitives.WriteUInt32LittleEndian(block[2..], BlockBits.GatherBits(codes, 4));
        BlockBits.PackNibbles(codes, block[6..]);
    }
}

/// <summary>Q5_1: a binary16 scale d, a binary16 minimum m, and 32 codes of 5 bits as in Q5_0; value = d * code + m.</summary>
internal readonly struct Q5_1Codec : IBlockCodec
{
    public static DType Type => DType.Q5_1;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0), m = BlockVectors.Half(block, 2);
        int high = BinaryPrimitives.ReadInt32LittleEndian(block[4..]);
        Vector128<byte> codes = BlockVectors.Bytes16(block, 8);

        // A loop, since both halves together are more than the JIT inlines into one method (measured: a fifteenth of the speed).
        for (int half = 0; half < 2; half++, codes >>>= 4, high >>= 16)
            BlockVectors.Affine16(BlockVectors.LowNibbles(codes) | BlockVectors.SpreadBits(high, 16), d, m, values[(16 * half)..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<byte> codes = stackalloc byte[32];
        AffineBlocks.Codes(values, weights, 31, block, codes);
        BinaryPrimitives.WriteUInt32LittleEndian(block[4..], BlockBits.GatherBits(codes, 4));
        BlockBits.PackNibbles(codes, block[8..]);
    }
}
