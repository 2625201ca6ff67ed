using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>IQ4_NL: a binary16 scale d and 32 codes of 4 bits as in Q4_0; value = d * <see cref="UnevenLevels.Values"/>[code].</summary>
internal readonly struct IQ4_NLCodec : IBlockCodec
{
    public static DType Type => DType.IQ4_NL;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        Vector128<byte> codes = BlockVectors.Bytes16(block, 2);
        BlockVectors.Scale16(UnevenLevels.Lookup(BlockVectors.LowNibbles(codes)), d, values);
        BlockVectors.Scale16(UnevenLevels.Lookup(BlockVectors.HighNibbles(codes)), d, values[16..]);
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<byte> codes = stackalloc byte[32];
        float d = SymmetricBlocks.Round(ScaleSearch.Fit<UnevenLevels>(values, weights.IsEmpty ? EqualWeights.Of(32) : weights));
        ScaleSearch.Codes<UnevenLevels>(values, d, codes);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(d));
        BlockBits.PackNibbles(codes, block[2..]);
    }
}

/// <summary>
/// IQ4_XS: binary16 d, the upper two bits of eight scales in 16 bits, their lower four in 4 bytes, and eight times 32 codes as in IQ4_NL;
/// value = (d * (scale - 32)) * <see cref="UnevenLevels.Values"/>[code].
/// </summary>
internal readonly struct IQ4_XSCodec : IBlockCodec
{
    public static DType Type => DType.IQ4_XS;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        int high = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        for (int sub = 0; sub < 8; sub++)
        {
            int scale = (block[4 + (sub / 2)] >> (sub % 2 * 4) & 15) | ((high >> (2 * sub) & 3) << 4);
            float s = d * (scale - 32);
            Vector128<byte> codes = BlockVectors.Bytes16(block, 8 + (16 * sub));
            BlockVectors.Scale16(UnevenLevels.Lookup(BlockVectors.LowNibbles(codes)), s, values[(32 * sub)..]);
            BlockVectors.Scale16(UnevenLevels.Lookup(BlockVectors.HighNibbles(codes)), s, values[((32 * sub) + 16)..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<int> scales = stackalloc int[8];
        Span<byte> codes = stackalloc byte[32];
        float d = SymmetricBlocks.Scales<UnevenLevels>(values, weights, -32, scales);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(d));
        int high = 0;
        for (int sub = 0; sub < 8; sub++)
        {
            int code = scales[sub] + 32;
            high |= code >> 4 << (2 * sub);
            block[4 + (sub / 2)] = (byte)(sub % 2 == 0 ? code & 15 : block[4 + (sub / 2)] | (code << 4));
            ScaleSearch.Codes<UnevenLevels>(values.Slice(32 * sub, 32), d * scales[sub], codes);
            BlockBits.PackNibbles(codes, block[(8 + (16 * sub))..]);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], (ushort)high);
    }
}
