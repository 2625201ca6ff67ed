namespace Tandem.Training;

/// <summary>
/// The learning rate of each step: a warm-up from 0 to the peak in a straight line, then what a schedule makes of it. Steps count from 1, and step t has the value
/// at t, so the first step is already of use; transformers' schedules give their first step the value at 0. A step that is skipped is repeated with its number.
/// </summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="WarmupSteps">W, steps of warm-up.</param>
public abstract record LearningRateSchedule(double Peak, long WarmupSteps)
{
    /// <summary>Learning rate at <paramref name="step"/>.</summary>
    public double At(long step) => step < WarmupSteps ? Warmup((double)step / WarmupSteps) : After(step);

    /// <summary>Learning rate at a share in [0, 1) of the warm-up.</summary>
    protected virtual double Warmup(double share) => Peak * share;

    /// <summary>Learning rate at a step from W on.</summary>
    protected abstract double After(long step);

    /// <summary>(step - W) / (total - W).</summary>
    protected double Progress(long step, long totalSteps) => (double)(step - WarmupSteps) / Math.Max(1, totalSteps - WarmupSteps);
}
