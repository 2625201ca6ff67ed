namespace Tandem.Training;

/// <summary>The shape of a rise or fall between 0 and 1.</summary>
public enum DecayShape : byte
{
    /// <summary>A straight line.</summary>
    Linear,

    /// <summary>A half cosine.</summary>
    Cosine,

    /// <summary>1 - sqrt(share): steep at first.</summary>
    OneMinusSqrt,
}

/// <summary>
/// Warm-up, stable, decay (Hu et al., MiniCPM, 2024): rises from the minimum, stays at the peak, falls to the minimum in the given shape, and stays there.
/// </summary>
/// <param name="Peak">Largest learning rate.</param>
/// <param name="Minimum">Learning rate at the beginning and at the end.</param>
/// <param name="WarmupSteps">Steps of warm-up.</param>
/// <param name="StableSteps">Steps at the peak.</param>
/// <param name="DecaySteps">Steps of decay.</param>
public sealed record WsdSchedule(double Peak, double Minimum, long WarmupSteps, long StableSteps, long DecaySteps) : LearningRateSchedule(Peak, WarmupSteps)
{
    /// <summary>Shape of the warm-up.</summary>
    public DecayShape WarmupShape { get; init; }

    /// <summary>Shape of the decay.</summary>
    public DecayShape DecayShape { get; init; } = DecayShape.Cosine;

    /// <summary>Waves of a cosine decay; a half ends at the minimum.</summary>
    public double Cycles { get; init; } = 0.5;

    /// <inheritdoc/>
    protected override double Warmup(double share) => Between(WarmupShape switch
    {
        DecayShape.Linear => share,
        DecayShape.Cosine => (1 - Math.Cos(Math.PI * share)) / 2,
        _ => 1 - Math.Sqrt(1 - share),
    });

    /// <inheritdoc/>
    protected override double After(long step)
    {
        long decayed = step - WarmupSteps - StableSteps;
        if (decayed < 0) return Peak;
        if (decayed >= DecaySteps) return Minimum;
        double share = (double)decayed / DecaySteps;
        return Between(DecayShape switch
        {
            DecayShape.Linear => 1 - share,
            DecayShape.Cosine => (1 + Math.Cos(2 * Math.PI * Cycles * share)) / 2,
            _ => 1 - Math.Sqrt(share),
        });
    }

    private double Between(double share) => Minimum + ((Peak - Minimum) * share);
}
