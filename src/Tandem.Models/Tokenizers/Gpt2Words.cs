using System.Globalization;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Cuts a text into words as GPT-2's regular expression does, in one pass: contractions; an optional space with letters, digits or other characters;
/// runs of white space, of which the last character is left to the next word.
/// </summary>
internal static class Gpt2Words
{
    private enum Kind
    {
        Space,
        Letter,
        Number,
        Other,
    }

    /// <summary>Length in UTF-16 units of the word that starts the text; 0 only for an empty text.</summary>
    public static int Next(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty) return 0;
        int contraction = Contraction(text);
        if (contraction > 0) return contraction;
        int start = text[0] == ' ' && text.Length > 1 && KindAt(text, 1, out _) != Kind.Space ? 1 : 0;
        Kind kind = KindAt(text, start, out int length);
        int end = start + length;
        while (end < text.Length && KindAt(text, end, out length) == kind) end += length;
        if (kind != Kind.Space || end == text.Length) return end;

        // White space before a word leaves its last character to it, unless there is only one.
        return end > 1 ? end - 1 : end;
    }

    private static int Contraction(ReadOnlySpan<char> text)
    {
        if (text[0] != '\'' || text.Length < 2) return 0;
        if (text[1] is 's' or 't' or 'm' or 'd') return 2;
        return text.StartsWith("'re", StringComparison.Ordinal) || text.StartsWith("'ve", StringComparison.Ordinal) || text.StartsWith("'ll", StringComparison.Ordinal) ? 3 : 0;
    }

    private static Kind KindAt(ReadOnlySpan<char> text, int index, out int length)
    {
        char c = text[index];
        length = 1;
        if (c < 128)
        {
            return char.IsAsciiLetter(c) ? Kind.Letter : char.IsAsciiDigit(c) ? Kind.Number : c is ' ' or (>= '\t' and <= '\r') ? Kind.Space : Kind.Other;
        }

        if (Rune.DecodeFromUtf16(text[index..], out Rune rune, out length) != System.Buffers.OperationStatus.Done)
        {
            length = 1;
            return Kind.Other;
        }

        if (Rune.IsWhiteSpace(rune)) return Kind.Space;
        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Kind.Other,
        };
    }
}
