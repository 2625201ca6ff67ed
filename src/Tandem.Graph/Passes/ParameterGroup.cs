namespace Tandem.Graph.Passes;

/// <summary>Weights with options of their own. A weight belongs to the first group of the list that has it; one that no group has takes the optimizer as it is.</summary>
/// <param name="Name">Name, as in the names of nodes.</param>
/// <param name="Has">Whether a weight belongs to the group, by name and shape.</param>
public sealed record ParameterGroup(string Name, Func<Value, bool> Has)
{
    /// <summary>Decay; null is the optimizer's.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>Factor on the learning rate.</summary>
    public double LearningRateFactor { get; init; } = 1;

    /// <summary>Norms and biases: vectors, which do not decay.</summary>
    public static ParameterGroup Vectors { get; } = new("vectors", p => p.Type.Dims.Length < 2) { WeightDecay = 0 };

    /// <summary>The groups where nothing else is said: vectors do not decay.</summary>
    public static IReadOnlyList<ParameterGroup> Default { get; } = [Vectors];
}
