using System.Numerics;

namespace Tandem.Models;

/// <summary>Rank and result of each pair that a BPE joins: an open hash table, since this is the lookup that encoding spends its time in.</summary>
internal sealed class MergeTable
{
    private readonly Entry[] _entries;
    private readonly int _shift;

    /// <summary>Makes room for <paramref name="count"/> pairs, at most half full.</summary>
    public MergeTable(int count)
    {
        int bits = Math.Max(4, BitOperations.Log2((uint)Math.Max(1, count)) + 2);
        _entries = new Entry[1 << bits];
        _shift = 64 - bits;
        Array.Fill(_entries, new Entry(ulong.MaxValue, 0, 0));
    }

    /// <summary>Adds a pair; the first of equal pairs stays.</summary>
    public void Add(int left, int right, int rank, int id)
    {
        ulong key = Key(left, right);
        int at = Slot(key);
        while (_entries[at].Key != ulong.MaxValue && _entries[at].Key != key) at = (at + 1) & (_entries.Length - 1);
        if (_entries[at].Key != key) _entries[at] = new Entry(key, rank, id);
    }

    /// <summary>Rank of a pair, or <see cref="int.MaxValue"/> if it is never joined.</summary>
    public int Rank(int left, int right, out int id)
    {
        ulong key = Key(left, right);
        Entry[] entries = _entries;
        for (int at = Slot(key); ; at++)
        {
            Entry entry = entries[at & (entries.Length - 1)];
            if (entry.Key == key)
            {
                id = entry.Id;
                return entry.Rank;
            }

            if (entry.Key != ulong.MaxValue) continue;
            id = -1;
            return int.MaxValue;
        }
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Slot(ulong key) => (int)((key * 0x9E3779B97F4A7C15) >> _shift);

    private readonly record struct Entry(ulong Key, int Rank, int Id);
}
