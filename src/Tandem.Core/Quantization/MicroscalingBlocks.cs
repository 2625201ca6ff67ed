using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>The 4-bit floats of OCP's microscaling formats (one sign, two exponent, one mantissa bit) as integers: all values doubled.</summary>
internal static class Float4
{
    /// <summary>Twice the value of each code. Negative zero is plain zero.</summary>
    public static ReadOnlySpan<sbyte> Doubled => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    /// <summary>Twice the values of sixteen codes.</summary>
    public static Vector128<sbyte> Lookup(Vector128<byte> codes) => Vector128.Shuffle(Vector128.Create(Doubled), codes.AsSByte());
}

/// <summary>
/// MXFP4 (OCP Microscaling Formats 1.0): an exponent e and 32 floats of 4 bits, low halves first as in Q4_0; value = 2^(e - 128) * doubled float.
/// </summary>
internal readonly struct MXFP4Codec : IBlockCodec
{
    public static DType Type => DType.MXFP4;

    public static float Limit => float.MaxValue;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = Scale(block[0]);
        Vector128<byte> codes = BlockVectors.Bytes16(block, 1);
        BlockVectors.Scale16(Float4.Lookup(BlockVectors.LowNibbles(codes)), d, values);
        BlockVectors.Scale16(Float4.Lookup(BlockVectors.HighNibbles(codes)), d, values[16..]);
    }

    // The exponent is the standard's: that of the largest magnitude, minus 2, the largest exponent of the 4-bit float.
    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        float largest = BlockBits.LargestMagnitude(values);
        int exponent = largest == 0 ? 0 : Math.Clamp(MathF.ILogB(largest) - 2 + 127, 0, 254);
        float d = Scale((byte)exponent);
        Span<byte> codes = stackalloc byte[32];
        for (int i = 0; i < 32; i++)
        {
            float least = float.PositiveInfinity;
            for (int code = 0; code < 16; code++)
            {
                float error = MathF.Abs((d * Float4.Doubled[code]) - values[i]);
                if (error < least) (least, codes[i]) = (error, (byte)code);
            }
        }

        block[0] = (byte)exponent;
        BlockBits.PackNibbles(codes, block[1..]);
    }

    // Half of 2^(e - 127); for e = 0 and 1 that is below the normal floats.
    private static float Scale(byte e) => BitConverter.UInt32BitsToSingle(e < 2 ? 0x0020_0000u << e : (uint)(e - 1) << 23);
}

/// <summary>
/// NVFP4: four scales of 8 bits (an unsigned float with four exponent and three mantissa bits) for 16 elements each, then 64 floats of 4 bits; of each eight bytes the
/// low halves come first. Value = scale / 2 * doubled float.
/// </summary>
internal readonly struct NVFP4Codec : IBlockCodec
{
    public static DType Type => DType.NVFP4;

    /// <summary>The largest scale, 448 / 2, times the largest doubled float.</summary>
    public static float Limit => 2688;

    public static void Decode(ReadOnlySpan<byte> block, Span<float> values)
    {
        for (int sub = 0; sub < 4; sub++)
        {
            ulong bytes = BinaryPrimitives.ReadUInt64LittleEndian(block[(4 + (8 * sub))..]);
            Vector128<byte> codes = BlockVectors.LowNibbles(Vector128.Create(bytes, bytes >> 4).AsByte());
            BlockVectors.Scale16(Float4.Lookup(codes), Scale(block[sub]), values[(16 * sub)..]);
        }
    }

    // Half the scale's value; 0x7F is no number and stands for 0, and the highest bit says nothing.
    private static float Scale(byte bits)
    {
        int exponent = bits >> 3 & 15, mantissa = bits & 7;
        if ((bits & 127) == 127) return 0;
        return exponent == 0 ? mantissa * (1f / 1024) : BitConverter.Int32BitsToSingle(((exponent + 119) << 23) | (mantissa << 20));
    }

    public static void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<byte> codes = stackalloc byte[16];
        for (int sub = 0; sub < 4; sub++)
        {
            ReadOnlySpan<float> x = values.Slice(16 * sub, 16);
            block[sub] = Best(x, weights.IsEmpty ? EqualWeights.Of(16) : weights.Slice(16 * sub, 16));
            ScaleSearch.Codes<Float4Levels>(x, Scale(block[sub]), codes);
            for (int i = 0; i < 8; i++) block[4 + (8 * sub) + i] = (byte)(codes[i] | (codes[8 + i] << 4));
        }
    }

    // Of all scales that bring the largest magnitude to between half of the largest 4-bit float and a bit beyond it, the one with the least error; there are 8 in an octave.
    private static byte Best(ReadOnlySpan<float> values, ReadOnlySpan<float> weights)
    {
        float largest = BlockBits.LargestMagnitude(values), least = float.PositiveInfinity;
        byte best = 0;
        for (int bits = 1; bits < 127; bits++)
        {
            float top = 12 * Scale((byte)bits);
            if (top < 0.6f * largest && bits < 126) continue;
            if (top > 2.5f * largest && best != 0) break;
            float error = ScaleSearch.Error<Float4Levels>(values, weights, Scale((byte)bits));
            if (error < least) (least, best) = (error, (byte)bits);
        }

        return best;
    }
}
