namespace Tandem.Models.Tests.Tokenizers;

/// <summary>The twin of the engine: goes back and tries again, over the same tree, without a bound on time.</summary>
internal sealed class NaiveRegex(RegexNode node)
{
    private int[] _text = [];
    private int _budget;

    /// <summary>Thrown when a pattern takes too long here.</summary>
    public sealed class TooLongException : Exception;

    /// <summary>All matches as (start, end) in code points, as Oniguruma's iteration gives them.</summary>
    public List<(int Start, int End)> FindAll(string text)
    {
        _text = [.. text.EnumerateRunes().Select(r => r.Value)];
        _budget = 200_000;
        var matches = new List<(int, int)>();
        int lastEnd = -1;
        for (int at = 0; at <= _text.Length;)
        {
            int end = -1;
            if (!Match(node, at, e => (end = e) >= 0))
            {
                at++;
                continue;
            }

            if (end > at || lastEnd != at) matches.Add((at, end));
            lastEnd = end;
            at = end > at ? end : at + 1;
        }

        return matches;
    }

    private bool Match(RegexNode part, int at, Func<int, bool> next)
    {
        if (--_budget < 0) throw new TooLongException();
        switch (part)
        {
            case RegexNode.Chars chars:
                return at < _text.Length && chars.Set.Has(_text[at]) && next(at + 1);
            case RegexNode.Concat concat:
                return MatchFrom(concat.Items, 0, at, next);
            case RegexNode.Alternate alternate:
                return alternate.Items.Any(i => Match(i, at, next));
            case RegexNode.Repeat repeat:
                return MatchTimes(repeat, 0, at, next);
            case RegexNode.Atomic atomic:
                int end = -1;
                return Match(atomic.Item, at, e => (end = e) >= 0) && next(end);
            case RegexNode.At anchor:
                return Holds(anchor.Anchor, at) && next(at);
            case RegexNode.Look { Behind: false } look:
                return Match(look.Item, at, _ => true) != look.Negative && next(at);
            case RegexNode.Look look:
                bool found = false;
                for (int start = 0; start <= at && !found; start++) found = Match(look.Item, start, e => e == at);
                return found != look.Negative && next(at);
            default:
                throw new InvalidOperationException(part.GetType().Name);
        }
    }

    private bool MatchFrom(IReadOnlyList<RegexNode> items, int item, int at, Func<int, bool> next) =>
        item == items.Count ? next(at) : Match(items[item], at, e => MatchFrom(items, item + 1, e, next));

    private bool MatchTimes(RegexNode.Repeat repeat, int count, int at, Func<int, bool> next)
    {
        if (count < repeat.Min) return Match(repeat.Item, at, e => MatchTimes(repeat, count + 1, e, next));
        if (repeat.Max >= 0 && count >= repeat.Max) return next(at);

        // An empty turn ends a repetition without a bound.
        bool Turn() => Match(repeat.Item, at, e => e == at && repeat.Max < 0 ? next(e) : MatchTimes(repeat, count + 1, e, next));
        return repeat.Lazy ? next(at) || Turn() : Turn() || next(at);
    }

    private bool Holds(Anchor anchor, int at)
    {
        bool wordBefore = at > 0 && UnicodeSets.Word.Has(_text[at - 1]), wordAfter = at < _text.Length && UnicodeSets.Word.Has(_text[at]);
        return anchor switch
        {
            Anchor.LineStart => at == 0 || (_text[at - 1] == '\n' && at < _text.Length),
            Anchor.LineEnd => at == _text.Length || _text[at] == '\n',
            Anchor.TextStart => at == 0,
            Anchor.TextEnd => at == _text.Length,
            Anchor.WordBorder => wordBefore != wordAfter,
            _ => wordBefore == wordAfter,
        };
    }
}
