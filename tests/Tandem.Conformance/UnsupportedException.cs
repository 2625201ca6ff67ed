namespace Tandem.Conformance;

/// <summary>A case needs something that the engine does not have.</summary>
internal sealed class UnsupportedException(string feature) : Exception($"unsupported: {feature}")
{
    /// <summary>What it needs.</summary>
    public string Feature { get; } = feature;

    /// <summary>The engine's own words for what it does not take; what it has instead is left out.</summary>
    public static UnsupportedException Of(TandemException refusal, string place = "")
    {
        string text = place.Length > 0 ? refusal.Message.Replace($"'{place}': ", "", StringComparison.Ordinal) : refusal.Message;
        int end = text.IndexOf(" is not supported", StringComparison.Ordinal);
        return new UnsupportedException(end > 0 ? text[..end] : text);
    }
}
