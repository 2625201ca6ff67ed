namespace Tandem.Models;

/// <summary>Pieces by their UTF-16 units, for finding those that a text starts with.</summary>
internal sealed class PieceTrie
{
    /// <summary>The node of the empty text.</summary>
    public const int Root = 0;

    private readonly Dictionary<long, int> _edges = [];
    private readonly List<int> _ids = [-1];

    /// <summary>Makes a trie.</summary>
    public PieceTrie(IEnumerable<(int Id, string Text)> pieces)
    {
        foreach ((int id, string text) in pieces)
        {
            if (text.Length == 0) continue;
            int node = Root;
            foreach (char c in text)
            {
                if (!_edges.TryGetValue(Edge(node, c), out int child))
                {
                    child = _edges[Edge(node, c)] = _ids.Count;
                    _ids.Add(-1);
                }

                node = child;
            }

            _ids[node] = id;
        }
    }

    /// <summary>Whether there is nothing to find.</summary>
    public bool IsEmpty => _edges.Count == 0;

    /// <summary>Goes on by a unit.</summary>
    public bool TryStep(ref int node, char c) => _edges.TryGetValue(Edge(node, c), out node);

    /// <summary>The piece that ends in a node, or -1.</summary>
    public int IdOf(int node) => _ids[node];

    /// <summary>The longest piece that the text starts with, or -1.</summary>
    public int Longest(ReadOnlySpan<char> text, out int length)
    {
        int found = -1, node = Root;
        length = 0;
        for (int i = 0; i < text.Length && !IsEmpty && TryStep(ref node, text[i]); i++)
        {
            if (_ids[node] < 0) continue;
            found = _ids[node];
            length = i + 1;
        }

        return found;
    }

    private static long Edge(int node, char c) => ((long)node << 16) | c;
}
