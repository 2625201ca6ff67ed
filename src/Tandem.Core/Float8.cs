namespace Tandem;

/// <summary>
/// 8-bit float with 4 exponent (bias 7) and 3 mantissa bits, finite: no infinities, 0x7F and 0xFF are NaN, largest value 448
/// (the "E4M3" of Micikevicius et al., FP8 Formats for Deep Learning, 2022).
/// </summary>
public readonly struct Float8E4M3
{
    /// <summary>The largest finite value.</summary>
    public const float MaxValue = 448;

    private static readonly float[] Values = Float8.DecodeTable(4, 3, finite: true);

    private Float8E4M3(byte bits) => Bits = bits;

    /// <summary>The stored bits.</summary>
    public byte Bits { get; }

    /// <summary>The value with these bits.</summary>
    public static Float8E4M3 FromBits(byte bits) => new(bits);

    /// <summary>
    /// Rounds to nearest, ties to even. Beyond the largest value: clamps to +-448 when <paramref name="saturate"/> (infinities too), else gives NaN.
    /// </summary>
    public static Float8E4M3 FromSingle(float value, bool saturate = true) => new(Float8.Encode(value, 4, 3, 0x7E, 0x7F, 0x7F, saturate));

    /// <summary>The same value as a binary32.</summary>
    public float ToSingle() => Values[Bits];
}

/// <summary>8-bit float with 5 exponent (bias 15) and 2 mantissa bits, with infinities, largest value 57344 (IEEE 754 rules).</summary>
public readonly struct Float8E5M2
{
    /// <summary>The largest finite value.</summary>
    public const float MaxValue = 57344;

    private static readonly float[] Values = Float8.DecodeTable(5, 2, finite: false);

    private Float8E5M2(byte bits) => Bits = bits;

    /// <summary>The stored bits.</summary>
    public byte Bits { get; }

    /// <summary>The value with these bits.</summary>
    public static Float8E5M2 FromBits(byte bits) => new(bits);

    /// <summary>
    /// Rounds to nearest, ties to even. Beyond the largest value: clamps to +-57344 when <paramref name="saturate"/> (infinities too), else gives infinity.
    /// </summary>
    public static Float8E5M2 FromSingle(float value, bool saturate = true) => new(Float8.Encode(value, 5, 2, 0x7B, 0x7C, 0x7F, saturate));

    /// <summary>The same value as a binary32.</summary>
    public float ToSingle() => Values[Bits];
}

/// <summary>Coding shared by the 8-bit floats: sign, exponent bits, mantissa bits, bias 2^(exponent bits - 1) - 1.</summary>
internal static class Float8
{
    public static byte Encode(float value, int exponentBits, int mantissaBits, int maxCode, int overflowCode, int nanCode, bool saturate)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        var sign = (int)(bits >> 24) & 0x80;
        var magnitude = bits & 0x7FFF_FFFF;
        if (magnitude > 0x7F80_0000)
            return (byte)(sign | nanCode);

        var bias = (1 << (exponentBits - 1)) - 1;
        var drop = 23 - mantissaBits;
        var exponent = (int)(magnitude >> 23) - 127;
        long code;
        if (exponent >= 1 - bias)
        {
            code = (long)RoundShift(magnitude, drop) - ((long)(127 - bias) << mantissaBits);
        }
        else
        {
            // Denormal result: the implicit bit becomes explicit. 25 bits and more leave less than half of the smallest value.
            var shift = drop + (1 - bias - exponent);
            code = shift > 25 ? 0 : RoundShift((magnitude & 0x7F_FFFF) | 0x80_0000, shift);
        }

        if (code > maxCode)
            code = saturate ? maxCode : overflowCode;
        return (byte)(sign | (int)code);
    }

    public static float[] DecodeTable(int exponentBits, int mantissaBits, bool finite)
    {
        var table = new float[256];
        var bias = (1 << (exponentBits - 1)) - 1;
        var maxExponent = (1 << exponentBits) - 1;
        for (var code = 0; code < 256; code++)
        {
            var exponent = (code & 0x7F) >> mantissaBits;
            var mantissa = code & ((1 << mantissaBits) - 1);
            float value;
            if (finite ? (code & 0x7F) == 0x7F : exponent == maxExponent && mantissa != 0)
                value = float.NaN;
            else if (!finite && exponent == maxExponent)
                value = float.PositiveInfinity;
            else if (exponent == 0)
                value = float.ScaleB(mantissa, 1 - bias - mantissaBits);
            else
                value = float.ScaleB(mantissa + (1 << mantissaBits), exponent - bias - mantissaBits);
            table[code] = code >= 0x80 ? -value : value;
        }

        return table;
    }

    private static uint RoundShift(uint value, int shift)
    {
        var half = (1u << (shift - 1)) - 1;
        return (value + half + ((value >> shift) & 1)) >> shift;
    }
}
