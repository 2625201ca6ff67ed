namespace Tandem.Training;

/// <summary>A straight line from the peak down to the minimum: min + (peak - min) (T - step) / (T - W); the minimum from T on.</summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="Minimum">Learning rate at the end.</param>
/// <param name="WarmupSteps">W, steps of warm-up.</param>
/// <param name="TotalSteps">T, step at which the minimum is reached.</param>
public sealed record LinearSchedule(double Peak, double Minimum, long WarmupSteps, long TotalSteps) : LearningRateSchedule(Peak, WarmupSteps)
{
    /// <inheritdoc/>
    protected override double After(long step) => Minimum + ((Peak - Minimum) * Math.Max(0, 1 - Progress(step, TotalSteps)));
}
