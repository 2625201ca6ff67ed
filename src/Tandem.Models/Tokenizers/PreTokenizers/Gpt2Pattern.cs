namespace Tandem.Models;

/// <summary>GPT-2's words: contractions in lower case; an optional space with letters, numbers or other characters; white space.</summary>
internal sealed class Gpt2Pattern : SplitPattern
{
    private Gpt2Pattern()
        : base(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    {
    }

    /// <summary>The pattern; it has no state.</summary>
    public static Gpt2Pattern Instance { get; } = new();

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        if (text[at] == '\'' && Contraction(text[at..]) is > 0 and var contraction) return contraction;
        CharClass kind = CharClasses.At(text, at, out int length);
        int end = at + length;
        if (text[at] == ' ' && end < text.Length && CharClasses.At(text, end, out length) is not CharClass.Space and var next) (kind, end) = (next, end + length);
        if (kind == CharClass.Letter || kind == CharClass.Number) return CharClasses.RunEnd(text, end, kind) - at;
        if (kind != CharClass.Space) return CharClasses.Skip(text, end, CharClass.Letter | CharClass.Number | CharClass.Space) - at;

        // White space before a word leaves its last character to it, unless there is only one.
        end = CharClasses.RunEnd(text, end, CharClass.Space);
        return end == text.Length || end - at == 1 ? end - at : end - at - 1;
    }

    private static int Contraction(ReadOnlySpan<char> text)
    {
        if (text.Length < 2) return 0;
        if (text[1] is 's' or 't' or 'm' or 'd') return 2;
        return text.StartsWith("'re", StringComparison.Ordinal) || text.StartsWith("'ve", StringComparison.Ordinal) || text.StartsWith("'ll", StringComparison.Ordinal) ? 3 : 0;
    }
}
