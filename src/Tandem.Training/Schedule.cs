namespace Tandem.Training;

/// <summary>Linear warm-up to the peak, then a cosine down to the minimum; steps count from 1.</summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="Minimum">Learning rate at the end.</param>
/// <param name="WarmupSteps">Steps of warm-up.</param>
/// <param name="TotalSteps">Step at which the minimum is reached.</param>
public readonly record struct CosineSchedule(double Peak, double Minimum, long WarmupSteps, long TotalSteps)
{
    /// <summary>Learning rate of a step.</summary>
    public double At(long step)
    {
        if (step <= WarmupSteps) return Peak * step / WarmupSteps;
        double progress = Math.Min(1, (double)(step - WarmupSteps) / Math.Max(1, TotalSteps - WarmupSteps));
        return Minimum + ((Peak - Minimum) / 2 * (1 + Math.Cos(Math.PI * progress)));
    }
}
