using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Tandem.Models;

/// <summary>The classes of characters that splitting patterns tell apart.</summary>
[Flags]
internal enum CharClass : byte
{
    /// <summary>Controls, unassigned characters, halves of a surrogate pair.</summary>
    Other = 0,

    /// <summary>\p{L}.</summary>
    Letter = 1,

    /// <summary>\p{M}.</summary>
    Mark = 2,

    /// <summary>\p{N}.</summary>
    Number = 4,

    /// <summary>\s: White_Space.</summary>
    Space = 8,

    /// <summary>\p{P}.</summary>
    Punctuation = 16,

    /// <summary>\p{S}.</summary>
    Symbol = 32,

    /// <summary>Half a surrogate pair in the table of the basic plane; no code point has it.</summary>
    Surrogate = 128,
}

/// <summary>Classes of the code points of a UTF-16 text, from a table for the basic plane.</summary>
internal static class CharClasses
{
    private static readonly CharClass[] Plane0 = Build();

    /// <summary>Class of the code point at <paramref name="at"/> and its length in UTF-16 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CharClass At(ReadOnlySpan<char> text, int at, out int length)
    {
        CharClass kind = OfUnit(text[at]);
        length = 1;
        return kind == CharClass.Surrogate ? OfPair(text[at..], out length) : kind;
    }

    /// <summary>Class of the code point that ends at <paramref name="end"/>.</summary>
    public static CharClass Before(ReadOnlySpan<char> text, int end)
    {
        int start = end >= 2 && char.IsLowSurrogate(text[end - 1]) && char.IsHighSurrogate(text[end - 2]) ? end - 2 : end - 1;
        return At(text, start, out _);
    }

    /// <summary>Whether a UTF-16 unit is, or is half of, a code point that may be of a class.</summary>
    public static bool MayBe(char unit, CharClass kind) => (OfUnit(unit) & (kind | CharClass.Surrogate)) != 0;

    /// <summary>End of the run of code points of any of <paramref name="classes"/> that starts at <paramref name="at"/>.</summary>
    public static int RunEnd(ReadOnlySpan<char> text, int at, CharClass classes)
    {
        while (true)
        {
            while ((uint)at < (uint)text.Length && (OfUnit(text[at]) & classes) != 0) at++;
            if (at >= text.Length || OfUnit(text[at]) != CharClass.Surrogate || (OfPair(text[at..], out int length) & classes) == 0) return at;
            at += length;
        }
    }

    /// <summary>The first code point from <paramref name="at"/> on that is of any of <paramref name="classes"/>; the end if there is none.</summary>
    public static int Skip(ReadOnlySpan<char> text, int at, CharClass classes)
    {
        while (true)
        {
            while ((uint)at < (uint)text.Length && (OfUnit(text[at]) & (classes | CharClass.Surrogate)) == 0) at++;
            if (at >= text.Length || OfUnit(text[at]) != CharClass.Surrogate || (OfPair(text[at..], out int length) & classes) != 0) return Math.Min(at, text.Length);
            at += length;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static CharClass OfUnit(char c) => Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Plane0), c);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static CharClass OfPair(ReadOnlySpan<char> text, out int length)
    {
        if (Rune.DecodeFromUtf16(text, out Rune rune, out length) == OperationStatus.Done) return Of(Rune.GetUnicodeCategory(rune));
        length = 1;
        return CharClass.Other;
    }

    private static CharClass[] Build()
    {
        var classes = new CharClass[0x10000];
        for (int c = 0; c < classes.Length; c++)
            classes[c] = char.IsSurrogate((char)c) ? CharClass.Surrogate : char.IsWhiteSpace((char)c) ? CharClass.Space : Of(CharUnicodeInfo.GetUnicodeCategory((char)c));
        return classes;
    }

    private static CharClass Of(UnicodeCategory category) => category switch
    {
        <= UnicodeCategory.OtherLetter => CharClass.Letter,
        <= UnicodeCategory.EnclosingMark => CharClass.Mark,
        <= UnicodeCategory.OtherNumber => CharClass.Number,
        >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation => CharClass.Punctuation,
        >= UnicodeCategory.MathSymbol and <= UnicodeCategory.OtherSymbol => CharClass.Symbol,
        _ => CharClass.Other,
    };
}
