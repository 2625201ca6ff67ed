namespace Tandem.Models;

/// <summary>GPT-2's words: contractions in lower case; an optional space with letters, numbers or other characters; white space.</summary>
internal sealed class Gpt2Pattern : SplitPattern
{
    private const CharClass Others = ~(CharClass.Letter | CharClass.Number | CharClass.Space);

    private Gpt2Pattern()
        : base(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    {
    }

    /// <summary>The pattern; it has no state.</summary>
    public static Gpt2Pattern Instance { get; } = new();

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        int contraction = Contraction(text[at..]);
        if (contraction > 0) return contraction;
        int start = text[at] == ' ' && at + 1 < text.Length && CharClasses.At(text, at + 1, out _) != CharClass.Space ? at + 1 : at;
        CharClass kind = Kind(CharClasses.At(text, start, out int length));
        int end = start + length;
        while (end < text.Length && Kind(CharClasses.At(text, end, out length)) == kind) end += length;

        // White space before a word leaves its last character to it, unless there is only one.
        return kind != CharClass.Space || end == text.Length || end - at == 1 ? end - at : end - at - 1;
    }

    private static CharClass Kind(CharClass c) => (c & Others) != 0 ? CharClass.Other : c;

    private static int Contraction(ReadOnlySpan<char> text)
    {
        if (text[0] != '\'' || text.Length < 2) return 0;
        if (text[1] is 's' or 't' or 'm' or 'd') return 2;
        return text.StartsWith("'re", StringComparison.Ordinal) || text.StartsWith("'ve", StringComparison.Ordinal) || text.StartsWith("'ll", StringComparison.Ordinal) ? 3 : 0;
    }
}
