using System.Globalization;

namespace Tandem.Models;

/// <content>Escapes and classes.</content>
internal sealed partial class RegexParser
{
    private static readonly CodePointSet LineBreaks = CodePointSet.Of([('\n', '\r'), (0x85, 0x85), (0x2028, 0x2029)]);

    private int _member;

    private RegexNode? ReadEscape(out int character)
    {
        int start = _at;
        character = -1;
        switch (Peek(1))
        {
            case 'b': return Anchored(Anchor.WordBorder);
            case 'B': return Anchored(Anchor.NoWordBorder);
            case 'A': return Anchored(Anchor.TextStart);
            case 'z': return Anchored(Anchor.TextEnd);
            case 'Z':
                if (_behind) throw Unsupported(start, "'\\Z' inside a lookbehind");
                _at += 2;
                return new RegexNode.Look(new RegexNode.Concat([new RegexNode.Repeat(One('\n'), 0, 1, Lazy: false), new RegexNode.At(Anchor.TextEnd)]), Behind: false, Negative: false);
            case 'R':
                _at += 2;
                RegexNode lines = new RegexNode.Alternate([new RegexNode.Concat([One('\r'), One('\n')]), new RegexNode.Chars(LineBreaks)]);
                return _behind ? lines : new RegexNode.Atomic(lines);
            case >= '1' and <= '9' or 'k': throw Unsupported(start, "a back-reference");
            case 'g': throw Unsupported(start, "recursion '\\g'");
            case 'G' or 'K' or 'X' or 'y' or 'Y': throw Unsupported(start, $"'\\{Peek(1)}'");
            default:
                CodePointSet? set = ReadSet(out character);
                return set == null ? null : new RegexNode.Chars(set);
        }

        RegexNode Anchored(Anchor anchor)
        {
            _at += 2;
            return new RegexNode.At(anchor);
        }
    }

