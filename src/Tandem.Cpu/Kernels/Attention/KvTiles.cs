using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>The keys and values of one tile of 64 positions and one head in f32: two blocks of the cache in place, or widened into scratch memory.</summary>
internal unsafe struct KvTile
{
    /// <summary>Keys 0 to 31 as 2 panels [D][16].</summary>
    public float* Keys0;

    /// <summary>Keys 32 to 63 as 2 panels [D][16]; null if the tile ends before.</summary>
    public float* Keys1;

    /// <summary>The values as panels of 16 dimensions with the tile's keys as inner dimension.</summary>
    public RightPanels<float> Values;

    /// <summary>s[r, j] = sum over d of q[r, d] k[j, d] for the panels of columns that the rows see.</summary>
    public readonly void Scores(in AttentionShape shape, float* q, int stride, float* s, int rows, int* from, int* end)
    {
        KeysInPlace<float, StoredF32>.Scores(shape, q, stride, Keys0, 0, s, rows, from, end, null);
        if (Keys1 != null)
            KeysInPlace<float, StoredF32>.Scores(shape, q, stride, Keys1, KvBlocks.Tokens, s, rows, from, end, null);
    }
}

/// <summary>Widens keys and values of one head in a block to f32, in the layout of an f32 block.</summary>
internal static unsafe class KvTiles
{
    /// <summary>Floats of scratch memory that widening needs for a tile: first the keys of both blocks, then the values of both.</summary>
    public static long ScratchFloats(in AttentionShape shape) => shape.Cache == DType.F32 ? 0 : 2L * (shape.KeyElements + shape.ValueElements);

    /// <summary>
    /// Opens the tile that starts at position <paramref name="key"/> by the segment's block table, of which the first <paramref name="count"/> keys are wanted.
    /// Table entries beyond those are not read.
    /// </summary>
    public static KvTile OpenF32(in AttentionShape shape, byte* cache, int* blocks, int kvHead, int key, int count, float* scratch)
    {
        int* table = blocks + (key / KvBlocks.Tokens);
        byte* head0 = KvBlocks.Head(shape, cache, table[0], kvHead), head1 = count > KvBlocks.Tokens ? KvBlocks.Head(shape, cache, table[1], kvHead) : null;
        float* values = scratch + (2 * shape.KeyElements);
        return new KvTile
        {
            Keys0 = Keys(shape, head0, scratch),
            Keys1 = head1 == null ? null : Keys(shape, head1, scratch + shape.KeyElements),
            Values = Panels(Values(shape, head0, values), head1 == null ? null : Values(shape, head1, values + shape.ValueElements)),
        };
    }

    /// <summary>The values of two blocks as right operand of p v.</summary>
    public static RightPanels<T> Panels<T>(T* first, T* second)
        where T : unmanaged => new() { First = first, Second = second, Split = KvBlocks.Tokens, RowStride = 16, PanelStride = KvBlocks.Tokens * 16 };

    /// <summary>Starts to fetch memory into the second-level cache; nothing with null.</summary>
    public static void Prefetch(byte* from, int bytes)
    {
        if (from == null || !Sse.IsSupported)
            return;
        for (int i = 0; i < bytes; i += NativeBuffer.Alignment)
            Sse.Prefetch1(from + i);
    }

    /// <summary>Widens a block's keys of one head into 2 panels [D][16].</summary>
    public static void WidenKeys(in AttentionShape shape, byte* keys, float* to)
    {
        switch (shape.Cache.Key)
        {
            case DType.F16:
                Widen<StoredF16>((ushort*)keys, to, shape.KeyElements);
                break;
            case DType.BF16:
                Widen<StoredBF16>((ushort*)keys, to, shape.KeyElements);
                break;
            case DType.Q8_0:
                WidenKeyGroups<KvGroupQ8>(keys, shape.HeadDim, to);
                break;
            default:
                WidenKeyGroups<KvGroupQ4>(keys, shape.HeadDim, to);
                break;
        }
    }

