namespace Tandem;

/// <summary>What encoders of several types do to put codes into bytes.</summary>
internal static class BlockBits
{
    /// <summary>The largest magnitude.</summary>
    public static float LargestMagnitude(ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values) largest = MathF.Max(largest, MathF.Abs(value));
        return largest;
    }

    /// <summary>0, 1 or 2: the nearest of -1, 0, 1 to a value times <paramref name="inverse"/>, halves away from zero, plus 1.</summary>
    public static int Ternary(float value, float inverse) => (int)MathF.Round(value * inverse, MidpointRounding.AwayFromZero) + 1;

    /// <summary>The lower four bits of 32 codes in 16 bytes: elements 0 to 15 in the low halves, 16 to 31 in the high ones.</summary>
    public static void PackNibbles(ReadOnlySpan<byte> codes, Span<byte> to)
    {
        for (int i = 0; i < 16; i++) to[i] = (byte)((codes[i] & 15) | (codes[16 + i] << 4));
    }

    /// <summary>Bit <paramref name="bit"/> of each of 32 codes, the first code's lowest.</summary>
    public static uint GatherBits(ReadOnlySpan<byte> codes, int bit)
    {
        uint bits = 0;
        for (int i = 0; i < 32; i++) bits |= (uint)(codes[i] >> bit & 1) << i;
        return bits;
    }

    /// <summary>The lower two bits of 256 codes in 64 bytes: byte i of each half holds the half's elements i, 32 + i, 64 + i and 96 + i, lowest first.</summary>
    public static void PackPairs(ReadOnlySpan<byte> codes, Span<byte> to)
    {
        for (int half = 0; half < 2; half++)
        {
            ReadOnlySpan<byte> from = codes.Slice(128 * half, 128);
            for (int i = 0; i < 32; i++)
                to[(32 * half) + i] = (byte)((from[i] & 3) | ((from[32 + i] & 3) << 2) | ((from[64 + i] & 3) << 4) | ((from[96 + i] & 3) << 6));
        }
    }

    /// <summary>Bit <paramref name="bit"/> of each of 256 codes in 32 bytes: byte i holds those of elements i, 32 + i and so on, lowest first.</summary>
    public static void PackSingles(ReadOnlySpan<byte> codes, int bit, Span<byte> to)
    {
        for (int i = 0; i < 32; i++)
        {
            int bits = 0;
            for (int sub = 0; sub < 8; sub++) bits |= (codes[(32 * sub) + i] >> bit & 1) << sub;
            to[i] = (byte)bits;
        }
    }

    /// <summary>The lower four bits of 256 codes in 128 bytes: of each 32 bytes the low halves are 32 elements, the high halves the next 32.</summary>
    public static void PackHalves(ReadOnlySpan<byte> codes, Span<byte> to)
    {
        for (int i = 0; i < 128; i++)
        {
            int at = (i / 32 * 64) + (i % 32);
            to[i] = (byte)((codes[at] & 15) | (codes[at + 32] << 4));
        }
    }
}
