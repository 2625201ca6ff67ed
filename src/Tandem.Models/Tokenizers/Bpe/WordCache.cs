using System.Collections.Concurrent;

namespace Tandem.Models;

/// <summary>Ids of words that were encoded before: a bounded number of short ones.</summary>
internal sealed class WordCache
{
    private const int Words = 1 << 16, LongestWord = 48;

    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _ids =
        new ConcurrentDictionary<string, int[]>(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();

    private int _count;

    /// <summary>Whether a word is of those that are kept.</summary>
    public static bool Keeps(ReadOnlySpan<char> word) => word.Length <= LongestWord;

    /// <summary>Appends the ids of a word that is known.</summary>
    public bool TryGet(ReadOnlySpan<char> word, List<int> ids)
    {
        if (!_ids.TryGetValue(word, out int[]? known)) return false;
        ids.AddRange((ReadOnlySpan<int>)known);
        return true;
    }

    /// <summary>Keeps the ids of a word while there is room.</summary>
    public void Add(ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        if (Volatile.Read(ref _count) < Words && _ids.TryAdd(word, ids.ToArray())) Interlocked.Increment(ref _count);
    }
}
