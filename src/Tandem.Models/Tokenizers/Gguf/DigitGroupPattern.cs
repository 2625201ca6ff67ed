namespace Tandem.Models;

/// <summary>Numbers in groups of three, counted from the end of their run: 1 234 567.</summary>
internal sealed class DigitGroupPattern(string source) : SplitPattern(source)
{
    private const int Group = 3;

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        // Within a run the groups follow each other: only its start, or a piece's, has to count it.
        int first = NumberPattern.RunEnd(text, at, Group);
        if (first == at) return 0;
        if (at > 0 && CharClasses.Before(text, at) == CharClass.Number) return first - at;
        int count = 0;
        for (int end = at; end < text.Length && CharClasses.At(text, end, out int length) == CharClass.Number; end += length) count++;
        return count % Group == 0 ? first - at : NumberPattern.RunEnd(text, at, count % Group) - at;
    }
}
