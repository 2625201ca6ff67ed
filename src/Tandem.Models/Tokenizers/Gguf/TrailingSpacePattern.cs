namespace Tandem.Models;

/// <summary>White space that the text ends with.</summary>
internal sealed class TrailingSpacePattern() : SplitPattern(@"\s+$")
{
    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        // Within a run nothing matches where its start did not, so that a run is looked through once.
        if (at > 0 && CharClasses.Before(text, at) == CharClass.Space) return 0;
        return CharClasses.RunEnd(text, at, CharClass.Space) == text.Length ? text.Length - at : 0;
    }
}
