using System.Runtime.Intrinsics;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// Key/value blocks of 32 tokens of one layer: per key/value head first the keys as 2 panels [D][16] (16 keys side by side), then the values as panels [32][16]
/// (16 dimensions side by side, the last panel padded with zeros). So keys are the right operand of q k^T and values that of p v without repacking.
/// Keys and values are rounded to the blocks' type when they are written.
/// </summary>
internal static unsafe class KvBlocks
{
    /// <summary>Tokens of a block.</summary>
    public const int Tokens = BatchView.BlockTokens;

    // Rows that are transposed together; a run of them never leaves a panel.
    private const int RunRows = 8;

    /// <summary>Element offset of (slot, d) among a head's keys.</summary>
    public static int KeyOffset(in AttentionShape shape, int slot, int d) => (((slot / 16 * shape.HeadDim) + d) * 16) + (slot % 16);

    /// <summary>Element offset of (slot, d) among a head's values.</summary>
    public static int ValueOffset(int slot, int d) => (((d / 16 * Tokens) + slot) * 16) + (d % 16);

    /// <summary>Start of a head's keys in a block; the values follow after <see cref="AttentionShape.KeyElements"/> elements.</summary>
    public static byte* Head(in AttentionShape shape, byte* cache, int block, int kvHead) =>
        cache + (block * shape.BlockBytes) + ((long)kvHead * (shape.KeyElements + shape.ValueElements) * shape.CacheType.Size());

    /// <summary>
    /// Writes rows [first, first + count) of a batch, k [T, NumKvHeads * D] and v [T, NumKvHeads * Dv], into their segments' blocks.
    /// </summary>
    public static void Write(in AttentionShape shape, in BatchView view, int first, int count, float* k, float* v, byte* cache)
    {
        switch (shape.CacheType)
        {
            case DType.F16:
                Write<ushort, StoredF16>(shape, view, first, count, k, v, cache);
                break;
            case DType.BF16:
                Write<ushort, StoredBF16>(shape, view, first, count, k, v, cache);
                break;
            default:
                Write<float, StoredF32>(shape, view, first, count, k, v, cache);
                break;
        }
    }

    /// <summary>Widens one element, for scalar twins and tests.</summary>
    public static float Read(DType type, byte* head, int element) => type switch
    {
        DType.F16 => StoredF16.Load((ushort*)head + element),
        DType.BF16 => StoredBF16.Load((ushort*)head + element),
        _ => ((float*)head)[element],
    };

    private static void Write<T, TStored>(in AttentionShape shape, in BatchView view, int first, int count, float* k, float* v, byte* cache)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        int s = SegmentOf(view, first);
        for (int row = first; row < first + count;)
        {
            while (row >= view.Segments[s].FirstRow + view.Segments[s].NumRows)
                s++;
            ref Segment segment = ref view.Segments[s];
            int position = segment.FirstPosition + row - segment.FirstRow, slot = position % Tokens;
            int run = Math.Min(RunRows - (slot % RunRows), Math.Min(first + count, segment.FirstRow + segment.NumRows) - row);
            int block = view.Blocks[segment.FirstBlock + (position / Tokens)];
            for (int head = 0; head < shape.NumKvHeads; head++)
            {
                T* keys = (T*)Head(shape, cache, block, head);
                WriteRun<T, TStored>(
                    shape, slot, run, k + ((((long)row * shape.NumKvHeads) + head) * shape.HeadDim), v + ((((long)row * shape.NumKvHeads) + head) * shape.ValueDim), keys);
            }

            row += run;
        }
    }

    // Up to 8 rows of one head whose slots lie in one panel.
    private static void WriteRun<T, TStored>(in AttentionShape shape, int slot, int rows, float* k, float* v, T* keys)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        StoredTransposition.Copy<T, TStored>(k, (nint)shape.NumKvHeads * shape.HeadDim, rows, shape.HeadDim, keys + KeyOffset(shape, slot, 0), 16);
        T* values = keys + shape.KeyElements;
        for (int i = 0; i < rows; i++, v += (long)shape.NumKvHeads * shape.ValueDim)
        {
            int d = 0;
            for (; d <= shape.ValueDim - 8; d += 8)
                TStored.Store8(Vector256.Load(v + d), values + ValueOffset(slot + i, d));
            for (; d < shape.PaddedValueDim; d++)
                TStored.Store(d < shape.ValueDim ? v[d] : 0f, values + ValueOffset(slot + i, d));
        }
    }

    // The segment of a row by bisection: segments lie in row order.
    private static int SegmentOf(in BatchView view, int row)
    {
        int low = 0, high = view.NumSegments - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (view.Segments[middle].FirstRow <= row)
                low = middle;
            else
                high = middle - 1;
        }

        return low;
    }
}
