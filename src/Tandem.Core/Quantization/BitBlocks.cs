using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>Q1_0: a binary16 scale d and 128 bits, lowest first; value = d where the bit is 1, else -d.</summary>
internal readonly struct Q1_0Codec : IBlockCodec
{
    public static DType Type => DType.Q1_0;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        for (int i = 0; i < 128; i += 16)
        {
            Vector128<byte> codes = BlockVectors.SpreadBits(BinaryPrimitives.ReadUInt16LittleEndian(block[(2 + (i / 8))..]), 2);
            BlockVectors.Scale16(codes.AsSByte() - Vector128<sbyte>.One, d, values[i..]);
        }
    }

    // The mean magnitude is the scale of least squares for given signs.
    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        float sum = 0;
        foreach (float value in values) sum += MathF.Abs(value);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(sum / 128));
        for (int i = 0; i < 16; i++)
        {
            int bits = 0;
            for (int j = 0; j < 8; j++) bits |= (values[(8 * i) + j] >= 0 ? 1 : 0) << j;
            block[2 + i] = (byte)bits;
        }
    }
}

/// <summary>Q2_0: a binary16 scale d and 64 codes of 2 bits, lowest first; value = d * (code - 1).</summary>
internal readonly struct Q2_0Codec : IBlockCodec
{
    public static DType Type => DType.Q2_0;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        for (int i = 0; i < 64; i++) values[i] = d * ((block[2 + (i / 4)] >> (2 * (i % 4)) & 3) - 1);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        float d = BlockBits.LargestMagnitude(values), inverse = d == 0 ? 0 : 1 / d;
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(d));
        for (int i = 0; i < 16; i++)
        {
            int bits = 0;
            for (int j = 0; j < 4; j++) bits |= BlockBits.Ternary(values[(4 * i) + j], inverse) << (2 * j);
            block[2 + i] = (byte)bits;
        }
    }
}
