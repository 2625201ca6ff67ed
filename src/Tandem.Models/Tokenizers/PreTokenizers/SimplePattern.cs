using System.Globalization;

namespace Tandem.Models;

/// <summary>
/// Regular expressions that need no search: alternatives of characters and classes one after another, where only the last of an alternative may repeat and
/// those before it may be optional. Such an expression matches in linear time on any text.
/// </summary>
internal sealed class SimplePattern : SplitPattern
{
    // A place where nothing matches costs no more than these.
    private const int MaxOptional = 4, MaxNeeded = 64;

    private readonly Term[][] _alternatives;
    private readonly UnitSet _starts;
    private readonly UnitSet _needed;

    private SimplePattern(string source, Term[][] alternatives)
        : base(source)
    {
        _alternatives = alternatives;

        // Half a pair may be of a character that starts a match.
        _starts = new UnitSet(c => char.IsSurrogate(c) || alternatives.Any(terms => MayStart(terms, c)));
        _needed = new UnitSet(c => char.IsSurrogate(c) || alternatives.Any(terms => terms[^1].Set.Has(c)));
    }

    /// <summary>The pattern of an expression, or null if it is not of this kind.</summary>
    public static SimplePattern? TryParse(string source)
    {
        var alternatives = new List<Term[]>();
        var terms = new List<Term>();
        for (int at = 0; at <= source.Length;)
        {
            if (at == source.Length || source[at] == '|')
            {
                if (!IsSimple(terms)) return null;
                alternatives.Add([.. terms]);
                terms.Clear();
                at++;
                continue;
            }

            if (ReadSet(source, ref at) is not { } set || !ReadCount(source, ref at, out int min, out int max)) return null;
            terms.Add(new Term(set, min, max));
        }

        return new SimplePattern(source, [.. alternatives]);
    }

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        foreach (Term[] terms in _alternatives)
        {
            int end = terms is [{ Max: 1 } first, { Min: 1, Max: int.MaxValue } run] ? MatchRun(text, at, first, run.Set) : Match(text, at, terms);
            if (end > at) return end - at;
        }

