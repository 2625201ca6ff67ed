using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// Q2_K: sixteen bytes, one for each 16 elements (low half a scale, high half a minimum), 256 codes of 2 bits as in TQ2_0, then binary16 d and dmin;
/// value = (d * scale) * code - dmin * minimum.
/// </summary>
internal readonly struct Q2_KCodec : IBlockCodec
{
    public static DType Type => DType.Q2_K;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 80), dmin = BlockVectors.Half(block, 82);
        for (int sub = 0; sub < 16; sub++)
        {
            Vector128<byte> bytes = BlockVectors.Bytes16(block, 16 + (sub / 8 * 32) + (sub % 2 * 16));
            BlockVectors.Affine16(BlockVectors.BitPairs(bytes, sub % 8 / 2 * 2), d * (block[sub] & 15), -(dmin * (block[sub] >> 4)), values[(16 * sub)..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<int> scales = stackalloc int[16], minima = stackalloc int[16];
        Span<byte> codes = stackalloc byte[256];
        AffineBlocks.Scales(values, weights, 3, 15, scales, minima, block[80..], codes);
        for (int sub = 0; sub < 16; sub++) block[sub] = (byte)(scales[sub] | (minima[sub] << 4));
        BlockBits.PackPairs(codes, block[16..]);
    }
}
