namespace Tandem.Training;

/// <summary>Falls with the root of the step: peak / sqrt((step + timescale - W) / timescale).</summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="WarmupSteps">W, steps of warm-up.</param>
/// <param name="Timescale">Steps after which the peak is divided by sqrt(2); 0 is W, or 10,000 without a warm-up.</param>
public sealed record InverseSqrtSchedule(double Peak, long WarmupSteps, long Timescale = 0) : LearningRateSchedule(Peak, WarmupSteps)
{
    private const long TimescaleWithoutWarmup = 10_000;

    /// <inheritdoc/>
    protected override double After(long step)
    {
        double timescale = Timescale > 0 ? Timescale : WarmupSteps > 0 ? WarmupSteps : TimescaleWithoutWarmup;
        return Peak / Math.Sqrt((step + timescale - WarmupSteps) / timescale);
    }
}
