namespace Tandem.Models;

/// <summary>DeepSeek's second cut: runs of common Han characters, hiragana and katakana.</summary>
internal sealed class KanaHanPattern(string source) : SplitPattern(source)
{
    /// <inheritdoc/>
    public override RunCut RunCut => new(CodePointSet.Empty, CodePointSet.Of([('\u3040', '\u30ff'), ('\u4e00', '\u9fa5')]), RunKind.Whole);

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        int end = at;
        while (end < text.Length && text[end] is (>= '\u4e00' and <= '\u9fa5') or (>= '\u3040' and <= '\u30ff')) end++;
        return end - at;
    }

    /// <inheritdoc/>
    public override bool MayMatch(char unit) => unit is >= '\u3040' and <= '\u9fa5';

    /// <inheritdoc/>
    protected override int NextStart(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && text[at] is < '\u3040' or > '\u9fa5') at++;
        return at;
    }
}
