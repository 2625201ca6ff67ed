namespace Tandem;

/// <summary>
/// Elementary functions in double precision built from IEEE additions, multiplications, divisions and square roots only, so that they give the
/// same bits on every platform (<see cref="Math"/> calls the C runtime, whose last digits differ). Errors stay below about 2e-16 relative
/// to the larger of the result and 1. Used where results must be reproducible: random normals and rope tables.
/// </summary>
public static class PortableMath
{
    // Split so that k * Ln2High is exact for |k| below 2^11.
    private const double Ln2High = 0.693147180369123816490;
    private const double Ln2Low = 1.90821492927058770002e-10;
    private const double HalfPi = 1.57079632679489661923;

    /// <summary>Natural logarithm of a positive, finite, normal number.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="x"/> is not positive, finite and normal.</exception>
    public static double Log(double x)
    {
        if (!(x > 0) || !double.IsNormal(x))
            throw new ArgumentOutOfRangeException(nameof(x), x, "the logarithm takes positive, finite, normal numbers");

        var bits = BitConverter.DoubleToInt64Bits(x);
        var exponent = (int)(bits >> 52) - 1023;
        var mantissa = BitConverter.Int64BitsToDouble((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
        if (mantissa > 1.4142135623730951)
        {
            mantissa *= 0.5;
            exponent++;
        }

        // log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172: 12 odd terms reach 1e-19.
        var s = (mantissa - 1) / (mantissa + 1);
        var z = s * s;
        var sum = 0.0;
        for (var k = 12; k >= 1; k--)
            sum = (sum + 1.0 / (2 * k + 1)) * z;

        return exponent * Ln2High + (2 * s + (2 * s * sum + exponent * Ln2Low));
    }

    /// <summary>e to the power <paramref name="x"/>, for |x| up to 700.</summary>
    /// <exception cref="ArgumentOutOfRangeException">|x| is above 700 or not a number.</exception>
    public static double Exp(double x)
    {
        if (!(Math.Abs(x) <= 700))
            throw new ArgumentOutOfRangeException(nameof(x), x, "the exponential takes numbers from -700 to 700");

        var k = Math.Floor(x / (Ln2High + Ln2Low) + 0.5);
        var r = x - k * Ln2High - k * Ln2Low;

        // |r| < 0.347: 15 terms of the Taylor series reach 1e-19.
        var sum = 1.0;
        for (var i = 15; i >= 1; i--)
            sum = 1 + sum * r / i;

        return sum * BitConverter.Int64BitsToDouble(((long)k + 1023) << 52);
    }

    /// <summary><paramref name="x"/> to the power <paramref name="y"/> for positive x, as exp(y ln x).</summary>
    public static double Pow(double x, double y) => Exp(y * Log(x));

    /// <summary>Sine and cosine of <paramref name="turns"/> full turns: of the angle 2 pi * turns.</summary>
    public static (double Sin, double Cos) SinCosTurns(double turns)
    {
        var fraction = turns - Math.Floor(turns);
        var quarter = Math.Floor(fraction * 4 + 0.5);
        var x = (fraction * 4 - quarter) * HalfPi;
        var z = x * x;

        // |x| <= pi/4: terms up to x^19 and x^20 reach 1e-20.
        double sin = 1, cos = 1;
        for (var k = 18; k >= 2; k -= 2)
        {
            sin = 1 - sin * z / (k * (k + 1));
            cos = 1 - cos * z / (k * (k - 1));
        }

        sin *= x;
        return ((int)quarter & 3) switch
        {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        };
    }
}
