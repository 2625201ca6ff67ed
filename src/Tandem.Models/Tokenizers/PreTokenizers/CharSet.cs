using System.Buffers;
using System.Globalization;
using System.Text;

namespace Tandem.Models;

/// <summary>A set of code points: ranges and Unicode categories, or all but those.</summary>
internal sealed class CharSet
{
    private const uint Letters = 0x1F, Marks = 7u << 5, Punctuations = 0x7Fu << 18;
    private const uint DecimalNumbers = 1u << (int)UnicodeCategory.DecimalDigitNumber, Numbers = 7u << 8;
    private const uint Connectors = 1u << (int)UnicodeCategory.ConnectorPunctuation;

    private readonly List<(int First, int Last)> _ranges = [];
    private readonly UnitSet _units;

    // Without halves of pairs, which are to be looked at as a pair.
    private readonly UnitSet _plain;
    private uint _categories;
    private uint _otherCategories;
    private bool _spaces;
    private bool _notSpaces;

    /// <summary>Whether it is all but what was added.</summary>
    public bool Negated { get; set; }

    /// <summary>Makes an empty set.</summary>
    public CharSet()
    {
        _units = new UnitSet(c => Contains(c));
        _plain = new UnitSet(c => !char.IsSurrogate(c) && Contains(c));
    }

    /// <summary>Whether a code point is in the set, which does not change any more.</summary>
    public bool Has(int codePoint) => codePoint <= char.MaxValue ? _units.Has((char)codePoint) : Contains(codePoint);

    /// <summary>End of the run of code points of the set that starts at <paramref name="at"/>.</summary>
    public int RunEnd(ReadOnlySpan<char> text, int at)
    {
        while (true)
        {
            at = _plain.RunEnd(text, at);
            if (at == text.Length || !char.IsSurrogate(text[at]) || !Has(CodePointAt(text, at, out int length))) return at;
            at += length;
        }
    }

    private bool Contains(int codePoint)
    {
        foreach ((int first, int last) in _ranges)
            if (codePoint >= first && codePoint <= last) return !Negated;
        uint category = 1u << (int)CharUnicodeInfo.GetUnicodeCategory(codePoint);
        bool space = codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint);
        bool has = (category & _categories) != 0 || (_otherCategories != 0 && (category & _otherCategories) == 0) || (space ? _spaces : _notSpaces);
        return has != Negated;
    }

    /// <summary>Adds a range.</summary>
    public void Add(int first, int last) => _ranges.Add((first, last));

    /// <summary>Adds what a letter after a backslash stands for: d, s, w and h, and the capitals for all others.</summary>
    public bool TryAddShorthand(char letter)
    {
        switch (letter)
        {
            case 'd': _categories |= DecimalNumbers; return true;
            case 'D': return TryAddOthers(DecimalNumbers);
            case 's': return _spaces = true;
            case 'S': return _notSpaces = true;
            case 'w': _categories |= Letters | Marks | Numbers | Connectors; return true;
            case 'W': return TryAddOthers(Letters | Marks | Numbers | Connectors);
            case 'h':
                Add('0', '9');
                Add('A', 'F');
                Add('a', 'f');
                return true;
            default: return false;
        }
    }

    /// <summary>Adds a general category by its name, such as L or Lu.</summary>
    public bool TryAddCategory(string name, bool others)
    {
        string[] names = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn"];
        uint mask = 0;
        for (int i = 0; i < names.Length; i++)
            if (name.Length is 1 or 2 && names[i].StartsWith(name, StringComparison.Ordinal)) mask |= 1u << i;
        if (mask == 0) return false;
        if (others) return TryAddOthers(mask);
        _categories |= mask;
        return true;
    }

    /// <summary>Whether a code point is ASCII punctuation or symbol, or punctuation (P) of Unicode: what BERT cuts off.</summary>
    public static bool IsPunctuation(int codePoint) =>
        codePoint < 128 ? char.IsPunctuation((char)codePoint) || char.IsSymbol((char)codePoint) : (1u << (int)CharUnicodeInfo.GetUnicodeCategory(codePoint) & Punctuations) != 0;

    /// <summary>The code point at a place; half a surrogate pair is itself.</summary>
    public static int CodePointAt(ReadOnlySpan<char> text, int at, out int length)
    {
        length = 1;
        if (!char.IsSurrogate(text[at])) return text[at];
        if (Rune.DecodeFromUtf16(text[at..], out Rune rune, out length) == OperationStatus.Done) return rune.Value;
        length = 1;
        return text[at];
    }

    // One such mask only: two of them together would be everything.
    private bool TryAddOthers(uint mask)
    {
        if (_otherCategories != 0) return false;
        _otherCategories = mask;
        return true;
    }
}
