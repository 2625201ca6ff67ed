namespace Tandem.Models;

/// <summary>
/// The words of Llama 3, Qwen2 and cl100k, which differ in how many digits go together and in whether marks are letters:
/// contractions in any case; letters with one character before them that is neither letter, number nor line break; numbers;
/// an optional space with other characters and line breaks behind them; white space.
/// </summary>
internal sealed class WordPattern(string source, int maxDigits, bool marksAreLetters = false) : SplitPattern(source)
{
    private readonly CharClass _letters = marksAreLetters ? CharClass.Letter | CharClass.Mark : CharClass.Letter;

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        if (text[at] == '\'' && Contraction(text[at..]) is > 0 and var contraction) return contraction;
        CharClass kind = CharClasses.At(text, at, out int length);
        int next = at + length;
        if ((kind & _letters) != 0) return CharClasses.RunEnd(text, next, _letters) - at;
        if (kind == CharClass.Number) return NumberPattern.RunEnd(text, at, maxDigits) - at;
        if (next < text.Length && text[at] is not ('\r' or '\n') && (CharClasses.At(text, next, out int letter) & _letters) != 0)
            return CharClasses.RunEnd(text, next + letter, _letters) - at;
        int start = text[at] == ' ' && next < text.Length ? next : at;
        int end = CharClasses.Skip(text, start, _letters | CharClass.Number | CharClass.Space);
        return end > start ? SkipLineBreaks(text, end) - at : MatchSpace(text, at);
    }

    // U+017F is an s when case does not matter.
    private static int Contraction(ReadOnlySpan<char> text)
    {
        if (text.Length < 2) return 0;
        if ((char)(text[1] | 0x20) is 's' or 't' or 'm' or 'd' || text[1] == '\u017f') return char.IsAscii(text[1]) || text[1] == '\u017f' ? 2 : 0;
        if (text.Length < 3 || !char.IsAscii(text[1]) || !char.IsAscii(text[2])) return 0;
        return ((char)(text[1] | 0x20), (char)(text[2] | 0x20)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }
}
