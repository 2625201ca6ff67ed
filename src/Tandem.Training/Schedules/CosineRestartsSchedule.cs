namespace Tandem.Training;

/// <summary>
/// Cosines that start again at the peak (Loshchilov and Hutter, SGDR, 2017), all of one length:
/// min + (peak - min) (1 + cos(pi ((cycles (step - W) / (T - W)) mod 1))) / 2; the minimum from T on.
/// </summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="Minimum">Learning rate at the end of each cosine.</param>
/// <param name="WarmupSteps">W, steps of warm-up.</param>
/// <param name="TotalSteps">T, step at which the last cosine ends.</param>
/// <param name="Cycles">Number of cosines.</param>
public sealed record CosineRestartsSchedule(double Peak, double Minimum, long WarmupSteps, long TotalSteps, double Cycles = 1) : LearningRateSchedule(Peak, WarmupSteps)
{
    /// <inheritdoc/>
    protected override double After(long step)
    {
        double progress = Progress(step, TotalSteps);
        return progress >= 1 ? Minimum : Minimum + ((Peak - Minimum) * (1 + Math.Cos(Math.PI * (Cycles * progress % 1))) / 2);
    }
}
