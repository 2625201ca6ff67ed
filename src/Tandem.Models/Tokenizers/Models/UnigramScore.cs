using System.Globalization;

namespace Tandem.Models;

/// <summary>
/// Scores as the reference reads them: digits as a 64-bit number, made a double and scaled by a power of ten, so that numbers of more than 53 bits may be
/// one unit in the last place beside the nearest double. Ties between ways to write a word are decided by that unit.
/// </summary>
internal static class UnigramScore
{
    private const int MaxExponent = 308;

    private static readonly double[] Powers = [.. Enumerable.Range(0, MaxExponent + 1).Select(i => double.Parse($"1e{i}", CultureInfo.InvariantCulture))];

    /// <summary>The value of a JSON number.</summary>
    public static double Parse(string number)
    {
        int at = number[0] == '-' ? 1 : 0;
        ulong significand = 0;
        long exponent = 0;
        bool fraction = false, full = false;
        for (; at < number.Length && number[at] is not ('e' or 'E'); at++)
        {
            if (number[at] == '.')
            {
                fraction = true;
                continue;
            }

            ulong digit = (ulong)(number[at] - '0');
            full |= significand > (ulong.MaxValue - digit) / 10;
            if (full && !fraction) exponent++;
            if (full) continue;
            significand = (significand * 10) + digit;
            if (fraction) exponent--;
        }

        if (at < number.Length && long.TryParse(number.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long power)) exponent += Math.Clamp(power, -100_000, 100_000);
        double value = significand;
        for (; exponent < -MaxExponent && value != 0; exponent += MaxExponent) value /= Powers[MaxExponent];
        value = value == 0 ? 0 : exponent >= 0 ? value * (exponent > MaxExponent ? double.PositiveInfinity : Powers[exponent]) : value / Powers[-exponent];
        return number[0] == '-' ? -value : value;
    }

    /// <summary>A number that is read as this value.</summary>
    public static string Format(double value)
    {
        double[] near = [value, Math.BitIncrement(value), Math.BitDecrement(value)];
        return near.SelectMany(n => (string[])[n.ToString("R", CultureInfo.InvariantCulture), n.ToString("E16", CultureInfo.InvariantCulture)]).FirstOrDefault(t => Parse(t) == value)
            ?? value.ToString("R", CultureInfo.InvariantCulture);
    }
}
