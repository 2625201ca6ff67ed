namespace Tandem.Training;

/// <summary>A shuffle of 0 .. n-1, another one each time round, computed place by place.</summary>
public static class Permutation
{
    private static readonly ulong s_name = Philox.HashName("permutation");

    /// <summary>What stands at <paramref name="index"/>; indices from n on continue with further shuffles.</summary>
    public static long At(long n, ulong seed, long index)
    {
        int half = 1;
        while (1L << (2 * half) < n) half++;
        PhiloxStream keys = Philox.Stream(seed, s_name, (ulong)(index / n));
        long x = index % n, mask = (1L << half) - 1;

        // A Feistel network permutes a power of four; walking on from values outside stays a permutation.
        do
        {
            for (ulong round = 0; round < 6; round++)
            {
                long left = x >> half, right = x & mask;
                x = (right << half) | (left ^ (keys.UInt32((round << 32) | (ulong)right) & mask));
            }
        }
        while (x >= n);
        return x;
    }
}
