using System.Globalization;

namespace Tandem.Models;

/// <summary>
/// Reads the regular expressions of tokenizer files: the syntax of Oniguruma, over code points, with the few forms of fancy-regex that differ in name only.
/// Groups are not captured. What needs a memory of matches (back-references, recursion, conditions) is refused by name.
/// </summary>
internal sealed partial class RegexParser
{
    private const int MaxDepth = 200, MaxLength = 1 << 15, MaxCount = 100_000;

    private readonly string _source;
    private readonly string _place;
    private int _at;
    private int _depth;
    private bool _ignoreCase;
    private bool _dotAll;
    private bool _extended;
    private bool _behind;

    private RegexParser(string source, string place) => (_source, _place) = (source, place);

    private bool AtEnd => _at == _source.Length;

    /// <summary>The tree of an expression.</summary>
    /// <param name="source">The expression.</param>
    /// <param name="place">Where it stands, for errors.</param>
    /// <exception cref="TandemException">It is malformed, or has what is not supported; with the place in it.</exception>
    public static RegexNode Parse(string source, string place)
    {
        if (source.Length > MaxLength) throw new TandemException($"{place}: an expression of {source.Length} characters, wanted at most {MaxLength}");
        var parser = new RegexParser(source, place);
        RegexNode node = parser.ReadAlternatives();
        return parser.AtEnd ? node : throw parser.Malformed(parser._at, "a ')' without '('");
    }

    private TandemException Malformed(int at, string what) => new($"{_place}: {what} at {at} of '{_source}'");

    private TandemException Unsupported(int at, string what) => new($"{_place}: {what} at {at} of '{_source}' is not supported; there are groups, classes, repetitions, anchors, lookahead and lookbehind");

    private char Peek(int ahead = 0) => _at + ahead < _source.Length ? _source[_at + ahead] : '\0';

    private bool Take(string text)
    {
        if (string.CompareOrdinal(_source, _at, text, 0, text.Length) != 0) return false;
        _at += text.Length;
        return true;
    }

    private int TakeCodePoint()
    {
        int codePoint = CharSet.CodePointAt(_source, _at, out int length);
        _at += length;
        return codePoint;
    }

    private RegexNode ReadAlternatives()
    {
        if (++_depth > MaxDepth) throw Malformed(_at, $"more than {MaxDepth} groups inside each other");
        (bool ignoreCase, bool dotAll, bool extended) = (_ignoreCase, _dotAll, _extended);
        var alternatives = new List<RegexNode> { ReadSequence() };
        while (Take("|")) alternatives.Add(ReadSequence());
        (_ignoreCase, _dotAll, _extended) = (ignoreCase, dotAll, extended);
        _depth--;
        return alternatives.Count == 1 ? alternatives[0] : new RegexNode.Alternate(alternatives);
    }

    private RegexNode ReadSequence()
    {
        var items = new List<RegexNode>();
        var literal = new List<int>();
        while (!AtEnd && Peek() is not ('|' or ')'))
        {
            if (_extended && SkipBlank()) continue;
            int start = _at;
            if (ReadAtom(out int character) is { } node)
            {
                Finish();
                items.Add(ReadQuantifiers(node, start));
            }
            else if (character >= 0)
            {
                if (IsQuantifier())
                {
                    Finish();
                    items.Add(ReadQuantifiers(Literal([character]), start));
                }
                else
                {
                    literal.Add(character);
                }
            }
            else
            {
                // Flags for what follows.
                Finish();
            }
        }

        Finish();
        return items.Count == 1 ? items[0] : new RegexNode.Concat(items);

        void Finish()
        {
            if (literal.Count > 0) items.Add(Literal(literal));
            literal.Clear();
        }
    }

    private bool SkipBlank()
    {
        if (char.IsWhiteSpace(Peek()))
        {
            _at++;
            return true;
        }

        if (Peek() != '#') return false;
        while (!AtEnd && Peek() != '\n') _at++;
        return true;
    }

    // Characters one after another; without regard to case one may stand for several and several for one.
    private RegexNode Literal(IReadOnlyList<int> characters)
    {
        if (!_ignoreCase) return characters.Count == 1 ? One(characters[0]) : new RegexNode.Concat([.. characters.Select(One)]);
        int[] folded = [.. characters.SelectMany(CaseFolding.Full)];
        var items = new List<RegexNode>();
        for (int at = 0; at < folded.Length;)
        {
            int length = Math.Min(3, folded.Length - at);
            while (length > 1 && CaseFolding.Joined(folded.AsSpan(at, length)).IsEmpty) length--;
            RegexNode[] each = [.. folded.Skip(at).Take(length).Select(c => new RegexNode.Chars(CaseFolding.Of(c)))];
            var ways = new List<RegexNode> { each.Length == 1 ? each[0] : new RegexNode.Concat(each) };
            for (int joined = length; joined > 1; joined--)
            {
                CodePointSet one = CaseFolding.Joined(folded.AsSpan(at, joined));
                if (!one.IsEmpty) ways.Add(new RegexNode.Concat([new RegexNode.Chars(one), .. each.Skip(joined)]));
            }

            items.Add(ways.Count == 1 ? ways[0] : new RegexNode.Alternate(ways));
            at += length;
        }

        return items.Count == 1 ? items[0] : new RegexNode.Concat(items);
    }

    private static RegexNode One(int character) => new RegexNode.Chars(CodePointSet.One(character));

