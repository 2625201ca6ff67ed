namespace Tandem.Training;

/// <summary>Coefficients of a <see cref="LossScaler"/>.</summary>
public sealed record LossScalerOptions
{
    /// <summary>First scale.</summary>
    public double InitialScale { get; init; } = 65536;

    /// <summary>Factor after <see cref="GrowthInterval"/> good steps in a row.</summary>
    public double GrowthFactor { get; init; } = 2;

    /// <summary>Factor after a step that overflowed.</summary>
    public double BackoffFactor { get; init; } = 0.5;

    /// <summary>Good steps in a row after which the scale grows.</summary>
    public int GrowthInterval { get; init; } = 2000;
}

/// <summary>What a checkpoint must hold of a <see cref="LossScaler"/>.</summary>
/// <param name="Scale">The scale of the next step.</param>
/// <param name="GoodSteps">Good steps since the scale last changed.</param>
public readonly record struct LossScalerState(double Scale, int GoodSteps);

/// <summary>
/// Dynamic loss scaling (Micikevicius et al., Mixed Precision Training, 2018): the gradient is computed of a multiple of the loss, as large as it can be
/// without overflow. A step whose gradient is not finite is skipped and the scale falls; after an interval of good steps it grows.
/// </summary>
public sealed class LossScaler
{
    // The scale is an f32 operand; beyond these it would not be a normal number any more, whatever the gradients are.
    private const double Smallest = 1.1754943508222875e-38, Largest = 1.7014118346046923e38;

    private readonly LossScalerOptions _options;

    /// <summary>Starts with the initial scale.</summary>
    /// <exception cref="TandemException">A coefficient is out of range.</exception>
    public LossScaler(LossScalerOptions options)
    {
        Require(options.InitialScale is >= Smallest and <= Largest, "initial scale", options.InitialScale, "a positive number that f32 can hold");
        Require(options.GrowthFactor >= 1 && double.IsFinite(options.GrowthFactor), "growth factor", options.GrowthFactor, "at least 1");
        Require(options.BackoffFactor is > 0 and < 1, "backoff factor", options.BackoffFactor, "between 0 and 1");
        Require(options.GrowthInterval >= 1, "growth interval", options.GrowthInterval, "at least 1");
        _options = options;
        State = new LossScalerState(options.InitialScale, 0);
    }

    /// <summary>The scale of the next step and how long it has stood.</summary>
    public LossScalerState State { get; set; }

    /// <summary>The scale of the next step.</summary>
    public double Scale => State.Scale;

    /// <summary>Changes the scale after a step.</summary>
    /// <param name="overflowed">Whether the step's gradient was not finite.</param>
    public void Update(bool overflowed)
    {
        if (overflowed)
        {
            State = new LossScalerState(Math.Max(Smallest, Scale * _options.BackoffFactor), 0);
            return;
        }

        bool grows = State.GoodSteps + 1 >= _options.GrowthInterval;
        State = grows ? new LossScalerState(Math.Min(Largest, Scale * _options.GrowthFactor), 0) : State with { GoodSteps = State.GoodSteps + 1 };
    }

    private static void Require(bool holds, string what, double value, string accepted)
    {
        if (!holds) throw new TandemException($"loss scaler: {what} {value}; accepted: {accepted}");
    }
}
