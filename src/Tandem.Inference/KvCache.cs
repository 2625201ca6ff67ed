using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Inference;

/// <summary>
/// The keys and values of all layers in one reserved range, layer after layer, blocks ascending within a layer. Blocks are handed out lowest first,
/// so that memory of blocks that are never needed is never committed.
/// </summary>
internal sealed class KvCache : IDisposable
{
    private readonly ReservedMemory _memory;

    /// <summary>Reserves the caches that a plan's graph declares.</summary>
    public KvCache(Plan plan, int layers)
    {
        Value[] caches = [.. Enumerable.Range(0, layers).Select(i => plan.Graph.Find(DecoderInputs.KvCache(i)))];
        _memory = new ReservedMemory(caches.Sum(c => Aligned(plan.Bounds.Bytes(c.Type))));
        long offset = 0;
        foreach (Value cache in caches)
        {
            long bytes = plan.Bounds.Bytes(cache.Type);
            Layers[cache.Name] = _memory.View(offset, bytes);
            offset += Aligned(bytes);
        }
    }

    /// <summary>Bytes reserved.</summary>
    public long Bytes => _memory.Bytes;

    /// <summary>Each layer's memory by the name of its state.</summary>
    public Dictionary<string, NativeBuffer> Layers { get; } = [];

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private static long Aligned(long bytes) => (bytes + NativeBuffer.Alignment - 1) / NativeBuffer.Alignment * NativeBuffer.Alignment;
}
