using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// Q5_K: as Q4_K, with 32 bytes of fifth bits (bit s of byte i: element 32 s + i) between scales and codes. Value = (d * scale) * code - dmin * minimum.
/// </summary>
internal readonly struct Q5_KCodec : IBlockCodec
{
    public static DType Type => DType.Q5_K;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0), dmin = BlockVectors.Half(block, 2);
        Vector128<byte> sixteen = Vector128.Create((byte)16);
        for (int sub = 0; sub < 8; sub++)
        {
            (int scale, int minimum) = PackedScales.Read(block[4..], sub);
            float s = d * scale, offset = -(dmin * minimum);
            for (int i = 0; i < 32; i += 16)
            {
                Vector128<byte> bytes = BlockVectors.Bytes16(block, 48 + (sub / 2 * 32) + i);
                Vector128<byte> low = sub % 2 == 0 ? BlockVectors.LowNibbles(bytes) : BlockVectors.HighNibbles(bytes);
                Vector128<byte> high = ((BlockVectors.Bytes16(block, 16 + i) >>> sub) << 4) & sixteen;
                BlockVectors.Affine16(low | high, s, offset, values[((32 * sub) + i)..]);
            }
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<int> scales = stackalloc int[8], minima = stackalloc int[8];
        Span<byte> codes = stackalloc byte[256];
        AffineBlocks.Scales(values, weights, 31, 63, scales, minima, block, codes);
        PackedScales.Write(scales, minima, block[4..]);
        BlockBits.PackSingles(codes, 4, block[16..]);
        BlockBits.PackHalves(codes, block[48..]);
    }
}
