using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// Q4_K: binary16 d and dmin, eight scales and minima of 6 bits in 12 bytes (<see cref="PackedScales"/>), 256 codes of 4 bits: of each 32 bytes the low halves are 32
/// elements, the high halves the next 32. Value = (d * scale) * code - dmin * minimum.
/// </summary>
internal readonly struct Q4_KCodec : IBlockCodec
{
    public static DType Type => DType.Q4_K;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0), dmin = BlockVectors.Half(block, 2);
        for (int sub = 0; sub < 8; sub++)
        {
            (int scale, int minimum) = PackedScales.Read(block[4..], sub);
            float s = d * scale, offset = -(dmin * minimum);
            for (int i = 0; i < 32; i += 16)
            {
                Vector128<byte> bytes = BlockVectors.Bytes16(block, 16 + (sub / 2 * 32) + i);
                BlockVectors.Affine16(sub % 2 == 0 ? BlockVectors.LowNibbles(bytes) : BlockVectors.HighNibbles(bytes), s, offset, values[((32 * sub) + i)..]);
            }
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<int> scales = stackalloc int[8], minima = stackalloc int[8];
        Span<byte> codes = stackalloc byte[256];
        AffineBlocks.Scales(values, weights, 15, 63, scales, minima, block, codes);
        PackedScales.Write(scales, minima, block[4..]);
        BlockBits.PackHalves(codes, block[16..]);
    }
}

/// <summary>Eight scales and eight minima of 6 bits in 12 bytes, as Q4_K and Q5_K have them.</summary>
internal static class PackedScales
{
    /// <summary>Scale and minimum of one sub-block.</summary>
    public static (int Scale, int Minimum) Read(ReadOnlySpan<byte> packed, int sub) => sub < 4
        ? (packed[sub] & 63, packed[sub + 4] & 63)
        : ((packed[sub + 4] & 15) | (packed[sub - 4] >> 6 << 4), (packed[sub + 4] >> 4) | (packed[sub] >> 6 << 4));

    /// <summary>Writes all of them.</summary>
    public static void Write(ReadOnlySpan<int> scales, ReadOnlySpan<int> minima, Span<byte> packed)
    {
        for (int i = 0; i < 4; i++)
        {
            packed[i] = (byte)(scales[i] | (scales[i + 4] >> 4 << 6));
            packed[i + 4] = (byte)(minima[i] | (minima[i + 4] >> 4 << 6));
            packed[i + 8] = (byte)((scales[i + 4] & 15) | ((minima[i + 4] & 15) << 4));
        }
    }
}
