using System.Numerics;

namespace Tandem.Models;

/// <summary>Tokens by their bytes, for the longest one that a text starts with: a trie whose edges are in one open hash table.</summary>
internal sealed class ByteTrie
{
    /// <summary>Most bytes of all tokens together: nodes are numbered in 24 bits.</summary>
    public const int MaxBytes = (1 << 24) - 512;

    private const int NodeBits = 24;
    private const uint NodeMask = (1 << NodeBits) - 1, IsToken = 1u << NodeBits;

    // The edge (node and byte) above, below the node it leads to and whether a token ends there; all ones is an empty place.
    private readonly ulong[] _edges;
    private readonly int _shift;
    private readonly int[] _tokens;
    private readonly uint[] _first = new uint[256];

    // Where the first two bytes lead, 0 for nowhere: one place in memory for all characters of a script, and the most frequent edges.
    private readonly uint[] _second = new uint[1 << 16];
    private int _nodes = 1;

    /// <summary>Makes room for tokens of so many bytes together, <see cref="MaxBytes"/> at most.</summary>
    public ByteTrie(int bytes)
    {
        int bits = BitOperations.Log2((uint)Math.Max(16, bytes)) + 2;
        _edges = new ulong[1 << bits];
        Array.Fill(_edges, ulong.MaxValue);
        _shift = 32 - bits;
        _tokens = new int[bytes + 1];
    }

    /// <summary>Adds a token.</summary>
    public void Add(ReadOnlySpan<byte> token, int id)
    {
        uint node = _first[token[0]] & NodeMask;
        if (node == 0) _first[token[0]] = node = (uint)_nodes++;
        if (token.Length == 1) _first[token[0]] |= IsToken;
        for (int i = 1; i < token.Length; i++)
        {
            uint edge = (node << 8) | token[i];
            int at = Slot(edge);
            while (_edges[at] != ulong.MaxValue && (uint)(_edges[at] >> 32) != edge) at = (at + 1) & (_edges.Length - 1);
            if (_edges[at] == ulong.MaxValue) _edges[at] = ((ulong)edge << 32) | (uint)_nodes++;
            if (i + 1 == token.Length) _edges[at] |= IsToken;
            if (i == 1) _second[(token[0] << 8) | token[1]] = (uint)_edges[at];
            node = (uint)_edges[at] & NodeMask;
        }

        _tokens[node] = id;
    }

    /// <summary>The longest token that <paramref name="text"/> starts with, or -1.</summary>
    public int Longest(ReadOnlySpan<byte> text)
    {
        ulong[] edges = _edges;
        uint node = _first[text[0]];
        uint last = (node & IsToken) != 0 ? node & NodeMask : 0;
        if (text.Length == 1) return last == 0 ? -1 : _tokens[last];
        node = _second[(text[0] << 8) | text[1]];
        if ((node & IsToken) != 0) last = node & NodeMask;
        for (int i = 2; i < text.Length && node != 0; i++)
        {
            uint edge = (node << 8) | text[i];
            node = 0;
            for (int at = Slot(edge); ; at++)
            {
                ulong found = edges[at & (edges.Length - 1)];
                if (found == ulong.MaxValue) break;
                if ((uint)(found >> 32) != edge) continue;
                node = (uint)found;
                break;
            }

            if ((node & IsToken) != 0) last = node & NodeMask;
        }

        return last == 0 ? -1 : _tokens[last];
    }

    private int Slot(uint edge) => (int)((edge * 0x9E3779B1) >> _shift);
}
