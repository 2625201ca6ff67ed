namespace Tandem.Conformance;

/// <summary>A case needs something that the engine does not have.</summary>
internal sealed class UnsupportedException(string feature) : Exception($"unsupported: {feature}")
{
    /// <summary>What it needs.</summary>
    public string Feature { get; } = feature;
}
