using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>Q4_0: a binary16 scale d and 32 codes of 4 bits; value = d * (code - 8). The first 16 bytes' low halves are elements 0 to 15, the high ones 16 to 31.</summary>
internal readonly struct Q4_0Codec : IBlockCodec
{
    public static DType Type => DType.Q4_0;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        Vector128<byte> codes = BlockVectors.Bytes16(block, 2);
        Vector128<sbyte> eight = Vector128.Create((sbyte)8);
        BlockVectors.Scale16(BlockVectors.LowNibbles(codes).AsSByte() - eight, d, values);
        BlockVectors.Scale16(BlockVectors.HighNibbles(codes).AsSByte() - eight, d, values[16..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<byte> codes = stackalloc byte[32];
        float d = SymmetricBlocks.Codes<Levels4>(values, weights, 4, codes);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(d));
        BlockBits.PackNibbles(codes, block[2..]);
    }
}

/// <summary>Q4_1: a binary16 scale d, a binary16 minimum m, and 32 codes of 4 bits as in Q4_0; value = d * code + m.</summary>
internal readonly struct Q4_1Codec : IBlockCodec
{
    public static DType Type => DType.Q4_1;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0), m = BlockVectors.Half(block, 2);
        Vector128<byte> codes = BlockVectors.Bytes16(block, 4);
        BlockVectors.Affine16(BlockVectors.LowNibbles(codes), d, m, values);
        BlockVectors.Affine16(BlockVectors.HighNibbles(codes), d, m, values[16..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<byte> codes = stackalloc byte[32];
        AffineBlocks.Codes(values, weights, 15, block, codes);
        BlockBits.PackNibbles(codes, block[4..]);
    }
}