    /// <summary>Widens a block's values of one head into panels [32][16].</summary>
    public static void WidenValues(in AttentionShape shape, byte* values, float* to)
    {
        switch (shape.Cache.Value)
        {
            case DType.F16:
                Widen<StoredF16>((ushort*)values, to, shape.ValueElements);
                break;
            case DType.BF16:
                Widen<StoredBF16>((ushort*)values, to, shape.ValueElements);
                break;
            case DType.Q8_0:
                WidenValueGroups<KvGroupQ8>(values, shape.PaddedValueDim, to);
                break;
            default:
                WidenValueGroups<KvGroupQ4>(values, shape.PaddedValueDim, to);
                break;
        }
    }

    private static float* Keys(in AttentionShape shape, byte* head, float* scratch)
    {
        if (shape.Cache.Key == DType.F32)
            return (float*)head;
        WidenKeys(shape, head, scratch);
        return scratch;
    }

    private static float* Values(in AttentionShape shape, byte* head, float* scratch)
    {
        if (shape.Cache.Value == DType.F32)
            return (float*)(head + shape.KeyBytes);
        WidenValues(shape, head + shape.KeyBytes, scratch);
        return scratch;
    }

    // The count is a multiple of 16.
    private static void Widen<TStored>(ushort* from, float* to, int count)
        where TStored : IStoredFloat<ushort>
    {
        for (int i = 0; i < count; i += 8)
            TStored.Load8(from + i).Store(to + i);
    }

    private static void WidenKeyGroups<TGroup>(byte* keys, int headDim, float* to)
        where TGroup : struct, IKvGroup
    {
        for (int panel = 0; panel < 2; panel++)
        {
            for (int d = 0; d < headDim; d += KvTypes.GroupElements)
            {
                ushort* scales = (ushort*)keys;
                Vector256<float> scale0 = StoredF16.Load8(scales), scale1 = StoredF16.Load8(scales + 8), minimum0 = default, minimum1 = default;
                if (TGroup.HasMinimum)
                {
                    minimum0 = StoredF16.Load8(scales + 16);
                    minimum1 = StoredF16.Load8(scales + 24);
                }

                keys += 16 * TGroup.ScaleBytes;
                int count = Math.Min(KvTypes.GroupElements, headDim - d);
                for (int e = 0; e < count; e += 2, keys += TGroup.PairBytes, to += 16)
                {
                    TGroup.Pair8(keys, out Vector256<float> first, out Vector256<float> second);
                    TGroup.Value(first, scale0, minimum0).Store(to);
                    Vector256<float> odd = TGroup.Value(second, scale0, minimum0);
                    TGroup.Pair8(keys + 8, out first, out second);
                    TGroup.Value(first, scale1, minimum1).Store(to + 8);
                    if (e + 1 == count)
                        continue;
                    to += 16;
                    odd.Store(to);
                    TGroup.Value(second, scale1, minimum1).Store(to + 8);
                }
            }
        }
    }

    private static void WidenValueGroups<TGroup>(byte* values, int paddedDim, float* to)
        where TGroup : struct, IKvGroup
    {
        for (int d = 0; d < paddedDim; d += KvTypes.GroupElements, to += 2 * KvBlocks.Tokens * 16)
        {
            ushort* scales = (ushort*)values;
            values += KvBlocks.Tokens * TGroup.ScaleBytes;
            bool whole = paddedDim - d > 16;
            for (int slot = 0; slot < KvBlocks.Tokens; slot++, values += TGroup.PairBytes)
            {
                Vector256<float> scale = Vector256.Create(StoredF16.Load(scales + slot));
                Vector256<float> minimum = TGroup.HasMinimum ? Vector256.Create(StoredF16.Load(scales + KvBlocks.Tokens + slot)) : default;
                float* row = to + (slot * 16);
                for (int i = 0; i < 16; i += 8)
                {
                    TGroup.Pair8(values + i, out Vector256<float> first, out Vector256<float> second);
                    TGroup.Value(first, scale, minimum).Store(row + i);
                    if (whole)
                        TGroup.Value(second, scale, minimum).Store(row + (KvBlocks.Tokens * 16) + i);
                }
            }
        }
    }
}
