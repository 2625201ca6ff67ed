namespace Tandem;

/// <summary>bfloat16: the upper half of a binary32 (1 sign, 8 exponent, 7 mantissa bits). Widening is exact; narrowing rounds to nearest, ties to even.</summary>
public readonly struct BFloat16 : IEquatable<BFloat16>
{
    private BFloat16(ushort bits) => Bits = bits;

    /// <summary>The 16 stored bits.</summary>
    public ushort Bits { get; }

    /// <summary>True for a NaN.</summary>
    public bool IsNaN => (Bits & 0x7FFF) > 0x7F80;

    /// <summary>The value with these bits.</summary>
    public static BFloat16 FromBits(ushort bits) => new(bits);

    /// <summary>Rounds to nearest, ties to even; beyond the largest value gives infinity; a NaN becomes a quiet NaN; denormals are kept.</summary>
    public static BFloat16 FromSingle(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7FFF_FFFF) > 0x7F80_0000)
            return new((ushort)((bits >> 16) | 0x40));
        return new((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    /// <summary>
    /// Rounds up or down at random, unbiased: (bits + <paramref name="random"/>) >> 16 with 16 uniform random bits.
    /// Infinities stay, a NaN becomes a quiet NaN; a finite value above the largest bfloat16 may become infinity.
    /// </summary>
    public static BFloat16 FromSingleStochastic(float value, ushort random)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7FFF_FFFF) >= 0x7F80_0000)
            return FromSingle(value);
        return new((ushort)((bits + random) >> 16));
    }

    /// <summary>The same value as a binary32.</summary>
    public float ToSingle() => BitConverter.UInt32BitsToSingle((uint)Bits << 16);

    /// <summary>Narrows, see <see cref="FromSingle"/>.</summary>
    public static explicit operator BFloat16(float value) => FromSingle(value);

    /// <summary>Widens exactly.</summary>
    public static implicit operator float(BFloat16 value) => value.ToSingle();

    /// <summary>Equality of values, as for floats: 0 equals -0, a NaN equals nothing.</summary>
    public static bool operator ==(BFloat16 left, BFloat16 right) => left.ToSingle() == right.ToSingle();

    /// <summary>Negation of <c>==</c>.</summary>
    public static bool operator !=(BFloat16 left, BFloat16 right) => !(left == right);

    /// <inheritdoc/>
    public bool Equals(BFloat16 other) => ToSingle().Equals(other.ToSingle());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ToSingle().GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => ToSingle().ToString(System.Globalization.CultureInfo.InvariantCulture);
}
