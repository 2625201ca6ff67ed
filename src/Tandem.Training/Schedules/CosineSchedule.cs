namespace Tandem.Training;

/// <summary>A cosine from the peak down to the minimum: min + (peak - min) max(0, (1 + cos(2 pi cycles (step - W) / (T - W))) / 2).</summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="Minimum">Learning rate at the end.</param>
/// <param name="WarmupSteps">W, steps of warm-up.</param>
/// <param name="TotalSteps">T, step at which the end is reached.</param>
public sealed record CosineSchedule(double Peak, double Minimum, long WarmupSteps, long TotalSteps) : LearningRateSchedule(Peak, WarmupSteps)
{
    /// <summary>Waves of the cosine; a half ends at the minimum.</summary>
    public double Cycles { get; init; } = 0.5;

    /// <summary>Whether the value at T stays from there on; otherwise the cosine goes on and rises again, as in transformers.</summary>
    public bool HoldsAtEnd { get; init; } = true;

    /// <inheritdoc/>
    protected override double After(long step)
    {
        double progress = Progress(step, TotalSteps);
        if (HoldsAtEnd) progress = Math.Min(1, progress);
        return Minimum + ((Peak - Minimum) * Math.Max(0, (1 + Math.Cos(2 * Math.PI * Cycles * progress)) / 2));
    }
}
