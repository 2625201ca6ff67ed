namespace Tandem.Models;

/// <summary>
/// The frequencies of rotary position embedding, in double precision and with the same bits on every platform. f_i = theta^(-2i/d) for
/// i = 0 .. d/2 - 1, d the rotary dimensions of a head; an element pair at position p turns by p * f_i radians.
/// </summary>
public static class RopeFrequencies
{
    /// <summary>The frequencies of a sequence that may become <paramref name="maxLength"/> positions long, and the multiplier of cos and sin.</summary>
    /// <param name="rope">The description.</param>
    /// <param name="headDim">Dimensions of a head.</param>
    /// <param name="maxLength">The greatest length of the sequence; matters for dynamic and longrope only, whose table is fixed when a sequence is admitted.</param>
    public static (double[] Frequencies, double Multiplier) Compute(RopeConfig rope, int headDim, int maxLength)
    {
        ArgumentNullException.ThrowIfNull(rope);
        var d = rope.RotaryDim(headDim);
        return rope.Kind switch
        {
            RopeKind.Default => (Plain(rope.Theta, d), 1),
            RopeKind.Linear => (Array.ConvertAll(Plain(rope.Theta, d), f => f / Factor(rope)), 1),
            RopeKind.Dynamic => (Plain(DynamicTheta(rope, d, maxLength), d), 1),
            RopeKind.Llama3 => (Array.ConvertAll(Plain(rope.Theta, d), f => Llama3(rope, f)), 1),
            RopeKind.Yarn => (Yarn(rope, d), YarnMultiplier(rope)),
            RopeKind.LongRope => (LongRope(rope, d, maxLength), LongRopeMultiplier(rope)),
            _ => throw new InvalidOperationException($"a bug: rope kind {rope.Kind} without a formula"),
        };
    }

    private static double Factor(RopeConfig rope) => rope.Factor ?? throw new InvalidOperationException($"a bug: {rope.Kind} rope without a factor");

    private static double[] Plain(double theta, int d)
    {
        var frequencies = new double[d / 2];
        for (var i = 0; i < frequencies.Length; i++)
            frequencies[i] = PortableMath.Pow(theta, -2.0 * i / d);
        return frequencies;
    }

    /// <summary>theta (factor n / max - (factor - 1))^(d / (d - 2)), n = max(length, max): the plain theta up to max.</summary>
    private static double DynamicTheta(RopeConfig rope, int d, int maxLength)
    {
        if (maxLength <= rope.MaxPositions)
            return rope.Theta;
        var growth = Factor(rope) * maxLength / rope.MaxPositions - (Factor(rope) - 1);
        return rope.Theta * PortableMath.Pow(growth, d / (d - 2.0));
    }

    private static double Llama3(RopeConfig rope, double frequency)
    {
        var wavelength = 2 * Math.PI / frequency;
        double original = rope.OriginalMaxPositions;
        if (wavelength < original / rope.HighFreqFactor)
            return frequency;
        if (wavelength > original / rope.LowFreqFactor)
            return frequency / Factor(rope);
        var smooth = (original / wavelength - rope.LowFreqFactor) / (rope.HighFreqFactor - rope.LowFreqFactor);
        return (1 - smooth) * frequency / Factor(rope) + smooth * frequency;
    }

    private static double[] Yarn(RopeConfig rope, int d)
    {
        // The dimension whose frequency makes r rotations over the original context.
        double Dimension(double r) => d * PortableMath.Log(rope.OriginalMaxPositions / (2 * Math.PI * r)) / (2 * PortableMath.Log(rope.Theta));

        var low = Dimension(rope.BetaFast);
        var high = Dimension(rope.BetaSlow);
        if (rope.Truncate)
        {
            low = Math.Floor(low);
            high = Math.Ceiling(high);
        }

        low = Math.Max(low, 0);
        high = Math.Min(high, d - 1);
        if (low == high)
            high += 0.001;
        var frequencies = Plain(rope.Theta, d);
        for (var i = 0; i < frequencies.Length; i++)
        {
            var ramp = Math.Clamp((i - low) / (high - low), 0, 1);
            frequencies[i] = ramp * frequencies[i] / Factor(rope) + (1 - ramp) * frequencies[i];
        }

        return frequencies;
    }

    private static double YarnMultiplier(RopeConfig rope)
    {
        double Growth(double scale) => 0.1 * scale * PortableMath.Log(Factor(rope)) + 1;

        if (rope.AttentionFactor is { } given)
            return given;
        return rope is { Mscale: > 0, MscaleAllDim: > 0 } ? Growth(rope.Mscale.Value) / Growth(rope.MscaleAllDim.Value) : Growth(1);
    }

    private static double[] LongRope(RopeConfig rope, int d, int maxLength)
    {
        var factors = maxLength > rope.OriginalMaxPositions ? rope.LongFactor : rope.ShortFactor;
        var frequencies = Plain(rope.Theta, d);
        for (var i = 0; i < frequencies.Length; i++)
            frequencies[i] /= factors[i];
        return frequencies;
    }

    private static double LongRopeMultiplier(RopeConfig rope)
    {
        if (rope.AttentionFactor is { } given)
            return given;
        var scale = rope.Factor ?? (double)rope.MaxPositions / rope.OriginalMaxPositions;
        return scale <= 1 || rope.OriginalMaxPositions <= 1 ? 1 : Math.Sqrt(1 + PortableMath.Log(scale) / PortableMath.Log(rope.OriginalMaxPositions));
    }
}
