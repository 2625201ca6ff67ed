namespace Tandem.Cpu;

/// <summary>
/// Totals that must not depend on who computed which part: fixed tiles, each summed in order, the tiles added as a balanced binary tree
/// (neighbours first; an odd one out moves up). Tile results and everything above them are f64.
/// </summary>
internal static unsafe class Totals
{
    /// <summary>Tokens of a tile of <see cref="LossTiles"/>.</summary>
    internal const int LossTile = 1024;

    /// <summary>Elements of a tile of <see cref="SquareTiles"/>, in stored order (padding is zero and changes nothing).</summary>
    internal const int NormTile = 4096;

    /// <summary>Number of tiles of <paramref name="tile"/> elements that cover n.</summary>
    internal static long NumTiles(long n, int tile) => (n + tile - 1) / tile;

    /// <summary>sums[i] = the losses of tokens [1024 i, 1024 i + 1024) of n added in order, f64, for tiles [firstTile, firstTile + numTiles).</summary>
    internal static void LossTiles(long firstTile, long numTiles, float* losses, long n, double* sums)
    {
        for (long tile = firstTile; tile < firstTile + numTiles; tile++)
        {
            double sum = 0;
            for (long i = tile * LossTile; i < Math.Min(n, (tile + 1) * LossTile); i++)
                sum += losses[i];

            sums[tile] = sum;
        }
    }

    /// <summary>sums[i] = sum of squares of elements [4096 i, 4096 i + 4096) of x[n], by the 16-lane f32 rule, for tiles [firstTile, firstTile + numTiles).</summary>
    internal static void SquareTiles(long firstTile, long numTiles, float* x, long n, double* sums)
    {
        for (long tile = firstTile; tile < firstTile + numTiles; tile++)
            sums[tile] = RowReduce.SumSquares(x + (tile * NormTile), (int)Math.Min(NormTile, n - (tile * NormTile)));
    }

    /// <summary>Scalar twin of <see cref="SquareTiles"/>.</summary>
    internal static void SquareTilesScalar(long firstTile, long numTiles, float* x, long n, double* sums)
    {
        for (long tile = firstTile; tile < firstTile + numTiles; tile++)
            sums[tile] = RowReduce.SumSquaresScalar(x + (tile * NormTile), (int)Math.Min(NormTile, n - (tile * NormTile)));
    }

    /// <summary>Adds n tile results as a tree, in place, and gives the total (0 for none).</summary>
    internal static double Tree(double* sums, long n)
    {
        for (long stride = 1; stride < n; stride *= 2)
        {
            for (long i = 0; i + stride < n; i += 2 * stride)
                sums[i] += sums[i + stride];
        }

        return n == 0 ? 0 : sums[0];
    }

    /// <summary>Sum of n losses in one call, with room for the tiles from the caller.</summary>
    internal static double SumLosses(float* losses, long n, double* scratch)
    {
        long tiles = NumTiles(n, LossTile);
        LossTiles(0, tiles, losses, n, scratch);
        return Tree(scratch, tiles);
    }

    /// <summary>Sum of squares of x[n] in one call, with room for the tiles from the caller.</summary>
    internal static double SumSquares(float* x, long n, double* scratch)
    {
        long tiles = NumTiles(n, NormTile);
        SquareTiles(0, tiles, x, n, scratch);
        return Tree(scratch, tiles);
    }
}
