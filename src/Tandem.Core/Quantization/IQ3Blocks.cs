using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// IQ3_XXS: binary16 d, 64 bytes that number points of <see cref="Codebook.IQ3_XXS"/>, then a word for each 32 elements: four times 7 signs (the eighth makes their number
/// even) and a scale of 4 bits; value = (d * (0.5 + scale) * 0.5) * point, with its sign.
/// </summary>
internal readonly struct IQ3_XXSCodec : IBlockCodec
{
    public static DType Type => DType.IQ3_XXS;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        ReadOnlySpan<sbyte> points = Codebook.IQ3_XXS.Values;
        for (int sub = 0; sub < 8; sub++)
        {
            uint word = BinaryPrimitives.ReadUInt32LittleEndian(block[(66 + (4 * sub))..]);
            float scale = d * (0.5f + (word >> 28)) * 0.5f;
            for (int i = 0; i < 4; i++)
            {
                int at = 2 + (8 * sub) + (2 * i);
                Vector128<sbyte> pair = IQ.Pair(points, block[at], block[at + 1]);
                BlockVectors.Scale8(BlockVectors.Negate(pair, IQ.Even((int)(word >> (7 * i)))), scale, values[((32 * sub) + (8 * i))..]);
            }
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        CodebookChoice choice = CodebookBlocks.Choose(CodebookFormat.IQ3_XXS, values, weights);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(choice.D));
        for (int i = 0; i < 64; i++) block[2 + i] = (byte)choice.Numbers[i];
        for (int sub = 0; sub < 8; sub++) BinaryPrimitives.WriteUInt32LittleEndian(block[(66 + (4 * sub))..], IQ.Word(choice, sub));
    }
}

/// <summary>
/// IQ3_S: binary16 d, the lower 8 bits of 64 numbers of points of <see cref="Codebook.IQ3_S"/>, their ninth bits in 8 bytes, 32 bytes of signs, and eight scales of 4 bits;
/// value = (d * (1 + 2 scale)) * point, with its sign.
/// </summary>
internal readonly struct IQ3_SCodec : IBlockCodec
{
    public static DType Type => DType.IQ3_S;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        ReadOnlySpan<sbyte> points = Codebook.IQ3_S.Values;
        for (int sub = 0; sub < 8; sub++)
        {
            float scale = d * (1 + (2 * (block[106 + (sub / 2)] >> (sub % 2 * 4) & 15)));
            int high = block[66 + sub];
            for (int i = 0; i < 4; i++)
            {
                int at = 2 + (8 * sub) + (2 * i);
                Vector128<sbyte> pair = IQ.Pair(points, block[at] | ((high >> (2 * i) & 1) << 8), block[at + 1] | ((high >> ((2 * i) + 1) & 1) << 8));
                BlockVectors.Scale8(BlockVectors.Negate(pair, block[74 + (4 * sub) + i]), scale, values[((32 * sub) + (8 * i))..]);
            }
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        CodebookChoice choice = CodebookBlocks.Choose(CodebookFormat.IQ3_S, values, weights);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(choice.D));
        block[66..].Clear();
        for (int i = 0; i < 64; i++)
        {
            block[2 + i] = (byte)choice.Numbers[i];
            block[66 + (i / 8)] |= (byte)(choice.Numbers[i] >> 8 << (i % 8));
        }

        choice.Signs.CopyTo(block[74..]);
        for (int sub = 0; sub < 8; sub++) block[106 + (sub / 2)] |= (byte)(choice.Scales[sub] << (sub % 2 * 4));
    }
}
