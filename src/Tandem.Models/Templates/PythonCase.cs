using System.Globalization;
using System.Text;

namespace Tandem.Models;

/// <summary>Upper and lower case as Python has them, where one character may become several.</summary>
internal static class PythonCase
{
    /// <summary>Characters whose upper case is longer than one, from Unicode's SpecialCasing; Greek letters with iota subscript keep their simple mapping.</summary>
    private static readonly Dictionary<char, string> Longer = new()
    {
        ['\u00DF'] = "SS",
        ['\u0149'] = "\u02BCN",
        ['\u01F0'] = "J\u030C",
        ['\u0390'] = "\u0399\u0308\u0301",
        ['\u03B0'] = "\u03A5\u0308\u0301",
        ['\u0587'] = "\u0535\u0552",
        ['\u1E96'] = "H\u0331",
        ['\u1E97'] = "T\u0308",
        ['\u1E98'] = "W\u030A",
        ['\u1E99'] = "Y\u030A",
        ['\u1E9A'] = "A\u02BE",
        ['\uFB00'] = "FF",
        ['\uFB01'] = "FI",
        ['\uFB02'] = "FL",
        ['\uFB03'] = "FFI",
        ['\uFB04'] = "FFL",
        ['\uFB05'] = "ST",
        ['\uFB06'] = "ST",
    };

    public static string Upper(string text)
    {
        string upper = text.ToUpperInvariant();
        if (!upper.Any(Longer.ContainsKey))
            return upper;
        return string.Concat(upper.Select(x => Longer.TryGetValue(x, out string? longer) ? longer : x.ToString()));
    }

    public static string Lower(string text)
    {
        string lower = text.ToLowerInvariant();
        if (text.AsSpan().IndexOfAny('\u0130', '\u03A3') < 0)
            return lower;
        var result = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\u0130')
                result.Append("i\u0307");
            else if (text[i] == '\u03A3')
                result.Append(i > 0 && char.IsLetter(text[i - 1]) && !(i + 1 < text.Length && char.IsLetter(text[i + 1])) ? '\u03C2' : '\u03C3');
            else
                result.Append(lower[i]);
        }

        return result.ToString();
    }

    /// <summary>The first character in upper case, the rest in lower case.</summary>
    public static string Capitalize(string text)
    {
        int first = text.Length > 1 && char.IsSurrogatePair(text[0], text[1]) ? 2 : Math.Min(1, text.Length);
        string upper = Upper(text[..first]);
        return (upper.Length > first ? upper[0] + Lower(upper[1..]) : upper) + Lower(text[first..]);
    }

    /// <summary>Every run of letters capitalized.</summary>
    public static string Title(string text)
    {
        var result = new StringBuilder();
        for (int i = 0; i < text.Length;)
        {
            int end = i;
            while (end < text.Length && char.IsLetter(text[end]))
                end++;
            result.Append(end > i ? Capitalize(text[i..end]) : text[end++].ToString());
            i = end;
        }

        return result.ToString();
    }

    public static string Swap(string text) => string.Concat(text.Select(x => char.IsUpper(x) ? Lower(x.ToString()) : char.IsLower(x) ? Upper(x.ToString()) : x.ToString()));

    public static bool IsLower(string text) => text.Any(char.IsLower) && !text.Any(x => char.IsUpper(x) || CharUnicodeInfo.GetUnicodeCategory(x) == UnicodeCategory.TitlecaseLetter);

    public static bool IsUpper(string text) => text.Any(char.IsUpper) && !text.Any(x => char.IsLower(x) || CharUnicodeInfo.GetUnicodeCategory(x) == UnicodeCategory.TitlecaseLetter);
}
