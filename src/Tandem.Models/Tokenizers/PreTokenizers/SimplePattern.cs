namespace Tandem.Models;

/// <summary>
/// Expressions that need no search: alternatives of characters and classes one after another, where only the last of an alternative may repeat and those
/// before it may be optional. Such an expression matches in linear time on any text, in one run from the start.
/// </summary>
internal sealed class SimplePattern : SplitPattern
{
    // A place where nothing matches costs no more than these.
    private const int MaxOptional = 4, MaxNeeded = 64;

    private readonly Term[][] _alternatives;
    private readonly UnitSet _starts;
    private readonly UnitSet _needed;

    private SimplePattern(string source, RegexNode expression, Term[][] alternatives)
        : base(source)
    {
        _alternatives = alternatives;
        RunCut = RunCut.TryRead(expression);

        // Half a pair may be of a character that starts a match.
        _starts = new UnitSet(c => char.IsSurrogate(c) || alternatives.Any(terms => MayStart(terms, c)));
        _needed = new UnitSet(c => char.IsSurrogate(c) || alternatives.Any(terms => terms[^1].Set.Has(c)));
    }

    /// <inheritdoc/>
    public override RunCut? RunCut { get; }

    /// <summary>The pattern of an expression, or null if it is not of this kind.</summary>
    public static SimplePattern? TryMake(string source, RegexNode expression)
    {
        IReadOnlyList<RegexNode> alternatives = expression is RegexNode.Alternate either ? either.Items : [expression];
        var terms = new Term[alternatives.Count][];
        for (int i = 0; i < terms.Length; i++)
        {
            Term?[] read = [.. (alternatives[i] is RegexNode.Concat concat ? concat.Items : [alternatives[i]]).Select(Read)];
            if (read.Length == 0 || read.Contains(null)) return null;
            terms[i] = [.. read.OfType<Term>()];
            if (!IsSimple(terms[i])) return null;
        }

        return new SimplePattern(source, expression, terms);
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

    private static Term? Read(RegexNode node) => node switch
    {
        RegexNode.Chars chars => new Term(new RunSet(chars.Set), 1, 1),
        RegexNode.Repeat { Item: RegexNode.Chars chars, Lazy: false } repeat => new Term(new RunSet(chars.Set), repeat.Min, repeat.Max < 0 ? int.MaxValue : repeat.Max),
        _ => null,
    };

    private static bool MayStart(Term[] terms, char c)
    {
        foreach (Term term in terms)
        {
            if (term.Set.Has(c)) return true;
            if (term.Min > 0) return false;
        }

        return false;
    }

    private static bool IsSimple(Term[] terms) =>
        terms.SkipLast(1).All(t => t.Max == 1) && terms.Count(t => t.Min == 0) <= MaxOptional && terms[^1].Min is > 0 and <= MaxNeeded && terms[^1].Max > 0;

    // The most common shape: one character, which may be missing, before a run.
    private static int MatchRun(ReadOnlySpan<char> text, int at, Term first, RunSet run)
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
        (RunSet set, int min, int max) = terms[0];
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

    private sealed record Term(RunSet Set, int Min, int Max);

    /// <summary>A set of code points that is asked for runs.</summary>
    private sealed class RunSet(CodePointSet set)
    {
        private readonly UnitSet _units = new(c => set.Has(c));

        // Without halves of pairs, which are to be looked at as a pair.
        private readonly UnitSet _plain = new(c => !char.IsSurrogate(c) && set.Has(c));

        public bool Has(int codePoint) => codePoint <= char.MaxValue ? _units.Has((char)codePoint) : set.Has(codePoint);

        public int RunEnd(ReadOnlySpan<char> text, int at)
        {
            while (true)
            {
                at = _plain.RunEnd(text, at);
                if (at == text.Length || !char.IsSurrogate(text[at]) || !Has(CharSet.CodePointAt(text, at, out int length))) return at;
                at += length;
            }
        }
    }
}
