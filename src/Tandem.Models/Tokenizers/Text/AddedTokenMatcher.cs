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

    /// <summary>The next match in <paramref name="text"/> from <paramref name="from"/> on, or null.</summary>
    public AddedToken? Find(ReadOnlySpan<char> text, int from, out int at, out int length)
    {
        int skip = from < text.Length ? text[from..].IndexOfAny(_texts) : -1;
        at = skip < 0 ? text.Length : from + skip;
        return Longest(text, at, out length);
    }

    private static long Edge(int node, char c) => ((long)node << 16) | c;

    private AddedToken? Longest(ReadOnlySpan<char> text, int at, out int length)
    {
        AddedToken? longest = null;
        length = 0;
        int node = 0;
        for (int i = at; i < text.Length && _edges.TryGetValue(Edge(node, text[i]), out node); i++)
        {
            if (_tokens[node] is not { } token) continue;
            longest = token;
            length = i + 1 - at;
        }

        return longest;
    }
}
