namespace Tandem.Training;

/// <summary>The peak, after the warm-up.</summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="WarmupSteps">Steps of warm-up.</param>
public sealed record ConstantSchedule(double Peak, long WarmupSteps = 0) : LearningRateSchedule(Peak, WarmupSteps)
{
    /// <inheritdoc/>
    protected override double After(long step) => Peak;
}
