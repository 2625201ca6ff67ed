using System.Buffers;
using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>A pair that a BPE joins.</summary>
internal readonly record struct Merge(int Left, int Right, int Rank, int Id);

/// <summary>
/// Byte-pair encoding found from left to right instead of by merging. A sequence of tokens is what merging gives if and only if it is so for every two
/// neighbours alone: the first merge across a border would be done, and in the same place of the order, if there were nothing but the two. So each
/// prefix of a text has one encoding, and the walk tries the longest token first, then its prefixes, and goes back where none fits, at most once from each
/// place: linear in the text, in a bit a byte.
/// </summary>
internal sealed class TokenPath
{
    private const int PairBits = 15, StackBits = 4096, Never = int.MaxValue;

    private readonly MergeTable _table;
    private readonly Token[] _tokens;
    private readonly ByteTrie _trie;

    // Neighbours that were looked at before: the tokens and whether merging joins across their border, in one word, which threads read and write without locks.
    private readonly ulong[] _pairs = new ulong[1 << PairBits];

    private TokenPath(MergeTable table, Token[] tokens, ByteTrie trie) => (_table, _tokens, _trie) = (table, tokens, trie);

    /// <summary>
    /// Makes the walk of a vocabulary, or null where it cannot be done: some token is joined at a lower rank than its parts, so that ranks do not tell
    /// the order of merges; no trained vocabulary is like that.
    /// </summary>
    /// <param name="bytes">The bytes of each token by id; empty for ids without one.</param>
    /// <param name="byteIds">The token of each byte, -1 where there is none.</param>
    /// <param name="table">The pairs.</param>
    /// <param name="merges">The pairs once more.</param>
    public static TokenPath? TryCreate(byte[][] bytes, ReadOnlySpan<int> byteIds, MergeTable table, Merge[] merges)
    {
        if (bytes.Sum(b => (long)b.Length) > ByteTrie.MaxBytes) return null;
        var tokens = new Token[bytes.Length];
        Array.Fill(tokens, new Token { Rank = Unreachable });
        foreach (int id in byteIds)
            if (id >= 0) tokens[id] = new Token { Left = -1, Right = -1, Rank = -1, Length = 1 };
        var path = new TokenPath(table, tokens, new ByteTrie(bytes.Sum(b => b.Length)));

        // Parts before the whole. Several pairs may make a token; at most one of them is how merging gets there.
        int[] lengths = [.. merges.Select(m => bytes[m.Id].Length)];
        Merge[] shortFirst = [.. merges];
        Array.Sort(lengths, shortFirst);
        foreach (Merge merge in shortFirst)
        {
            ref Token whole = ref tokens[merge.Id];
            if (whole.Rank != Unreachable || tokens[merge.Left].Rank == Unreachable || tokens[merge.Right].Rank == Unreachable) continue;
            if (table.Rank(merge.Left, merge.Right, out _) != merge.Rank) continue;
            bool ordered = merge.Rank > Math.Max(tokens[merge.Left].Rank, tokens[merge.Right].Rank);
            if (path.JoinsBelow(merge.Left, merge.Right, ordered ? merge.Rank : Never)) continue;
            if (!ordered) return null;
            whole = new Token { Left = merge.Left, Right = merge.Right, Rank = merge.Rank, Length = bytes[merge.Id].Length };
        }

        path.FillTrie(bytes);
        return path;
    }

    /// <summary>Appends the tokens of a text.</summary>
    /// <returns>How many tokens were tried.</returns>
    public long Encode(ReadOnlySpan<byte> text, List<int> ids)
    {
        int next = _trie.Longest(text), last = -1, first = ids.Count;
        if (_tokens[next].Length == text.Length)
        {
            ids.Add(next);
            return 1;
        }

        // A bit for each place that the walk came back from: no encoding passes there.
        int words = (text.Length / 64) + 1;
        ulong[]? rented = words > StackBits / 64 ? ArrayPool<ulong>.Shared.Rent(words) : null;
        Span<ulong> dead = rented == null ? stackalloc ulong[StackBits / 64] : rented;
        dead = dead[..words];
        dead.Clear();
        long tried = 0;
        for (int at = 0; at < text.Length;)
        {
            tried++;
            ref Token token = ref _tokens[next];
            int end = at + token.Length;
            if ((dead[end >> 6] >> end & 1) == 0 && (last < 0 || !Joins(last, next)))
            {
                ids.Add(next);
                (last, at) = (next, end);
                if (at < text.Length) next = _trie.Longest(text[at..]);
            }
            else if (token.Prefix >= 0)
            {
                next = token.Prefix;
            }
            else
            {
                if (last < 0) throw new InvalidOperationException("bug: a text has no encoding");
                dead[at >> 6] |= 1ul << at;
                at -= _tokens[last].Length;
                next = last;
                ids.RemoveAt(ids.Count - 1);
                last = ids.Count > first ? ids[^1] : -1;
            }
        }

        if (rented != null) ArrayPool<ulong>.Shared.Return(rented);
        return tried;
    }

    private const int Unreachable = -2;

    private const ulong Known = 1ul << 63;

    // Whether merging joins across the border of two tokens, whole or in part.
    private bool Joins(int left, int right)
    {
        // No two tokens are 0: their entries have a bit above both.
        ulong pair = Known | ((ulong)(uint)left << 32) | ((uint)right << 1);
        ref ulong known = ref _pairs[(int)((pair * 0x9E3779B97F4A7C15) >> (64 - PairBits))];
        ulong found = Volatile.Read(ref known);
        if ((found & ~1ul) == pair) return (found & 1) != 0;
        bool joins = _table.Rank(left, right, out _) != Never || JoinsBelow(left, right, Never);
        Volatile.Write(ref known, pair | (joins ? 1ul : 0));
        return joins;
    }

    // The same for the parts alone, while the whole tokens last until `limit`. Backwards in the order of merges: of the two at the border the one that
    // was made later is taken apart. Of equal ranks the left one comes first.
    private bool JoinsBelow(int left, int right, int limit)
    {
        int leftUntil = limit, rightUntil = limit;
        while (true)
        {
            ref Token x = ref _tokens[left], y = ref _tokens[right];
            if (x.Rank > y.Rank) (leftUntil, left) = (x.Rank, x.Right);
            else if (y.Rank >= 0) (rightUntil, right) = (y.Rank, y.Left);
            else return false;
            int rank = _table.Rank(left, right, out _);
            if (rank < leftUntil && rank <= rightUntil) return true;
        }
    }

    private void FillTrie(byte[][] bytes)
    {
        int[] byLength = [.. Enumerable.Range(0, _tokens.Length).Where(id => _tokens[id].Rank != Unreachable)];
        Array.Sort([.. byLength.Select(id => bytes[id].Length)], byLength);
        foreach (int id in byLength)
        {
            // Shorter tokens are in the trie already.
            _tokens[id].Prefix = _trie.Longest(bytes[id]);
            _trie.Add(bytes[id], id);
        }
    }

    /// <summary>How merging makes a token: its last pair and that pair's rank, -1 for a byte. Prefix is the longest token that this one starts with, or -1.</summary>
    [StructLayout(LayoutKind.Auto)]
    private struct Token
    {
        public int Left, Right, Rank, Length, Prefix;
    }
}
