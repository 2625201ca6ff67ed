using System.Buffers;

namespace Tandem.Models;

/// <summary>Finds added tokens in a text, leftmost first and the longest at each place, by a trie over UTF-16 units.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<long, int> _edges = [];
    private readonly List<AddedToken?> _tokens = [null];
    private readonly SearchValues<string> _texts;

    /// <summary>Makes a matcher of tokens and the texts they are found as.</summary>
    public AddedTokenMatcher(IEnumerable<(AddedToken Token, string Text)> tokens)
    {
        var texts = new HashSet<string>();
        foreach ((AddedToken token, string text) in tokens)
        {
            // Nothing is left of a token that the normalizer takes away; it is never found.
            if (text.Length == 0) continue;
            int node = 0;
            texts.Add(text);
            OnlySpecial &= token.Special;
            foreach (char c in text)
            {
                if (!_edges.TryGetValue(Edge(node, c), out int child))
                {
                    child = _edges[Edge(node, c)] = _tokens.Count;
                    _tokens.Add(null);
                }

                node = child;
            }

            _tokens[node] = token;
        }

        _texts = SearchValues.Create([.. texts], StringComparison.Ordinal);
    }

    /// <summary>Whether all of them are special: where those are text, there is nothing to look for.</summary>
    public bool OnlySpecial { get; } = true;

    /// <summary>
    /// The next match in <paramref name="aligned"/> from <paramref name="from"/> on, or null. A special token counts only if none of its characters stands for one in
    /// <paramref name="input"/>, ranges of the original in order.
    /// </summary>
    public AddedToken? Find(AlignedText aligned, int from, ReadOnlySpan<TextSpan> input, out int at, out int length)
    {
        ReadOnlySpan<char> text = aligned.Text;
        for (at = from; at < text.Length; at++)
        {
            int skip = text[at..].IndexOfAny(_texts);
            if (skip < 0) break;
            at += skip;
            if (Longest(aligned, at, input, out length) is { } token) return token;
        }

        at = text.Length;
        length = 0;
        return null;
    }

    private static long Edge(int node, char c) => ((long)node << 16) | c;

    private static bool Touches(ReadOnlySpan<TextSpan> input, int start, int end)
    {
        // The first range that ends behind the start: if it does not begin before the end, none does.
        (int low, int high) = (0, input.Length);
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (input[middle].End <= start) low = middle + 1;
            else high = middle;
        }

        return low < input.Length && input[low].Start < end;
    }

    private AddedToken? Longest(AlignedText aligned, int at, ReadOnlySpan<TextSpan> input, out int length)
    {
        ReadOnlySpan<char> text = aligned.Text;
        AddedToken? longest = null;
        length = 0;
        int node = 0;
        for (int i = at; i < text.Length && _edges.TryGetValue(Edge(node, text[i]), out node); i++)
        {
            if (_tokens[node] is not { } token || (token.Special && !input.IsEmpty && Touches(input, aligned.StartOf(at), aligned.EndOf(i)))) continue;
            longest = token;
            length = i + 1 - at;
        }

        return longest;
    }
}
