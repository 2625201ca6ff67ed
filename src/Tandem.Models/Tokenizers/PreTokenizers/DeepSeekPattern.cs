namespace Tandem.Models;

/// <summary>
/// DeepSeek's third cut: an ASCII sign with ASCII letters; letters and marks with one character before them that is neither line break, letter,
/// punctuation nor symbol; an optional space with punctuation and symbols and line breaks behind them; white space. Other characters match nothing.
/// </summary>
internal sealed class DeepSeekPattern(string source) : SplitPattern(source)
{
    private const CharClass Letters = CharClass.Letter | CharClass.Mark;
    private const CharClass Signs = CharClass.Punctuation | CharClass.Symbol;

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        CharClass kind = CharClasses.At(text, at, out int length);
        int next = at + length;
        if ((kind & Letters) != 0) return CharClasses.RunEnd(text, next, Letters) - at;
        if ((kind & Signs) != 0)
        {
            int letters = next;
            while (text[at] < 128 && letters < text.Length && char.IsAsciiLetter(text[letters])) letters++;
            return letters > next ? letters - at : SkipLineBreaks(text, CharClasses.RunEnd(text, next, Signs)) - at;
        }

        if (next < text.Length && text[at] is not ('\r' or '\n'))
        {
            CharClass following = CharClasses.At(text, next, out int letter);
            if ((following & Letters) != 0) return CharClasses.RunEnd(text, next + letter, Letters) - at;
            if (text[at] == ' ' && (following & Signs) != 0) return SkipLineBreaks(text, CharClasses.RunEnd(text, next, Signs)) - at;
        }

        return kind == CharClass.Space ? MatchSpace(text, at) : 0;
    }
}
