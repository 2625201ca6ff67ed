using System.Numerics;

namespace Tandem.Models;

/// <summary>Rank and result of each pair that a BPE joins: an open hash table, since this is the lookup that encoding spends its time in.</summary>
internal sealed class MergeTable
{
    private readonly ulong[] _keys;
    private readonly (int Rank, int Id)[] _merges;
    private readonly int _shift;

    /// <summary>Makes room for <paramref name="count"/> pairs, at most half full.</summary>
    public MergeTable(int count)
    {
        int bits = Math.Max(4, BitOperations.Log2((uint)Math.Max(1, count)) + 2);
        _keys = new ulong[1 << bits];
        _merges = new (int, int)[1 << bits];
        _shift = 64 - bits;
        Array.Fill(_keys, ulong.MaxValue);
    }

    /// <summary>Adds a pair; the first of equal pairs stays.</summary>
    public void Add(int left, int right, int rank, int id)
    {
        ulong key = Key(left, right);
        int at = Slot(key);
        while (_keys[at] != ulong.MaxValue && _keys[at] != key) at = (at + 1) & (_keys.Length - 1);
        if (_keys[at] == key) return;
        _keys[at] = key;
        _merges[at] = (rank, id);
    }

    /// <summary>Rank of a pair, or <see cref="int.MaxValue"/> if it is never joined.</summary>
    public int Rank(int left, int right, out int id)
    {
        ulong key = Key(left, right);
        for (int at = Slot(key); _keys[at] != ulong.MaxValue; at = (at + 1) & (_keys.Length - 1))
        {
            if (_keys[at] != key) continue;
            id = _merges[at].Id;
            return _merges[at].Rank;
        }

        id = -1;
        return int.MaxValue;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Slot(ulong key) => (int)((key * 0x9E3779B97F4A7C15) >> _shift);
}