    // A node, or a character that stands for itself, or neither for flags.
    private RegexNode? ReadAtom(out int character)
    {
        character = -1;
        int start = _at;
        switch (Peek())
        {
            case '(':
                return ReadGroup();
            case '[':
                return new RegexNode.Chars(ReadClass());
            case '\\':
                return ReadEscape(out character);
            case '.':
                _at++;
                return new RegexNode.Chars(_dotAll ? CodePointSet.All : CodePointSet.One('\n').Not());
            case '^':
                _at++;
                return new RegexNode.At(Anchor.LineStart);
            case '$':
                _at++;
                return new RegexNode.At(Anchor.LineEnd);
            case '*' or '+' or '?':
                throw Malformed(start, $"a '{Peek()}' with nothing to repeat");
            default:
                character = TakeCodePoint();
                return null;
        }
    }

    private RegexNode? ReadGroup()
    {
        int start = _at;
        _at++;
        if (!Take("?")) return Peek() == '*' ? throw Unsupported(start, "a callout '(*'") : Inside(start);
        if (Take(":")) return Inside(start);
        if (Take(">")) return _behind ? throw Unsupported(start, "an atomic group inside a lookbehind") : new RegexNode.Atomic(Inside(start));
        if (Take("=")) return Look(start, behind: false, negative: false);
        if (Take("!")) return Look(start, behind: false, negative: true);
        if (Take("<=")) return Look(start, behind: true, negative: false);
        if (Take("<!")) return Look(start, behind: true, negative: true);
        if (Take("#"))
        {
            while (!AtEnd && Peek() != ')') _at++;
            return Take(")") ? null : throw Malformed(start, "a comment without ')'");
        }

        if (Take("P<") || Take("<") || Take("'"))
        {
            char close = _source[_at - 1] == '\'' ? '\'' : '>';
            int end = _source.IndexOf(close, _at);
            if (end <= _at) throw Malformed(start, "a group name without an end");
            _at = end + 1;
            return Inside(start);
        }

        if (Peek() == '(') throw Unsupported(start, "a condition '(?('");
        if (Peek() is 'R' or '&' or '0' || char.IsAsciiDigit(Peek()) || (Peek() == 'P' && Peek(1) is '>' or '=')) throw Unsupported(start, "recursion or a back-reference");
        if (Peek() is '~' or '|' or '{') throw Unsupported(start, $"a group '(?{Peek()}'");
        return ReadFlags(start);
    }

    private RegexNode Inside(int start)
    {
        RegexNode node = ReadAlternatives();
        return Take(")") ? node : throw Malformed(start, "a group without ')'");
    }

    private RegexNode.Look Look(int start, bool behind, bool negative)
    {
        if (_behind) throw Unsupported(start, "lookaround inside a lookbehind");
        _behind = behind;
        RegexNode node = Inside(start);
        _behind = false;
        return new RegexNode.Look(node, behind, negative);
    }

    private RegexNode? ReadFlags(int start)
    {
        (bool ignoreCase, bool dotAll, bool extended) = (_ignoreCase, _dotAll, _extended);
        bool on = true;
        for (; ; _at++)
        {
            switch (Peek())
            {
                case '-': on = false; break;
                case 'i': _ignoreCase = on; break;
                case 'm' or 's': _dotAll = on; break;
                case 'x': _extended = on; break;
                case ')':
                    _at++;
                    return null;
                case ':':
                    _at++;
                    RegexNode node = Inside(start);
                    (_ignoreCase, _dotAll, _extended) = (ignoreCase, dotAll, extended);
                    return node;
                default:
                    throw AtEnd ? Malformed(start, "a group without ')'") : Unsupported(_at, $"the flag '{Peek()}'");
            }
        }
    }

    private bool IsQuantifier() => Peek() is '*' or '+' or '?' || (Peek() == '{' && TryReadBounds(out _, out _, out _));

    private RegexNode ReadQuantifiers(RegexNode node, int start)
    {
        while (!AtEnd)
        {
            if (_extended && SkipBlank()) continue;
            if (Peek() is '*' or '+' or '?')
            {
                (int min, int max) = Peek() switch { '*' => (0, -1), '+' => (1, -1), _ => (0, 1) };
                _at++;
                bool lazy = Take("?");
                node = new RegexNode.Repeat(node, min, max, lazy);
                if (lazy || !Take("+")) continue;
                node = _behind ? throw Unsupported(start, "a possessive repetition inside a lookbehind") : new RegexNode.Atomic(node);
            }
            else if (Peek() == '{' && TryReadBounds(out int min, out int max, out int end))
            {
                if (max >= 0 && max < min) throw Malformed(_at, $"bounds {{{min},{max}}} out of order");
                bool exact = _source.IndexOf(',', _at, end - _at) < 0;
                _at = end;

                // Behind an exact number ? makes the whole optional, and + repeats it: only ?, * and + have possessive forms.
                node = new RegexNode.Repeat(node, min, max, Lazy: !exact && Take("?"));
            }
            else
            {
                break;
            }
        }

        return node;
    }

    // {n}, {n,}, {n,m} and {,m}; anything else is text.
    private bool TryReadBounds(out int min, out int max, out int end)
    {
        (min, max, end) = (0, -1, _source.IndexOf('}', _at) + 1);
        if (end == 0) return false;
        string[] bounds = _source[(_at + 1)..(end - 1)].Split(',');
        if (bounds.Length > 2 || bounds.All(b => b.Length == 0)) return false;
        if (bounds[0].Length > 0 && !TryNumber(bounds[0], out min)) return false;
        if (bounds.Length == 1) max = min;
        else if (bounds[1].Length > 0 && !TryNumber(bounds[1], out max)) return false;
        return Math.Max(min, max) <= MaxCount ? true : throw Malformed(_at, $"a repetition of more than {MaxCount}");
    }

    private static bool TryNumber(string text, out int number)
    {
        number = MaxCount + 1;
        return text.All(char.IsAsciiDigit) && (text.Length > 9 || int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number));
    }
}