        return 0;
    }

    /// <inheritdoc/>
    public override bool MayMatch(char unit) => _needed.Has(unit);

    /// <inheritdoc/>
    protected override int NextStart(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && !_starts.Has(text[at])) at++;
        return at;
    }

    private static bool MayStart(Term[] terms, char c)
    {
        foreach (Term term in terms)
        {
            if (term.Set.Has(c)) return true;
            if (term.Min > 0) return false;
        }

        return false;
    }

    private static bool IsSimple(List<Term> terms) =>
        terms.Count > 0 && terms.SkipLast(1).All(t => t.Max == 1) && terms.Count(t => t.Min == 0) <= MaxOptional && terms[^1].Min is > 0 and <= MaxNeeded;

    // The most common shape: one character, which may be missing, before a run.
    private static int MatchRun(ReadOnlySpan<char> text, int at, in Term first, CharSet run)
    {
        if (first.Set.Has(CharSet.CodePointAt(text, at, out int length)))
        {
            int end = run.RunEnd(text, at + length);
            if (end > at + length) return end;
        }

        return first.Min == 0 ? run.RunEnd(text, at) : at;
    }

    // Longest first: an optional character is tried before its absence.
    private static int Match(ReadOnlySpan<char> text, int at, ReadOnlySpan<Term> terms)
    {
        (CharSet set, int min, int max) = terms[0];
        if (terms.Length > 1)
        {
            if (at < text.Length && set.Has(CharSet.CodePointAt(text, at, out int length)))
            {
                int end = Match(text, at + length, terms[1..]);
                if (end >= 0) return end;
            }

            return min == 0 ? Match(text, at, terms[1..]) : -1;
        }

        if (max == int.MaxValue && min <= 1) return set.RunEnd(text, at) is var run && run - at >= min ? run : -1;
        int count = 0;
        for (; count < max && at < text.Length && set.Has(CharSet.CodePointAt(text, at, out int length)); count++) at += length;
        return count >= min ? at : -1;
    }

    private static CharSet? ReadSet(string source, ref int at)
    {
        var set = new CharSet();
        char c = source[at];
        if (c == '[') return ReadClass(source, ref at);
        if (c == '\\') return ReadEscape(source, ref at, set, out int escaped) ? WithOne(set, escaped) : null;
        if ("()*+?{}^$".Contains(c, StringComparison.Ordinal)) return null;
        if (c == '.')
        {
            at++;
            set.Add('\n', '\n');
            set.Negated = true;
            return set;
        }

        int codePoint = CharSet.CodePointAt(source, at, out int length);
        at += length;
        return WithOne(set, codePoint);
    }

    private static CharSet WithOne(CharSet set, int codePoint)
    {
        if (codePoint >= 0) set.Add(codePoint, codePoint);
        return set;
    }

    // Adds a class to the set, or gives the character that it stands for.
    private static bool ReadEscape(string source, ref int at, CharSet set, out int codePoint)
    {
        codePoint = -1;
        if (at + 1 == source.Length) return false;
        char c = source[at + 1];
        at += 2;
        if (c is 'p' or 'P')
        {
            int close = source.IndexOf('}', at);
            if (close < 0 || source[at] != '{') return false;
            string name = source[(at + 1)..close];
            at = close + 1;
            return set.TryAddCategory(name, others: c == 'P');
        }

        if (set.TryAddShorthand(c)) return true;
        codePoint = c switch { 'n' => '\n', 'r' => '\r', 't' => '\t', 'f' => '\f', 'v' => '\v', _ when char.IsAsciiLetterOrDigit(c) => -1, _ => c };
        return codePoint >= 0;
    }

    private static CharSet? ReadClass(string source, ref int at)
    {
        var set = new CharSet();
        at++;
        if (at < source.Length && source[at] == '^')
        {
            set.Negated = true;
            at++;
        }

        bool any = false;
        while (at < source.Length && source[at] != ']')
        {
            if (source[at] is '[' or '&' || !ReadMember(source, ref at, set, out int first)) return null;
            any = true;
            if (first < 0) continue;
            int last = first;
            if (at + 1 < source.Length && source[at] == '-' && source[at + 1] != ']')
            {
                at++;
                if (!ReadMember(source, ref at, set, out last) || last < first) return null;
            }

            set.Add(first, last);
        }

        at++;
        return any && at <= source.Length ? set : null;
    }

    private static bool ReadMember(string source, ref int at, CharSet set, out int codePoint)
    {
        if (source[at] == '\\') return ReadEscape(source, ref at, set, out codePoint);
        codePoint = CharSet.CodePointAt(source, at, out int length);
        at += length;
        return true;
    }

    // Quantifiers: none, ?, *, + and {m,n}. Behind {1,n} a + repeats the whole; at the end of an alternative ? makes {m,n} take as few as it may.
    private static bool ReadCount(string source, ref int at, out int min, out int max)
    {
        (min, max) = (1, 1);
        if (at == source.Length || source[at] is not ('?' or '+' or '*' or '{')) return true;
        (min, max) = source[at] switch { '?' => (0, 1), '+' => (1, int.MaxValue), '*' => (0, int.MaxValue), _ => (1, 1) };
        if (source[at] == '{')
        {
            int close = source.IndexOf('}', at);
            if (close < 0) return false;
            string[] bounds = source[(at + 1)..close].Split(',');
            if (bounds.Length > 2 || !int.TryParse(bounds[0], NumberStyles.None, CultureInfo.InvariantCulture, out min)) return false;
            max = bounds.Length == 1 ? min : int.MaxValue;
            if (bounds.Length == 2 && bounds[1].Length > 0 && !int.TryParse(bounds[1], NumberStyles.None, CultureInfo.InvariantCulture, out max)) return false;
            if (max < min || max == 0) return false;
            at = close;
            char behind = at + 1 < source.Length ? source[at + 1] : '\0';
            if (behind == '+' && min == 1) (max, at) = (int.MaxValue, at + 1);
            else if (behind == '?' && bounds.Length == 2 && (at + 2 == source.Length || source[at + 2] == '|')) (max, at) = (min, at + 1);
        }

        at++;
        return at == source.Length || source[at] is not ('?' or '+' or '*' or '{');
    }

    private readonly record struct Term(CharSet Set, int Min, int Max);
}
