using System.Buffers.Binary;

namespace Tandem;

/// <summary>
/// IQ2_XXS: binary16 d, then for each 32 elements two words: four bytes that number points of <see cref="Codebook.IQ2_XXS"/>, and four times 7 signs (the eighth makes their
/// number even) with a scale of 4 bits; value = (d * (0.5 + scale) * 0.25) * point, with its sign.
/// </summary>
internal readonly struct IQ2_XXSCodec : IBlockCodec
{
    public static DType Type => DType.IQ2_XXS;

    public static bool NeedsImportance => true;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        ReadOnlySpan<sbyte> points = Codebook.IQ2_XXS.Values;
        for (int sub = 0; sub < 8; sub++)
        {
            ReadOnlySpan<byte> numbers = block.Slice(2 + (8 * sub), 4);
            uint word = BinaryPrimitives.ReadUInt32LittleEndian(block[(6 + (8 * sub))..]);
            float scale = d * (0.5f + (word >> 28)) * 0.25f;
            for (int i = 0; i < 4; i++)
                BlockVectors.Scale8(BlockVectors.Negate(IQ.Point(points, numbers[i]), IQ.Even((int)(word >> (7 * i)))), scale, values[((32 * sub) + (8 * i))..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        CodebookChoice choice = CodebookBlocks.Choose(CodebookFormat.IQ2_XXS, values, weights);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(choice.D));
        for (int sub = 0; sub < 8; sub++)
        {
            for (int i = 0; i < 4; i++) block[2 + (8 * sub) + i] = (byte)choice.Numbers[(4 * sub) + i];
            BinaryPrimitives.WriteUInt32LittleEndian(block[(6 + (8 * sub))..], IQ.Word(choice, sub));
        }
    }
}

/// <summary>
/// IQ2_XS: binary16 d, 32 words of 16 bits (9 for the number of a point of <see cref="Codebook.IQ2_XS"/>, 7 for signs as in IQ2_XXS), sixteen scales of 4 bits;
/// value = (d * (0.5 + scale) * 0.25) * point, with its sign.
/// </summary>
internal readonly struct IQ2_XSCodec : IBlockCodec
{
    public static DType Type => DType.IQ2_XS;

    public static bool NeedsImportance => true;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        ReadOnlySpan<sbyte> points = Codebook.IQ2_XS.Values;
        for (int i = 0; i < 32; i++)
        {
            int word = BinaryPrimitives.ReadUInt16LittleEndian(block[(2 + (2 * i))..]);
            float scale = d * (0.5f + (block[66 + (i / 4)] >> (i / 2 % 2 * 4) & 15)) * 0.25f;
            BlockVectors.Scale8(BlockVectors.Negate(IQ.Point(points, word & 511), IQ.Even(word >> 9)), scale, values[(8 * i)..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        CodebookChoice choice = CodebookBlocks.Choose(CodebookFormat.IQ2_XS, values, weights);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(choice.D));
        for (int i = 0; i < 32; i++) BinaryPrimitives.WriteUInt16LittleEndian(block[(2 + (2 * i))..], (ushort)(choice.Numbers[i] | ((choice.Signs[i] & 127) << 9)));
        for (int i = 0; i < 8; i++) block[66 + i] = (byte)(choice.Scales[2 * i] | (choice.Scales[(2 * i) + 1] << 4));
    }
}

/// <summary>
/// IQ2_S: binary16 d, the lower 8 bits of 32 numbers of points of <see cref="Codebook.IQ2_S"/>, 32 bytes of signs, the numbers' upper two bits in 8 bytes, sixteen scales of
/// 4 bits; value = (d * (0.5 + scale) * 0.25) * point, with its sign.
/// </summary>
internal readonly struct IQ2_SCodec : IBlockCodec
{
    public static DType Type => DType.IQ2_S;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockVectors.Half(block, 0);
        ReadOnlySpan<sbyte> points = Codebook.IQ2_S.Values;
        for (int i = 0; i < 32; i++)
        {
            int number = block[2 + i] | ((block[66 + (i / 4)] >> (i % 4 * 2) & 3) << 8);
            float scale = d * (0.5f + (block[74 + (i / 4)] >> (i / 2 % 2 * 4) & 15)) * 0.25f;
            BlockVectors.Scale8(BlockVectors.Negate(IQ.Point(points, number), block[34 + i]), scale, values[(8 * i)..]);
        }
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        CodebookChoice choice = CodebookBlocks.Choose(CodebookFormat.IQ2_S, values, weights);
        BinaryPrimitives.WriteUInt16LittleEndian(block, Conversions.NarrowHalf(choice.D));
        block[66..74].Clear();
        for (int i = 0; i < 32; i++)
        {
            block[2 + i] = (byte)choice.Numbers[i];
            block[66 + (i / 4)] |= (byte)(choice.Numbers[i] >> 8 << (i % 4 * 2));
        }

        choice.Signs.CopyTo(block[34..]);
        for (int i = 0; i < 8; i++) block[74 + i] = (byte)(choice.Scales[2 * i] | (choice.Scales[(2 * i) + 1] << 4));
    }
}
