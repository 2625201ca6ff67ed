namespace Tandem.Training;

/// <summary>A power of the share that is left: min + (peak - min) (1 - (step - W) / (T - W))^power; the minimum after T.</summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="Minimum">Learning rate at the end.</param>
/// <param name="WarmupSteps">W, steps of warm-up.</param>
/// <param name="TotalSteps">T, step at which the minimum is reached.</param>
/// <param name="Power">The power; 1 is a straight line.</param>
public sealed record PolynomialSchedule(double Peak, double Minimum, long WarmupSteps, long TotalSteps, double Power = 1) : LearningRateSchedule(Peak, WarmupSteps)
{
    /// <inheritdoc/>
    protected override double After(long step) =>
        step > TotalSteps ? Minimum : Minimum + ((Peak - Minimum) * Math.Pow(1 - Progress(step, TotalSteps), Power));
}
