using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// Q3_K: 32 bytes with the third bits (bit s of byte i: element 32 s + i), 256 codes' lower 2 bits as in TQ2_0, sixteen scales of 6 bits in 12 bytes, and binary16 d;
/// value = (d * (scale - 32)) * (code - 4).
/// </summary>
internal readonly struct Q3_KCodec : IBlockCodec
{
    public static DType Type => DType.Q3_K;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 108);
        Vector128<byte> four = Vector128.Create((byte)4);
        for (int sub = 0; sub < 16; sub++)
        {
            Vector128<byte> low = BlockVectors.BitPairs(BlockVectors.Bytes16(block, 32 + (sub / 8 * 32) + (sub % 2 * 16)), sub % 8 / 2 * 2);
            Vector128<byte> high = ((BlockVectors.Bytes16(block, sub % 2 * 16) >>> (sub / 2)) << 2) & four;
            BlockVectors.Scale16((low | high).AsSByte() - four.AsSByte(), d * (Scale(block[96..], sub) - 32), values[(16 * sub)..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<int> scales = stackalloc int[16];
        Span<byte> codes = stackalloc byte[256];
        float d = SymmetricBlocks.Scales<Levels3>(values, weights, -32, scales);
        for (int sub = 0; sub < 16; sub++) ScaleSearch.Codes<Levels3>(values.Slice(16 * sub, 16), d * scales[sub], codes.Slice(16 * sub, 16));
        BinaryPrimitives.WriteUInt16LittleEndian(block[108..], Conversions.NarrowHalf(d));
        WriteScales(scales, block.Slice(96, 12));
        BlockBits.PackPairs(codes, block[32..]);
        BlockBits.PackSingles(codes, 2, block);
    }

    // Low halves of the first eight bytes are the lower four bits of scales 0 to 7, high halves those of 8 to 15; the last four bytes have the upper two bits.
    private static int Scale(ReadOnlySpan<byte> packed, int sub) => (packed[sub % 8] >> (sub / 8 * 4) & 15) | ((packed[8 + (sub % 4)] >> (sub / 4 * 2) & 3) << 4);

    private static void WriteScales(ReadOnlySpan<int> scales, Span<byte> packed)
    {
        packed.Clear();
        for (int sub = 0; sub < 16; sub++)
        {
            int code = scales[sub] + 32;
            packed[sub % 8] |= (byte)((code & 15) << (sub / 8 * 4));
            packed[8 + (sub % 4)] |= (byte)(code >> 4 << (sub / 4 * 2));
        }
    }
}
