using System.Globalization;

namespace Tandem.Models;

/// <summary>Sets of code points by their Unicode names: general categories and POSIX brackets from .NET's data, scripts from <see cref="ScriptData"/>.</summary>
internal static class UnicodeSets
{
    private static readonly string[] Categories =
    [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn",
    ];

    private static readonly (string Long, string Short)[] LongNames =
    [
        ("Letter", "L"), ("UppercaseLetter", "Lu"), ("LowercaseLetter", "Ll"), ("TitlecaseLetter", "Lt"), ("ModifierLetter", "Lm"), ("OtherLetter", "Lo"),
        ("Mark", "M"), ("NonspacingMark", "Mn"), ("SpacingMark", "Mc"), ("EnclosingMark", "Me"), ("Number", "N"), ("DecimalNumber", "Nd"), ("LetterNumber", "Nl"), ("OtherNumber", "No"),
        ("Separator", "Z"), ("SpaceSeparator", "Zs"), ("LineSeparator", "Zl"), ("ParagraphSeparator", "Zp"), ("Other", "C"), ("Control", "Cc"), ("Format", "Cf"), ("Surrogate", "Cs"),
        ("PrivateUse", "Co"), ("Unassigned", "Cn"), ("Punctuation", "P"), ("ConnectorPunctuation", "Pc"), ("DashPunctuation", "Pd"), ("OpenPunctuation", "Ps"), ("ClosePunctuation", "Pe"),
        ("InitialPunctuation", "Pi"), ("FinalPunctuation", "Pf"), ("OtherPunctuation", "Po"), ("Symbol", "S"), ("MathSymbol", "Sm"), ("CurrencySymbol", "Sc"), ("ModifierSymbol", "Sk"), ("OtherSymbol", "So"),
    ];

    private static readonly Lazy<Dictionary<string, CodePointSet>> Named = new(MakeNamed);

    /// <summary>\s: White_Space.</summary>
    public static CodePointSet Space { get; } = CodePointSet.Of(Enumerable.Range(0, char.MaxValue + 1).Where(c => char.IsWhiteSpace((char)c)).Select(c => (c, c)));

    /// <summary>\w: letters, marks, numbers and connectors.</summary>
    public static CodePointSet Word => Named.Value["word"];

    /// <summary>\d: decimal digits of all scripts.</summary>
    public static CodePointSet Digit => Named.Value["nd"];

    /// <summary>\h: hexadecimal digits of ASCII.</summary>
    public static CodePointSet HexDigit { get; } = CodePointSet.Of([('0', '9'), ('A', 'F'), ('a', 'f')]);

    /// <summary>The set of a name in any case, with or without spaces, hyphens and underscores; null for a name that is not known.</summary>
    public static CodePointSet? Find(string name) => Named.Value.GetValueOrDefault(Plain(name));

    /// <summary>The script of each code point that has one, by its number.</summary>
    public static IReadOnlyList<(string Name, CodePointSet Set)> Scripts { get; } = Read(ScriptData.Scripts).Select(s => (s.Names[0], s.Set)).ToArray();

    private static string Plain(string name) => string.Concat(name.Where(c => c is not (' ' or '-' or '_'))).ToLowerInvariant();

    private static Dictionary<string, CodePointSet> MakeNamed()
    {
        var ranges = new List<(int, int)>[Categories.Length];
        for (int i = 0; i < ranges.Length; i++) ranges[i] = [];
        for (int first = 0, next; first < CodePointSet.End; first = next)
        {
            UnicodeCategory category = CharUnicodeInfo.GetUnicodeCategory(first);
            for (next = first + 1; next < CodePointSet.End && CharUnicodeInfo.GetUnicodeCategory(next) == category;) next++;
            ranges[(int)category].Add((first, next - 1));
        }

        var sets = new Dictionary<string, CodePointSet>(StringComparer.Ordinal);
        for (int i = 0; i < ranges.Length; i++) sets.Add(Plain(Categories[i]), CodePointSet.Of(ranges[i]));
        foreach (IGrouping<char, string> group in Categories.GroupBy(c => c[0])) sets.Add(Plain(group.Key.ToString()), Union(sets, [.. group]));
        sets.Add("lc", Union(sets, "lu", "ll", "lt"));
        foreach ((string name, string code) in LongNames) sets.Add(Plain(name), sets[Plain(code)]);
        foreach ((string[] names, CodePointSet set) in Read(ScriptData.Scripts))
            foreach (string name in names) sets.Add(Plain(name), set);
        AddDerived(sets, Read(ScriptData.Others).ToDictionary(o => o.Names[0], o => o.Set));
        return sets;
    }

    private static void AddDerived(Dictionary<string, CodePointSet> sets, Dictionary<string, CodePointSet> others)
    {
        CodePointSet ascii = CodePointSet.Range(0, 0x7F), symbols = CodePointSet.Of("$+<=>^`|~".Select(c => ((int)c, (int)c)));
        CodePointSet visible = Space.Or(Union(sets, "cc", "cn", "cs")).Not();
        sets["any"] = CodePointSet.All;
        sets["assigned"] = sets["cn"].Not();
        sets["ascii"] = ascii;
        sets["whitespace"] = sets["space"] = Space;
        sets["word"] = Union(sets, "l", "m", "n", "pc");
        sets["alphabetic"] = sets["alpha"] = Union(sets, "l", "nl").Or(others["OtherAlphabetic"]);
        sets["lowercase"] = sets["lower"] = sets["ll"].Or(others["OtherLowercase"]);
        sets["uppercase"] = sets["upper"] = sets["lu"].Or(others["OtherUppercase"]);
        sets["digit"] = sets["nd"];
        sets["alnum"] = sets["alpha"].Or(sets["nd"]);
        sets["blank"] = sets["zs"].Or(CodePointSet.One('\t'));
        sets["cntrl"] = sets["cc"];
        sets["graph"] = visible;
        sets["print"] = visible.Or(sets["zs"]);
        sets["punct"] = sets["p"].Or(symbols);
        sets["xdigit"] = HexDigit;
    }

    private static CodePointSet Union(Dictionary<string, CodePointSet> sets, params string[] names) => names.Aggregate(CodePointSet.Empty, (all, name) => all.Or(sets[Plain(name)]));

    private static IEnumerable<(string[] Names, CodePointSet Set)> Read(string data)
    {
        var names = new List<string>();
        var ranges = new List<(int, int)>();
        foreach (string word in data.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries))
        {
            // A name comes after ranges, and the last one of several ends with a colon.
            if (char.IsAsciiLetter(word[^1]) && !word.All(c => char.IsAsciiHexDigitUpper(c) || c == '-'))
            {
                if (ranges.Count > 0) yield return Take();
                names.Add(word);
            }
            else if (word[^1] == ':')
            {
                if (ranges.Count > 0) yield return Take();
                names.Add(word[..^1]);
            }
            else
            {
                string[] ends = word.Split('-');
                ranges.Add((Hex(ends[0]), Hex(ends[^1])));
            }
        }

        yield return Take();

        (string[], CodePointSet) Take()
        {
            (string[], CodePointSet) taken = ([.. names], CodePointSet.Of(ranges));
            names.Clear();
            ranges.Clear();
            return taken;
        }
    }

    private static int Hex(string digits) => int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
