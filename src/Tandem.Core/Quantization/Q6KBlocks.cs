using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// Q6_K: the codes' lower four bits (of each half 64 bytes: low halves elements 0 to 63, high halves 64 to 127), their upper two bits as in TQ2_0, sixteen signed bytes
/// as scales, and binary16 d; value = (d * scale) * (code - 32).
/// </summary>
internal readonly struct Q6_KCodec : IBlockCodec
{
    public static DType Type => DType.Q6_K;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 208);
        Vector128<sbyte> middle = Vector128.Create((sbyte)32);
        for (int sub = 0; sub < 16; sub++)
        {
            Vector128<byte> bytes = BlockVectors.Bytes16(block, (sub / 8 * 64) + (sub % 4 * 16));
            Vector128<byte> low = sub % 8 < 4 ? BlockVectors.LowNibbles(bytes) : BlockVectors.HighNibbles(bytes);
            Vector128<byte> high = BlockVectors.BitPairs(BlockVectors.Bytes16(block, 128 + (sub / 8 * 32) + (sub % 2 * 16)), sub % 8 / 2 * 2) << 4;
            BlockVectors.Scale16((low | high).AsSByte() - middle, d * (sbyte)block[192 + sub], values[(16 * sub)..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<int> scales = stackalloc int[16];
        Span<byte> codes = stackalloc byte[256], high = stackalloc byte[256];
        float d = SymmetricBlocks.Scales<Levels6>(values, weights, -128, scales);
        for (int sub = 0; sub < 16; sub++)
        {
            ScaleSearch.Codes<Levels6>(values.Slice(16 * sub, 16), d * scales[sub], codes.Slice(16 * sub, 16));
            block[192 + sub] = (byte)(sbyte)scales[sub];
        }

        for (int i = 0; i < 128; i++)
        {
            int at = (i / 64 * 128) + (i % 64);
            block[i] = (byte)((codes[at] & 15) | (codes[at + 64] << 4));
        }

        for (int i = 0; i < 256; i++) high[i] = (byte)(codes[i] >> 4);
        BlockBits.PackPairs(high, block[128..]);
        BinaryPrimitives.WriteUInt16LittleEndian(block[208..], Conversions.NarrowHalf(d));
    }
}
