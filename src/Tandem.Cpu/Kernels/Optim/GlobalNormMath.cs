namespace Tandem.Cpu;

/// <summary>The norm over all gradients and what follows from it, from the sum of squares of each tensor (<see cref="Totals.SquareTiles"/>).</summary>
internal static class GlobalNormMath
{
    /// <summary>Square root of the sums of squares of all tensors, added in order.</summary>
    internal static double Norm(ReadOnlySpan<double> sumsOfSquares)
    {
        double total = 0;
        foreach (double sum in sumsOfSquares)
            total += sum;

        return Math.Sqrt(total);
    }

    /// <summary>Index of the first tensor whose sum is infinite or NaN (a gradient overflowed or its square did), or -1.</summary>
    internal static int FirstNonFinite(ReadOnlySpan<double> sumsOfSquares)
    {
        for (int i = 0; i < sumsOfSquares.Length; i++)
        {
            if (!double.IsFinite(sumsOfSquares[i]))
                return i;
        }

        return -1;
    }

    /// <summary>Throws if a tensor's sum is not finite, with the name of the first.</summary>
    /// <exception cref="TandemException">A gradient is infinite or NaN, or too large to square.</exception>
    internal static void RequireFinite(ReadOnlySpan<double> sumsOfSquares, IReadOnlyList<string> names)
    {
        int bad = FirstNonFinite(sumsOfSquares);
        if (bad >= 0)
            throw new TandemException($"gradient of {names[bad]}: its sum of squares is {sumsOfSquares[bad]}, a finite number is needed; lower the learning rate or skip the step");
    }

    /// <summary>min(1, clip / (norm + 1e-6)); 1 where <paramref name="clip"/> is 0 or less (no clipping).</summary>
    internal static double ClipScale(double norm, double clip) => clip <= 0 ? 1 : Math.Min(1, clip / (norm + 1e-6));
}