    // What stands behind a backslash in a class and outside: a set, or a character.
    private CodePointSet? ReadSet(out int character)
    {
        int start = _at;
        _at++;
        if (AtEnd) throw Malformed(start, "a '\\' with nothing behind it");
        character = -1;
        int letter = TakeCodePoint();
        switch (letter)
        {
            case 'd': return UnicodeSets.Digit;
            case 'D': return UnicodeSets.Digit.Not();
            case 's': return UnicodeSets.Space;
            case 'S': return UnicodeSets.Space.Not();
            case 'w': return UnicodeSets.Word;
            case 'W': return UnicodeSets.Word.Not();
            case 'h': return UnicodeSets.HexDigit;
            case 'H': return UnicodeSets.HexDigit.Not();
            case 'N': return CodePointSet.One('\n').Not();
            case 'O': return CodePointSet.All;
            case 'p' or 'P': return ReadProperty(start, letter == 'P');
        }

        character = letter switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\f',
            'v' => '\v',
            'a' => '\a',
            'e' => 0x1B,
            '0' => ReadDigits(start, 0, 2, 8),
            'x' when Take("{") => ReadBraced(start),
            'x' => ReadDigits(start, 1, 2, 16),
            'u' when Take("{") => ReadBraced(start),
            'u' => ReadDigits(start, 4, 4, 16),
            _ when letter < 128 && char.IsAsciiLetterOrDigit((char)letter) => throw Unsupported(start, $"'\\{(char)letter}'"),
            _ => letter,
        };
        return null;
    }

    private int ReadDigits(int start, int least, int most, int radix)
    {
        int value = 0, count = 0;
        for (; count < most && char.IsAsciiHexDigit(Peek()) && Convert.ToInt32(Peek().ToString(), 16) < radix; count++, _at++)
            value = (value * radix) + Convert.ToInt32(Peek().ToString(), 16);
        return count >= least ? value : throw Malformed(start, "a code point without its digits");
    }

    private int ReadBraced(int start)
    {
        int end = _source.IndexOf('}', _at);
        if (end < 0 || !int.TryParse(_source.AsSpan(_at, end - _at), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) || value is < 0 or >= CodePointSet.End)
            throw Malformed(start, "a code point that is none");
        _at = end + 1;
        return value;
    }

    private CodePointSet ReadProperty(int start, bool others)
    {
        string name;
        if (Take("{"))
        {
            int end = _source.IndexOf('}', _at);
            if (end < 0) throw Malformed(start, "a property without '}'");
            name = _source[_at..end];
            _at = end + 1;
            if (name.StartsWith('^')) (name, others) = (name[1..], !others);
        }
        else
        {
            name = AtEnd ? "" : _source[_at++].ToString();
        }

        // Scripts and categories may be given with the name of the property that they are of.
        foreach (string prefix in (string[])["Script=", "sc=", "General_Category=", "gc="])
            if (name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)) name = name[prefix.Length..];
        CodePointSet set = UnicodeSets.Find(name) ?? throw new TandemException($"{_place}: the property '{name}' at {start} of '{_source}' is not supported; there are general categories, scripts and POSIX brackets");
        return others ? set.Not() : set;
    }

    private CodePointSet ReadClass()
    {
        int start = _at++;
        if (++_depth > MaxDepth) throw Malformed(start, $"more than {MaxDepth} groups inside each other");
        bool negated = Take("^");
        CodePointSet? both = null;
        var ranges = new List<(int, int)>();
        CodePointSet set = CodePointSet.Empty;
        for (bool first = true; ; first = false)
        {
            if (AtEnd) throw Malformed(start, "a class without ']'");
            if (Peek() == ']' && !(first && _source.IndexOf(']', _at + 1) > 0))
            {
                if (first) throw Malformed(start, "an empty class");
                break;
            }

            if (Take("&&"))
            {
                both = Meet(Gathered());
                ranges.Clear();
                set = CodePointSet.Empty;
                continue;
            }

            if (ReadMember() is { } member) set = set.Or(member);
            else ReadRange(ranges);
        }

        _at++;
        _depth--;
        set = Meet(Gathered());
        return negated ? set.Not() : set;

        CodePointSet Gathered()
        {
            CodePointSet all = set.Or(CodePointSet.Of(ranges));
            return _ignoreCase ? CaseFolding.Of(all) : all;
        }

        CodePointSet Meet(CodePointSet all) => both == null ? all : both.And(all);
    }

    // A set in a class; or null, and its next character is _member.
    private CodePointSet? ReadMember()
    {
        int start = _at;
        if (Take("[:"))
        {
            int end = _source.IndexOf(":]", _at, StringComparison.Ordinal);
            string name = end < 0 ? "" : _source[_at..end].TrimStart('^');
            if (end >= 0 && name.All(char.IsAsciiLetter) && UnicodeSets.Find(name) is { } set)
            {
                bool others = Peek() == '^';
                _at = end + 2;
                return others ? set.Not() : set;
            }

            _at = start;
        }

        if (Peek() == '[') return ReadClass();
        if (Peek() == '\\')
        {
            if (Peek(1) == 'b')
            {
                _at += 2;
                _member = '\b';
                return null;
            }

            return ReadSet(out _member);
        }

        _member = TakeCodePoint();
        return null;
    }

    private void ReadRange(List<(int, int)> ranges)
    {
        int first = _member, start = _at;
        if (Peek() == '-' && Peek(1) is not (']' or '\0') && !(Peek(1) == '&' && Peek(2) == '&') && Peek(1) != '[')
        {
            _at++;
            if (ReadMember() is { } set)
            {
                // A set cannot end a range: the hyphen is itself.
                ranges.Add(('-', '-'));
                ranges.Add((first, first));
                ranges.AddRange(set.Ranges());
                return;
            }

            if (_member < first) throw Malformed(start, "a range that ends before it starts");
            ranges.Add((first, _member));
            return;
        }

        ranges.Add((first, first));
    }
}
