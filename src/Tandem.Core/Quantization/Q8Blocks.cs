using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>Q8_0: a binary16 scale d and 32 signed bytes; value = d * code.</summary>
internal readonly struct Q8_0Codec : IBlockCodec
{
    public static DType Type => DType.Q8_0;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        BlockVectors.Scale16(BlockVectors.Bytes16(block, 2).AsSByte(), d, values);
        BlockVectors.Scale16(BlockVectors.Bytes16(block, 18).AsSByte(), d, values[16..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block) =>
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(ByteCodes.Write(values, block[2..])));
}

/// <summary>Q8_1: a binary16 scale d, binary16 d times the sum of the codes (what products with Q4_1 and Q5_1 need), and 32 signed bytes; value = d * code.</summary>
internal readonly struct Q8_1Codec : IBlockCodec
{
    public static DType Type => DType.Q8_1;

    /// <summary>Such that the scaled sum is certain to fit, too.</summary>
    public static float Limit => 65504 / 32;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        BlockVectors.Scale16(BlockVectors.Bytes16(block, 4).AsSByte(), d, values);
        BlockVectors.Scale16(BlockVectors.Bytes16(block, 20).AsSByte(), d, values[16..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        float d = ByteCodes.Write(values, block[4..]);
        int sum = 0;
        foreach (sbyte code in MemoryMarshal.Cast<byte, sbyte>(block[4..])) sum += code;
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(d));
        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], Conversions.NarrowHalf(d * sum));
    }
}

/// <summary>Q8_K: a binary32 scale d, 256 signed bytes, and the sums of each 16 of them as 16-bit integers; value = d * code.</summary>
internal readonly struct Q8_KCodec : IBlockCodec
{
    public static DType Type => DType.Q8_K;

    public static float Limit => float.MaxValue;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BinaryPrimitives.ReadSingleLittleEndian(block);
        for (int i = 0; i < 256; i += 16) BlockVectors.Scale16(BlockVectors.Bytes16(block, 4 + i).AsSByte(), d, values[i..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<byte> codes = block.Slice(4, 256);
        BinaryPrimitives.WriteSingleLittleEndian(block, ByteCodes.Write(values, codes));
        for (int i = 0; i < 256; i += 16)
        {
            int sum = 0;
            foreach (sbyte code in MemoryMarshal.Cast<byte, sbyte>(codes.Slice(i, 16))) sum += code;
            BinaryPrimitives.WriteInt16LittleEndian(block[(260 + (i / 8))..], (short)sum);
        }
    }
}

/// <summary>Signed bytes with the scale that takes the largest magnitude to 127.</summary>
internal static class ByteCodes
{
    /// <summary>Writes the codes, rounded to nearest and halves away from zero; returns the scale.</summary>
    public static float Write(ReadOnlySpan<float> values, Span<byte> codes)
    {
        float d = BlockBits.LargestMagnitude(values) / 127, inverse = d == 0 ? 0 : 1 / d;
        for (int i = 0; i < values.Length; i++) codes[i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
        return d;
    }
}
