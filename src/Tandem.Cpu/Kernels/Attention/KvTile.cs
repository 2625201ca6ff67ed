namespace Tandem.Cpu;

/// <summary>The keys and values of one tile of 64 positions and one head, in f32: two blocks of the cache in place, or widened into scratch memory.</summary>
internal unsafe struct KvTile
{
    /// <summary>Keys 0 to 31 as 2 panels [D][16].</summary>
    public float* Keys0;

    /// <summary>Keys 32 to 63 as 2 panels [D][16]; null if the tile ends before.</summary>
    public float* Keys1;

    /// <summary>The values as panels of 16 dimensions with the tile's keys as inner dimension.</summary>
    public RightPanels Values;

    /// <summary>Floats of scratch memory that <see cref="Open"/> may need.</summary>
    public static long ScratchFloats(in AttentionShape shape) => shape.CacheType == DType.F32 ? 0 : 2L * (shape.KeyElements + shape.ValueElements);

    /// <summary>
    /// Finds the tile that starts at position <paramref name="key"/> by the segment's block table and of which the first <paramref name="count"/> keys are wanted.
    /// Table entries beyond those are not read.
    /// </summary>
    public static KvTile Open(in AttentionShape shape, byte* cache, int* blocks, int kvHead, int key, int count, float* scratch)
    {
        int* table = blocks + (key / KvBlocks.Tokens);
        float* first = Head(shape, KvBlocks.Head(shape, cache, table[0], kvHead), scratch);
        float* second = count > KvBlocks.Tokens
            ? Head(shape, KvBlocks.Head(shape, cache, table[1], kvHead), scratch + shape.KeyElements + shape.ValueElements)
            : null;
        return new KvTile
        {
            Keys0 = first,
            Keys1 = second,
            Values = new RightPanels
            {
                First = first + shape.KeyElements,
                Second = second == null ? null : second + shape.KeyElements,
                Split = KvBlocks.Tokens,
                RowStride = 16,
                PanelStride = KvBlocks.Tokens * 16,
            },
        };
    }

    /// <summary>s[r, j] = sum over d of q[r, d] k[j, d] for the panels of columns that rows [row0, row1) see.</summary>
    public readonly void Scores(in AttentionShape shape, float* q, int stride, float* s, int row0, int row1, int* from, int* end)
    {
        PanelProduct.Scores(q, stride, shape.HeadDim, Keys0, 0, 2, s, AttentionShape.ScoreStride, row0, row1, from, end);
        if (Keys1 != null)
            PanelProduct.Scores(q, stride, shape.HeadDim, Keys1, 2, 4, s, AttentionShape.ScoreStride, row0, row1, from, end);
    }

    private static float* Head(in AttentionShape shape, byte* head, float* scratch)
    {
        if (shape.CacheType == DType.F32)
            return (float*)head;
        KvBlocks.Widen(shape.CacheType, head, scratch, shape.KeyElements + shape.ValueElements);
        return scratch;
    }
}
