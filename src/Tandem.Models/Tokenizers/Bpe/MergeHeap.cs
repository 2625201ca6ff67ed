using System.Buffers;

namespace Tandem.Models;

/// <summary>A binary heap of places by (rank, place), in a rented array. Every join takes one symbol away and offers at most two places.</summary>
internal ref struct MergeHeap(int symbols)
{
    private readonly ulong[] _keys = ArrayPool<ulong>.Shared.Rent(3 * symbols);
    private int _count;

    /// <summary>Adds a place.</summary>
    public void Push(int at, int rank)
    {
        ulong key = ((ulong)(uint)rank << 32) | (uint)at;
        int i = _count++;
        while (i > 0)
        {
            int parent = (i - 1) / 2;
            if (_keys[parent] <= key) break;
            _keys[i] = _keys[parent];
            i = parent;
        }

        _keys[i] = key;
    }

    /// <summary>Takes the place with the lowest rank, the leftmost among equals.</summary>
    public bool TryPop(out int at, out int rank)
    {
        at = rank = 0;
        if (_count == 0) return false;
        (at, rank) = ((int)(uint)_keys[0], (int)(_keys[0] >> 32));
        ulong key = _keys[--_count];
        int i = 0;
        for (int child = 1; child < _count; child = (2 * i) + 1)
        {
            if (child + 1 < _count && _keys[child + 1] < _keys[child]) child++;
            if (key <= _keys[child]) break;
            _keys[i] = _keys[child];
            i = child;
        }

        _keys[i] = key;
        return true;
    }

    /// <summary>Gives the array back.</summary>
    public readonly void Dispose() => ArrayPool<ulong>.Shared.Return(_keys);
}
