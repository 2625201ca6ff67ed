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

    /// <summary>Element offset of (slot, d) among a head's keys.</summary>
    public static int KeyOffset(in AttentionShape shape, int slot, int d) => (((slot / 16 * shape.HeadDim) + d) * 16) + (slot % 16);

    /// <summary>Element offset of (slot, d) among a head's values.</summary>
    public static int ValueOffset(int slot, int d) => (((d / 16 * Tokens) + slot) * 16) + (d % 16);

    /// <summary>Start of a head's keys in a block; the values follow after <see cref="AttentionShape.KeyElements"/> elements.</summary>
    public static byte* Head(in AttentionShape shape, byte* cache, int block, int kvHead) =>
        cache + (block * shape.BlockBytes) + ((long)kvHead * (shape.KeyElements + shape.ValueElements) * shape.CacheType.Size());

    /// <summary>
    /// Writes one head of a segment's rows, k [T, NumKvHeads * D] and v [T, NumKvHeads * Dv] with the given row strides (in floats), into the segment's blocks.
    /// </summary>
    public static void Write(
        in AttentionShape shape, in BatchView view, in Segment segment, int kvHead, float* k, long kStride, float* v, long vStride, byte* cache)
    {
        switch (shape.CacheType)
        {
            case DType.F16:
                Write<ushort, StoredF16>(shape, view, segment, kvHead, k, kStride, v, vStride, cache);
                break;
            case DType.BF16:
                Write<ushort, StoredBF16>(shape, view, segment, kvHead, k, kStride, v, vStride, cache);
                break;
            default:
                Write<float, StoredF32>(shape, view, segment, kvHead, k, kStride, v, vStride, cache);
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

    /// <summary>Widens elements of a block; the count is a multiple of 16.</summary>
    public static void Widen(DType type, byte* from, float* to, int count)
    {
        if (type == DType.F16)
        {
            for (int i = 0; i < count; i += 8)
                StoredF16.Load8((ushort*)from + i).Store(to + i);
        }
        else
        {
            for (int i = 0; i < count; i += 8)
                StoredBF16.Load8((ushort*)from + i).Store(to + i);
        }
    }

    private static void Write<T, TStored>(
        in AttentionShape shape, in BatchView view, in Segment segment, int kvHead, float* k, long kStride, float* v, long vStride, byte* cache)
        where T : unmanaged
        where TStored : IStoredFloat<T>
    {
        int headDim = shape.HeadDim, valueDim = shape.ValueDim, padded = shape.PaddedValueDim;
        for (int i = 0; i < segment.NumRows; i++)
        {
            int position = segment.FirstPosition + i, slot = position % Tokens;
            T* keys = (T*)Head(shape, cache, view.Blocks[segment.FirstBlock + (position / Tokens)], kvHead);
            T* values = keys + shape.KeyElements + (slot * 16);
            float* key = k + ((segment.FirstRow + i) * kStride) + ((long)kvHead * headDim);
            float* value = v + ((segment.FirstRow + i) * vStride) + ((long)kvHead * valueDim);
            keys += KeyOffset(shape, slot, 0);
            for (int d = 0; d < headDim; d++)
                TStored.Store(key[d], keys + (d * 16));

            for (int d = 0; d < padded; d += 16, values += Tokens * 16)
            {
                int count = Math.Min(16, valueDim - d);
                for (int j = 0; j < count; j++)
                    TStored.Store(value[d + j], values + j);
                for (int j = count; j < 16; j++)
                    TStored.Store(0f, values + j);
            }
        }
    }
}
