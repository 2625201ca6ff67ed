namespace Tandem.Models;

/// <summary>
/// Cosines and sines of every position, computed in double precision and rounded once to f32; the multiplier of the scaling is already in them.
/// The same arguments give the same bits on every platform.
/// </summary>
public sealed unsafe class RopeTable : IDisposable
{
    private const double OverTwoPi = 0.15915494309189533577;

    private readonly NativeBuffer _buffer;

    private RopeTable(RopeConfig rope, int headDim, int positions, int maxLength)
    {
        var (frequencies, multiplier) = RopeFrequencies.Compute(rope, headDim, maxLength);
        Positions = positions;
        Pairs = frequencies.Length;
        Multiplier = multiplier;
        MaxLength = maxLength;
        _buffer = new(2L * positions * Pairs * sizeof(float));
        var cos = (nint)Cos;
        var sin = (nint)Sin;
        Parallel.For(0, (positions + 255) / 256, block =>
        {
            for (var position = block * 256; position < Math.Min(positions, block * 256 + 256); position++)
                FillRow(frequencies, multiplier, position, (float*)cos + (long)position * Pairs, (float*)sin + (long)position * Pairs);
        });
    }

    /// <summary>Rows of the table.</summary>
    public int Positions { get; }

    /// <summary>Columns of the table: half the rotary dimensions.</summary>
    public int Pairs { get; }

    /// <summary>Dimensions of a head that rotate; the rest pass through.</summary>
    public int RotaryDim => 2 * Pairs;

    /// <summary>The greatest length of a sequence this table is for.</summary>
    public int MaxLength { get; }

    /// <summary>What cos and sin were multiplied by.</summary>
    public double Multiplier { get; }

    /// <summary>Cosines, then sines, as graphs read them: [2, Positions, Pairs].</summary>
    internal NativeBuffer Buffer => _buffer;

    /// <summary>[Positions, Pairs] cosines times <see cref="Multiplier"/>.</summary>
    public float* Cos => (float*)_buffer.Pointer;

    /// <summary>[Positions, Pairs] sines times <see cref="Multiplier"/>.</summary>
    public float* Sin => (float*)_buffer.Pointer + (long)Positions * Pairs;

    /// <summary>Builds a table.</summary>
    /// <param name="rope">The description.</param>
    /// <param name="headDim">Dimensions of a head.</param>
    /// <param name="positions">Rows: positions 0 .. positions - 1.</param>
    /// <param name="maxLength">The greatest length of the sequence, for dynamic and longrope; 0 takes <paramref name="positions"/>.</param>
    /// <exception cref="TandemException">The memory is not there.</exception>
    public static RopeTable Build(RopeConfig rope, int headDim, int positions, int maxLength = 0)
    {
        ArgumentNullException.ThrowIfNull(rope);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(positions);
        ArgumentOutOfRangeException.ThrowIfNegative(maxLength);
        return new(rope, headDim, positions, maxLength == 0 ? positions : maxLength);
    }

    /// <summary>Frees the table.</summary>
    public void Dispose() => _buffer.Dispose();

    internal static void FillRow(double[] frequencies, double multiplier, int position, float* cos, float* sin)
    {
        for (var i = 0; i < frequencies.Length; i++)
        {
            var (s, c) = PortableMath.SinCosTurns(position * frequencies[i] * OverTwoPi);
            cos[i] = (float)(c * multiplier);
            sin[i] = (float)(s * multiplier);
        }
    }
}
