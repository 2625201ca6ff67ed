using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>The keys and values of one tile of 64 positions and one head: two blocks of the cache in place, or widened into scratch memory.</summary>
/// <typeparam name="T">The element in memory.</typeparam>
internal unsafe struct KvTile<T>
    where T : unmanaged
{
    /// <summary>Keys 0 to 31 as 2 panels [D][16].</summary>
    public T* Keys0;

    /// <summary>Keys 32 to 63 as 2 panels [D][16]; null if the tile ends before.</summary>
    public T* Keys1;

    /// <summary>The values as panels of 16 dimensions with the tile's keys as inner dimension.</summary>
    public RightPanels<T> Values;

    /// <summary>A tile of one or two blocks of a head.</summary>
    public KvTile(in AttentionShape shape, T* first, T* second)
    {
        Keys0 = first;
        Keys1 = second;
        Values = new RightPanels<T>
        {
            First = first + shape.KeyElements,
            Second = second == null ? null : second + shape.KeyElements,
            Split = KvBlocks.Tokens,
            RowStride = 16,
            PanelStride = KvBlocks.Tokens * 16,
        };
    }

    /// <summary>s[r, j] = sum over d of q[r, d] k[j, d] for the panels of columns that the rows see.</summary>
    public readonly void Scores<TStored>(in AttentionShape shape, float* q, int stride, float* s, int rows, int* from, int* end)
        where TStored : IStoredFloat<T>
    {
        PanelProduct.Scores<T, TStored>(q, stride, shape.HeadDim, Keys0, 0, 2, s, AttentionShape.ScoreStride, rows, from, end);
        if (Keys1 != null)
            PanelProduct.Scores<T, TStored>(q, stride, shape.HeadDim, Keys1, 2, 2, s, AttentionShape.ScoreStride, rows, from, end);
    }
}

/// <summary>How a tile of keys and values is found and in which type it is read; a constant of generated code.</summary>
/// <typeparam name="T">The element that products read.</typeparam>
internal unsafe interface IKvReader<T>
    where T : unmanaged
{
    /// <summary>
    /// Opens the tile that starts at position <paramref name="key"/> by the segment's block table, of which the first <paramref name="count"/> keys are wanted.
    /// Table entries beyond those are not read.
    /// </summary>
    static abstract KvTile<T> Open(in AttentionShape shape, byte* cache, int* blocks, int kvHead, int key, int count, float* scratch);
}

/// <summary>Reads the cache where it lies, whatever its type: best for few rows, which read each element once or twice.</summary>
internal readonly unsafe struct KvInPlace<T> : IKvReader<T>
    where T : unmanaged
{
    /// <inheritdoc/>
    public static KvTile<T> Open(in AttentionShape shape, byte* cache, int* blocks, int kvHead, int key, int count, float* scratch)
    {
        int* table = blocks + (key / KvBlocks.Tokens);
        return new KvTile<T>(
            shape, (T*)KvBlocks.Head(shape, cache, table[0], kvHead), count > KvBlocks.Tokens ? (T*)KvBlocks.Head(shape, cache, table[1], kvHead) : null);
    }
}

/// <summary>Widens a tile into scratch memory first: best for many rows.</summary>
internal readonly unsafe struct KvWidened<TStored> : IKvReader<float>
    where TStored : IStoredFloat<ushort>
{
    /// <inheritdoc/>
    public static KvTile<float> Open(in AttentionShape shape, byte* cache, int* blocks, int kvHead, int key, int count, float* scratch)
    {
        int* table = blocks + (key / KvBlocks.Tokens);
        int elements = shape.KeyElements + shape.ValueElements;
        float* second = null;
        Widen((ushort*)KvBlocks.Head(shape, cache, table[0], kvHead), scratch, elements);
        if (count > KvBlocks.Tokens)
            Widen((ushort*)KvBlocks.Head(shape, cache, table[1], kvHead), second = scratch + elements, elements);
        return new KvTile<float>(shape, scratch, second);
    }

    // The count is a multiple of 16.
    private static void Widen(ushort* from, float* to, int count)
    {
        for (int i = 0; i < count; i += 8)
            TStored.Load8(from + i).Store(to + i);
    }
}

/// <summary>Opens tiles in f32, whatever the cache's type.</summary>
internal static unsafe class KvTiles
{
    /// <summary>Floats of scratch memory that widening needs.</summary>
    public static long ScratchFloats(in AttentionShape shape) => shape.CacheType == DType.F32 ? 0 : 2L * (shape.KeyElements + shape.ValueElements);

    /// <inheritdoc cref="IKvReader{T}.Open"/>
    public static KvTile<float> OpenF32(in AttentionShape shape, byte* cache, int* blocks, int kvHead, int key, int count, float* scratch) => shape.CacheType switch
    {
        DType.F16 => KvWidened<StoredF16>.Open(shape, cache, blocks, kvHead, key, count, scratch),
        DType.BF16 => KvWidened<StoredBF16>.Open(shape, cache, blocks, kvHead, key, count, scratch),
        _ => KvInPlace<float>.Open(shape, cache, blocks, kvHead, key, count, scratch),
    };
}
