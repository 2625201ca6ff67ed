namespace Tandem.Graph;

/// <summary>The kinds of parts a step has, in the order in which a graph lists them.</summary>
public enum Stage : byte
{
    /// <summary>From inputs to outputs or losses.</summary>
    Forward,

    /// <summary>From losses to gradients.</summary>
    Backward,

    /// <summary>Ends a logical data shard: gradients of a weight's several uses become one.</summary>
    Close,

    /// <summary>Sums of two subtrees of logical data shards; the fragment's index is the level, 0 for two single shards.</summary>
    Merge,

    /// <summary>Puts the sum of a complete subtree aside; the fragment's index is its level.</summary>
    Park,

    /// <summary>Sums over all gradients: the global norm.</summary>
    Reduce,

    /// <summary>The optimizer.</summary>
    Update,
}

/// <summary>A part of a graph that a step table runs as a whole, once or several times a step.</summary>
/// <param name="Stage">What kind of part.</param>
/// <param name="Index">Which one of that kind.</param>
public readonly record struct Fragment(Stage Stage, int Index = 0)
{
    /// <summary>The only fragment of a stage.</summary>
    public static implicit operator Fragment(Stage stage) => new(stage);

    /// <summary>Whether a graph lists this fragment before <paramref name="other"/>.</summary>
    public bool Precedes(Fragment other) => (Stage, Index).CompareTo((other.Stage, other.Index)) < 0;

    /// <summary>For example <c>backward</c> or <c>merge.1</c>.</summary>
    public override string ToString() => Stage.ToString().ToLowerInvariant() + (Stage is Stage.Merge or Stage.Park ? "." + Index : "");
}
