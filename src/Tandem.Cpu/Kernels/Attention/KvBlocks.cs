using System.Runtime.Intrinsics;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// Key/value blocks of 32 tokens of one layer: per key/value head first the keys as 2 panels [D][16] (16 keys side by side), then the values as panels [32][16]
/// (16 dimensions side by side, the last panel padded with zeros). So keys are the right operand of q k^T and values that of p v without repacking.
/// Keys and values are rounded to the blocks' types when they are written; how quantized ones lie says <see cref="KvQuantizer"/>.
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

    /// <summary>Start of a head's keys in a block; the values follow after <see cref="AttentionShape.KeyBytes"/>.</summary>
    public static byte* Head(in AttentionShape shape, byte* cache, int block, int kvHead) =>
        cache + (block * shape.BlockBytes) + ((long)kvHead * (shape.KeyBytes + shape.ValueBytes));

    /// <summary>Widens element d of a key, for scalar twins and tests; turned heads stay turned.</summary>
    public static float Key(in AttentionShape shape, byte* head, int slot, int d) => shape.Cache.Key.IsBlock()
        ? KvQuantizer.Key(shape.Cache.Key, shape.HeadDim, head, slot, d)
        : Read(shape.Cache.Key, head, KeyOffset(shape, slot, d));

    /// <summary>Widens element d of a value, for scalar twins and tests; turned heads stay turned.</summary>
    public static float Value(in AttentionShape shape, byte* head, int slot, int d) => shape.Cache.Value.IsBlock()
        ? KvQuantizer.Value(shape.Cache.Value, head + shape.KeyBytes, slot, d)
        : Read(shape.Cache.Value, head + shape.KeyBytes, ValueOffset(slot, d));

    /// <summary>
    /// Writes rows [first, first + count) of a batch, k [T, NumKvHeads * D] and v [T, NumKvHeads * Dv], into their segments' blocks.
    /// </summary>
    public static void Write(in AttentionShape shape, in BatchView view, int first, int count, float* k, float* v, byte* cache)
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
                byte* keys = Head(shape, cache, block, head);
                WriteKeys(shape, slot, run, k + ((((long)row * shape.NumKvHeads) + head) * shape.HeadDim), keys);
                WriteValues(shape, slot, run, v + ((((long)row * shape.NumKvHeads) + head) * shape.ValueDim), keys + shape.KeyBytes);
            }

            row += run;
        }
    }

    // Up to 8 keys of one head whose slots lie in one panel.
    private static void WriteKeys(in AttentionShape shape, int slot, int rows, float* k, byte* keys)
    {
        nint stride = (nint)shape.NumKvHeads * shape.HeadDim;
        switch (shape.Cache.Key)
        {
            case DType.F32:
                StoredTransposition.Copy<float, StoredF32>(k, stride, rows, shape.HeadDim, (float*)keys + KeyOffset(shape, slot, 0), 16);
                break;
            case DType.F16:
                StoredTransposition.Copy<ushort, StoredF16>(k, stride, rows, shape.HeadDim, (ushort*)keys + KeyOffset(shape, slot, 0), 16);
                break;
            case DType.BF16:
                StoredTransposition.Copy<ushort, StoredBF16>(k, stride, rows, shape.HeadDim, (ushort*)keys + KeyOffset(shape, slot, 0), 16);
                break;
            default:
                for (int i = 0; i < rows; i++, k += stride)
                    KvQuantizer.WriteKey(shape.Cache.Key, shape.HeadDim, k, keys, slot + i);
                break;
        }
    }

    private static void WriteValues(in AttentionShape shape, int slot, int rows, float* v, byte* values)
    {
        nint stride = (nint)shape.NumKvHeads * shape.ValueDim;
        for (int i = 0; i < rows; i++, v += stride)
        {
            switch (shape.Cache.Value)
            {
                case DType.F32:
                    WriteValue<float, StoredF32>(shape, slot + i, v, (float*)values);
                    break;
                case DType.F16:
                    WriteValue<ushort, StoredF16>(shape, slot + i, v, (ushort*)values);
                    break;
                case DType.BF16:
                    WriteValue<ushort, StoredBF16>(shape, slot + i, v, (ushort*)values);
                    break;
                default:
                    KvQuantizer.WriteValue(shape.Cache.Value, shape.ValueDim, v, values, slot + i);
                    break;
            }
        }
    }

    private static void WriteValue<T, TStored>(in AttentionShape shape, int slot, float* v, T* values)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        int d = 0;
        for (; d <= shape.ValueDim - 8; d += 8)
            TStored.Store8(Vector256.Load(v + d), values + ValueOffset(slot, d));
        for (; d < shape.PaddedValueDim; d++)
            TStored.Store(d < shape.ValueDim ? v[d] : 0f, values + ValueOffset(slot, d));
    }

    private static float Read(DType type, byte* elements, int index) => type switch
    {
        DType.F16 => StoredF16.Load((ushort*)elements + index),
        DType.BF16 => StoredBF16.Load((ushort*)elements + index),
        _ => ((float*)elements)[index],
    };

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
