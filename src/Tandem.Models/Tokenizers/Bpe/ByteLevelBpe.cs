using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Byte-pair encoding over bytes (Sennrich et al., 2016; Radford et al., 2019): of all pairs in a word the one with the lowest rank is joined, the leftmost
/// among equals, until none is left. Immutable but for a cache of words; safe for many threads.
/// </summary>
internal sealed class ByteLevelBpe
{
    private const int CacheWords = 1 << 16, CachedLength = 48, ShortWord = 64;

    private readonly Dictionary<string, int> _ids;
    private readonly MergeTable _table;
    private readonly int[] _byteIds = new int[256];
    private readonly ConcurrentDictionary<string, int[]> _cache = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _cached;
    private int _cacheSize;

    /// <summary>Makes a model.</summary>
    /// <param name="vocabulary">Ids of the tokens, written in the byte alphabet.</param>
    /// <param name="merges">Pairs in order of rank.</param>
    /// <param name="ignoreMerges">Whether a word that is a token is taken whole, even where no merges lead there.</param>
    /// <exception cref="TandemException">A byte that UTF-8 has has no token, or a merge names an unknown one.</exception>
    public ByteLevelBpe(Dictionary<string, int> vocabulary, IReadOnlyList<(string Left, string Right)> merges, bool ignoreMerges = false)
    {
        _ids = vocabulary;
        Merges = merges;
        IgnoreMerges = ignoreMerges;
        _cached = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
        for (int b = 0; b < 256; b++)
        {
            string character = ByteAlphabet.Characters[b].ToString();
            _byteIds[b] = _ids.TryGetValue(character, out int id) ? id
                : IsInUtf8(b) ? throw new TandemException($"model.vocab: byte {b} ('{character}') has no token, wanted one for each byte of UTF-8") : -1;
        }

        _table = new MergeTable(merges.Count);
        for (int rank = 0; rank < merges.Count; rank++)
        {
            (string left, string right) = merges[rank];
            _table.Add(IdOf(left, rank), IdOf(right, rank), rank, IdOf(left + right, rank));
        }
    }

    /// <summary>Ids by token.</summary>
    public IReadOnlyDictionary<string, int> Vocabulary => _ids;

    /// <summary>Merges in order of rank.</summary>
    public IReadOnlyList<(string Left, string Right)> Merges { get; }

    /// <summary>Whether a word that is a token is taken whole.</summary>
    public bool IgnoreMerges { get; }

    /// <summary>Appends the ids of a word.</summary>
    public void Encode(ReadOnlySpan<char> word, List<int> ids)
    {
        if (word.Length > CachedLength)
        {
            Merge(word, ids);
            return;
        }

        if (_cached.TryGetValue(word, out int[]? known))
        {
            ids.AddRange((ReadOnlySpan<int>)known);
            return;
        }

        int first = ids.Count;
        Merge(word, ids);
        if (Volatile.Read(ref _cacheSize) < CacheWords && _cached.TryAdd(word, CollectionsMarshal.AsSpan(ids)[first..].ToArray())) Interlocked.Increment(ref _cacheSize);
    }

    private static bool IsInUtf8(int b) => b is not (0xC0 or 0xC1 or >= 0xF5);

    private int IdOf(string token, int rank) =>
        _ids.TryGetValue(token, out int id) ? id : throw new TandemException($"model.merges[{rank}]: the token '{token}' is not in the vocabulary");

    private void Merge(ReadOnlySpan<char> word, List<int> ids)
    {
        int capacity = Encoding.UTF8.GetMaxByteCount(word.Length);
        byte[]? rented = capacity > 512 ? ArrayPool<byte>.Shared.Rent(capacity) : null;
        Span<byte> bytes = rented == null ? stackalloc byte[512] : rented;
        bytes = bytes[..Encoding.UTF8.GetBytes(word, bytes)];
        if (IgnoreMerges && Whole(bytes) is { } whole) ids.Add(whole);
        else if (bytes.Length <= ShortWord) MergeShort(bytes, ids);
        else MergeLong(bytes, ids);
        if (rented != null) ArrayPool<byte>.Shared.Return(rented);
    }

    private int? Whole(ReadOnlySpan<byte> bytes)
    {
        char[] characters = ArrayPool<char>.Shared.Rent(bytes.Length);
        for (int i = 0; i < bytes.Length; i++) characters[i] = ByteAlphabet.Characters[bytes[i]];
        bool found = _ids.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(characters.AsSpan(0, bytes.Length), out int id);
        ArrayPool<char>.Shared.Return(characters);
        return found ? id : null;
    }

    // Few symbols: looking through all ranks beats a heap.
    private void MergeShort(ReadOnlySpan<byte> bytes, List<int> ids)
    {
        Span<int> symbols = stackalloc int[ShortWord], ranks = stackalloc int[ShortWord], joined = stackalloc int[ShortWord];
        int count = bytes.Length;
        for (int i = 0; i < count; i++) symbols[i] = _byteIds[bytes[i]];
        for (int i = 0; i + 1 < count; i++) ranks[i] = _table.Rank(symbols[i], symbols[i + 1], out joined[i]);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i < count - 1; i++)
                if (ranks[i] < ranks[best]) best = i;
            if (ranks[best] == int.MaxValue) break;
            symbols[best] = joined[best];
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            if (best + 2 < count)
            {
                ranks[(best + 2)..(count - 1)].CopyTo(ranks[(best + 1)..]);
                joined[(best + 2)..(count - 1)].CopyTo(joined[(best + 1)..]);
            }

            count--;
            if (best + 1 < count) ranks[best] = _table.Rank(symbols[best], symbols[best + 1], out joined[best]);
            if (best > 0) ranks[best - 1] = _table.Rank(symbols[best - 1], symbols[best], out joined[best - 1]);
        }

        ids.AddRange(symbols[..count]);
    }

    // A linked list of symbols and a heap of (rank, place), so that a word of n bytes costs n log n. A place whose rank changed since is passed over.
    private void MergeLong(ReadOnlySpan<byte> bytes, List<int> ids)
    {
        int n = bytes.Length;
        int[] work = ArrayPool<int>.Shared.Rent(5 * n);
        Span<int> id = work.AsSpan(0, n), next = work.AsSpan(n, n), previous = work.AsSpan(2 * n, n), rank = work.AsSpan(3 * n, n), joined = work.AsSpan(4 * n, n);
        var heap = new MergeHeap(n);
        for (int i = 0; i < n; i++) (id[i], next[i], previous[i]) = (_byteIds[bytes[i]], i + 1, i - 1);
        for (int i = 0; i < n; i++) Offer(i, id, next, rank, joined, ref heap);
        while (heap.TryPop(out int at, out int popped))
        {
            if (id[at] < 0 || rank[at] != popped) continue;
            int right = next[at];
            id[at] = joined[at];
            id[right] = -1;
            next[at] = next[right];
            if (next[at] < n) previous[next[at]] = at;
            Offer(at, id, next, rank, joined, ref heap);
            if (previous[at] >= 0) Offer(previous[at], id, next, rank, joined, ref heap);
        }

        for (int i = 0; i < n; i = next[i]) ids.Add(id[i]);
        heap.Dispose();
        ArrayPool<int>.Shared.Return(work);
    }

    private void Offer(int at, Span<int> id, Span<int> next, Span<int> rank, Span<int> joined, ref MergeHeap heap)
    {
        rank[at] = next[at] < id.Length ? _table.Rank(id[at], id[next[at]], out joined[at]) : int.MaxValue;
        if (rank[at] != int.MaxValue) heap.Push(at, rank[at]);
    }
}
