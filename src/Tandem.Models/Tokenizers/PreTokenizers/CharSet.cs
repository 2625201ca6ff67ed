using System.Buffers;
using System.Globalization;
using System.Text;

namespace Tandem.Models;

/// <summary>Questions about single code points.</summary>
internal static class CharSet
{
    private const uint Punctuations = 0x7Fu << 18;
    private const uint Words = 0xFFu | 3u << 8 | 1u << (int)UnicodeCategory.ConnectorPunctuation;

    /// <summary>Whether a code point is ASCII punctuation or symbol, or punctuation (P) of Unicode: what BERT cuts off.</summary>
    public static bool IsPunctuation(int codePoint) =>
        codePoint < 128 ? char.IsPunctuation((char)codePoint) || char.IsSymbol((char)codePoint) : (Category(codePoint) & Punctuations) != 0;

    /// <summary>\w of UTS 18: letters, marks, digits, letter numbers and connectors, but no other numbers; joiners and the letters among symbols.</summary>
    public static bool IsWord(int codePoint) =>
        (Category(codePoint) & Words) != 0 || codePoint is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);

    /// <summary>The code point at a place; half a surrogate pair is itself.</summary>
    public static int CodePointAt(ReadOnlySpan<char> text, int at, out int length)
    {
        if (Rune.DecodeFromUtf16(text[at..], out Rune rune, out length) == OperationStatus.Done) return rune.Value;
        length = 1;
        return text[at];
    }

    private static uint Category(int codePoint) => 1u << (int)CharUnicodeInfo.GetUnicodeCategory(codePoint);
}
