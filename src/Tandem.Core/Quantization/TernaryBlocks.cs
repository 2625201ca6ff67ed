using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// TQ1_0: codes 0, 1, 2 for -d, 0, d, five to a byte. A byte is the fraction 0.c0c1c2c3c4 in base 3, of 256, rounded up: multiplying by 3 carries the next digit
/// out. Byte i of the first 32 holds elements i + 32k, byte i of the next 16 elements 160 + i + 16k, byte i of the last 4 only four, 240 + i + 4k; then the scale d.
/// </summary>
internal readonly struct TQ1_0Codec : IBlockCodec
{
    public static DType Type => DType.TQ1_0;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 52);
        Run(block, d, 0, 32, 5, values);
        Run(block, d, 32, 16, 5, values[160..]);
        Run(block, d, 48, 4, 4, values[240..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        float d = BlockBits.LargestMagnitude(values), inverse = d == 0 ? 0 : 1 / d;
        BinaryPrimitives.WriteUInt16LittleEndian(block[52..], Conversions.NarrowHalf(d));
        Pack(values, inverse, 32, 5, block);
        Pack(values[160..], inverse, 16, 5, block[32..]);
        Pack(values[240..], inverse, 4, 4, block[48..]);
    }

    private static void Run(ReadOnlySpan<byte> block, float d, int offset, int bytes, int digits, Span<float> values)
    {
        for (int i = 0; i < bytes; i++)
        {
            int rest = block[offset + i];
            for (int k = 0; k < digits; k++)
            {
                rest *= 3;
                values[i + (bytes * k)] = d * ((rest >> 8) - 1);
                rest &= 255;
            }
        }
    }

    private static void Pack(ReadOnlySpan<float> values, float inverse, int bytes, int digits, Span<byte> to)
    {
        for (int i = 0; i < bytes; i++)
        {
            int number = 0;
            for (int k = 0; k < 5; k++) number = (3 * number) + (k < digits ? BlockBits.Ternary(values[i + (bytes * k)], inverse) : 0);
            to[i] = (byte)(((number * 256) + 242) / 243);
        }
    }
}

/// <summary>TQ2_0: codes 0, 1, 2 for -d, 0, d in 2 bits: byte i of a half has its elements i, 32 + i, 64 + i, 96 + i, lowest first; then the scale d.</summary>
internal readonly struct TQ2_0Codec : IBlockCodec
{
    public static DType Type => DType.TQ2_0;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 64);
        for (int i = 0; i < 64; i += 16)
        {
            Vector128<byte> bytes = BlockVectors.Bytes16(block, i);
            for (int k = 0; k < 4; k++)
                BlockVectors.Scale16(BlockVectors.BitPairs(bytes, 2 * k).AsSByte() - Vector128<sbyte>.One, d, values[((i / 32 * 128) + (i % 32) + (32 * k))..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        float d = BlockBits.LargestMagnitude(values), inverse = d == 0 ? 0 : 1 / d;
        BinaryPrimitives.WriteUInt16LittleEndian(block[64..], Conversions.NarrowHalf(d));
        Span<byte> codes = stackalloc byte[256];
        for (int i = 0; i < 256; i++) codes[i] = (byte)BlockBits.Ternary(values[i], inverse);
        BlockBits.PackPairs(codes, block);
    }
}
