namespace Tandem.Inference;

/// <summary>The key/value blocks that are free. Blocks are handed out lowest first, so that memory that is not needed is never touched.</summary>
internal sealed class BlockPool
{
    private readonly PriorityQueue<int, int> _free = new();
    private int _untouched;

    public BlockPool(int capacity)
    {
        Capacity = capacity;
        _free.EnsureCapacity(capacity);
    }

    /// <summary>Blocks in all.</summary>
    public int Capacity { get; }

    /// <summary>Blocks that can be had.</summary>
    public int Free => _free.Count + Capacity - _untouched;

    /// <summary>Takes a block, or gives false if there is none.</summary>
    public bool TryTake(out int block)
    {
        if (_free.TryDequeue(out block, out _)) return true;
        if (_untouched == Capacity) return false;
        block = _untouched++;
        return true;
    }

    /// <summary>Gives a block back.</summary>
    public void Return(int block) => _free.Enqueue(block, block);
}
