using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// IQ1_S: binary16 d, the lower 8 bits of 32 numbers of points of <see cref="Codebook.IQ1"/>, then for each 32 elements 16 bits: four times the numbers' upper 3 bits, a scale
/// of 3 bits, and the sign of a shift; value = (d * (2 scale + 1)) * (point +- 1/8).
/// </summary>
internal readonly struct IQ1_SCodec : IBlockCodec
{
    public static DType Type => DType.IQ1_S;

    public static bool NeedsImportance => true;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        for (int sub = 0; sub < 8; sub++)
        {
            int word = BinaryPrimitives.ReadUInt16LittleEndian(block[(34 + (2 * sub))..]);
            float scale = d * ((2 * (word >> 12 & 7)) + 1), shift = (word & 0x8000) != 0 ? -0.125f : 0.125f;
            for (int i = 0; i < 4; i++)
                TernaryPoints.Write(block[2 + (4 * sub) + i] | ((word >> (3 * i) & 7) << 8), scale, shift, values[((32 * sub) + (8 * i))..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        CodebookChoice choice = CodebookBlocks.Choose(CodebookFormat.IQ1_S, values, weights);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(choice.D));
        for (int sub = 0; sub < 8; sub++)
        {
            int word = (choice.Scales[sub] << 12) | (choice.Tables[sub] << 15);
            for (int i = 0; i < 4; i++)
            {
                int number = choice.Numbers[(4 * sub) + i];
                block[2 + (4 * sub) + i] = (byte)number;
                word |= number >> 8 << (3 * i);
            }

            BinaryPrimitives.WriteUInt16LittleEndian(block[(34 + (2 * sub))..], (ushort)word);
        }
    }
}

/// <summary>
/// IQ1_M: the lower 8 bits of 32 numbers of points of <see cref="Codebook.IQ1"/>, a half byte each with their upper 3 bits and the sign of a shift, and four words of 16 bits:
/// four times a scale of 3 bits (for 16 elements), and a quarter of the binary16 d; value = (d * (2 scale + 1)) * (point +- 1/8).
/// </summary>
internal readonly struct IQ1_MCodec : IBlockCodec
{
    public static DType Type => DType.IQ1_M;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        int bits = 0;
        for (int i = 0; i < 4; i++) bits |= block[49 + (2 * i)] >> 4 << (4 * i);
        float d = Conversions.WidenHalf((ushort)bits);
        for (int i = 0; i < 32; i++)
        {
            int high = block[32 + (i / 2)] >> (i % 2 * 4), scales = BinaryPrimitives.ReadUInt16LittleEndian(block[(48 + (i / 8 * 2))..]);
            float scale = d * ((2 * (scales >> (i / 2 % 4 * 3) & 7)) + 1), shift = (high & 8) != 0 ? -0.125f : 0.125f;
            TernaryPoints.Write(block[i] | ((high & 7) << 8), scale, shift, values[(8 * i)..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        CodebookChoice choice = CodebookBlocks.Choose(CodebookFormat.IQ1_M, values, weights);
        int d = Conversions.NarrowHalf(choice.D);
        block[32..].Clear();
        for (int i = 0; i < 32; i++)
        {
            // The number's twelfth bit, which of the two shifts, is the half byte's highest.
            block[i] = (byte)choice.Numbers[i];
            block[32 + (i / 2)] |= (byte)(choice.Numbers[i] >> 8 << (i % 2 * 4));
        }

        for (int i = 0; i < 4; i++)
        {
            int word = (d >> (4 * i) & 15) << 12;
            for (int j = 0; j < 4; j++) word |= choice.Scales[(4 * i) + j] << (3 * j);
            BinaryPrimitives.WriteUInt16LittleEndian(block[(48 + (2 * i))..], (ushort)word);
        }
    }
}

/// <summary>The shifted points of IQ1 types.</summary>
internal static class TernaryPoints
{
    /// <summary>to[i] = scale * (point[i] + shift).</summary>
    public static void Write(int number, float scale, float shift, Span<float> to) =>
        ((BlockVectors.Floats8(IQ.Point(Codebook.IQ1.Values, number)) + Vector256.Create(shift)) * Vector256.Create(scale)).CopyTo(to);
}
