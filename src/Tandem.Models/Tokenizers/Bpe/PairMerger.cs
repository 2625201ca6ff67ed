using System.Buffers;

namespace Tandem.Models;

/// <summary>Joins the symbols of a word of any length.</summary>
internal static class PairMerger
{
    /// <summary>
    /// Joins the pair with the lowest rank, the leftmost among equals, until none is left: a linked list of symbols and a heap of (rank, place), so that n
    /// symbols cost n log n. A place whose rank changed since is passed over.
    /// </summary>
    /// <param name="table">The pairs.</param>
    /// <param name="ids">The symbols; at the end those that are left come first.</param>
    /// <param name="lengths">Empty, or the length of each symbol, added up as they are joined.</param>
    /// <returns>How many symbols are left.</returns>
    public static int Merge(MergeTable table, Span<int> ids, Span<int> lengths)
    {
        int n = ids.Length;
        if (n == 0) return 0;
        int[] work = ArrayPool<int>.Shared.Rent(4 * n);
        var list = new Symbols(table, ids, work.AsSpan(0, n), work.AsSpan(n, n), work.AsSpan(2 * n, n), work.AsSpan(3 * n, n), new MergeHeap(n));
        for (int i = 0; i < n; i++) (list.Next[i], list.Previous[i]) = (i + 1, i - 1);
        for (int i = 0; i < n; i++) list.Offer(i);
        while (list.Heap.TryPop(out int at, out int popped))
        {
            if (ids[at] == Gone || list.Rank[at] != popped) continue;
            int right = list.Next[at];
            ids[at] = list.Joined[at];
            ids[right] = Gone;
            list.Next[at] = list.Next[right];
            if (list.Next[at] < n) list.Previous[list.Next[at]] = at;
            list.Offer(at);
            if (list.Previous[at] >= 0) list.Offer(list.Previous[at]);
            if (!lengths.IsEmpty) lengths[at] += lengths[right];
        }

        int count = 0;
        for (int i = 0; i < n; i = list.Next[i])
        {
            ids[count] = ids[i];
            if (!lengths.IsEmpty) lengths[count] = lengths[i];
            count++;
        }

        list.Heap.Dispose();
        ArrayPool<int>.Shared.Return(work);
        return count;
    }

    private const int Gone = int.MinValue;

    private ref struct Symbols(MergeTable table, Span<int> ids, Span<int> next, Span<int> previous, Span<int> rank, Span<int> joined, MergeHeap heap)
    {
        private readonly Span<int> _ids = ids;

        public readonly Span<int> Next = next, Previous = previous, Rank = rank, Joined = joined;

        public MergeHeap Heap = heap;

        public void Offer(int at)
        {
            Rank[at] = Next[at] < _ids.Length ? table.Rank(_ids[at], _ids[Next[at]], out Joined[at]) : int.MaxValue;
            if (Rank[at] != int.MaxValue) Heap.Push(at, Rank[at]);
        }
    }
}
