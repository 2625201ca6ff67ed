
namespace Tandem.Cpu;

/// <summary>How the keys of a tile of two blocks are read; a constant of generated code.</summary>
internal unsafe interface IKvKeys
{
    /// <summary>What <see cref="Scores"/> reads of a block whose keys of one head are at <paramref name="keys"/>; may be widened into scratch memory.</summary>
    static abstract void* Open(in AttentionShape shape, byte* keys, float* scratch);

    /// <summary>s[r, j] = sum over d of q[r, d] k[j, d] for a block's 32 columns from <paramref name="column"/> on, at least where a row of a register tile sees one of a panel.
    /// What lies at <paramref name="next"/>, the keys of the block that is read next, may be fetched meanwhile; it may be null.</summary>
    static abstract void Scores(in AttentionShape shape, float* q, int stride, void* keys, int column, float* s, int rows, int* from, int* end, byte* next);
}

/// <summary>How the values of a tile of two blocks are read; a constant of generated code.</summary>
internal unsafe interface IKvValues
{
    /// <summary>What <see cref="Accumulate"/> reads of a block whose values of one head are at <paramref name="values"/>; may be widened into scratch memory.</summary>
    static abstract void* Open(in AttentionShape shape, byte* values, float* scratch);

    /// <summary>
    /// acc[r, d] += sum over j in [from[r], end[r]) of p[r, j] v[j, d]; keys from 32 on are those of the second block, which is not read where no row sees one.
    /// The values of the next two blocks may be fetched meanwhile; either may be null.
    /// </summary>
    static abstract void Accumulate(in AttentionShape shape, float* p, void* first, void* second, float* acc, int rows, int* from, int* end, byte* next0, byte* next1);
}

/// <summary>Plain keys where they lie: best for few rows, which read each element once or twice.</summary>
internal readonly unsafe struct KeysInPlace<T, TStored> : IKvKeys
    where T : unmanaged
    where TStored : IStoredFloat<T>
{
    /// <inheritdoc/>
    public static void* Open(in AttentionShape shape, byte* keys, float* scratch) => keys;

    /// <inheritdoc/>
    public static void Scores(in AttentionShape shape, float* q, int stride, void* keys, int column, float* s, int rows, int* from, int* end, byte* next)
    {
        KvTiles.Prefetch(next, shape.KeyBytes);
        PanelProduct.Scores<T, TStored>(q, stride, shape.HeadDim, (T*)keys, column / 16, 2, s, AttentionShape.ScoreStride, rows, from, end);
    }
}

/// <summary>Plain values where they lie.</summary>
internal readonly unsafe struct ValuesInPlace<T, TStored> : IKvValues
    where T : unmanaged
    where TStored : IStoredFloat<T>
{
    /// <inheritdoc/>
    public static void* Open(in AttentionShape shape, byte* values, float* scratch) => values;

    /// <inheritdoc/>
    public static void Accumulate(in AttentionShape shape, float* p, void* first, void* second, float* acc, int rows, int* from, int* end, byte* next0, byte* next1)
    {
        KvTiles.Prefetch(next0, shape.ValueBytes);
        KvTiles.Prefetch(next1, shape.ValueBytes);
        PanelProduct.Accumulate<T, TStored>(
            p, AttentionShape.ScoreStride, 1, KvTiles.Panels((T*)first, (T*)second), shape.PaddedValueDim / 16, acc, shape.PaddedValueDim, rows, from, end);
    }
}

/// <summary>Keys of any type, widened first: best for many rows.</summary>
internal readonly unsafe struct KeysWidened : IKvKeys
{
    /// <inheritdoc/>
    public static void* Open(in AttentionShape shape, byte* keys, float* scratch)
    {
        KvTiles.WidenKeys(shape, keys, scratch);
        return scratch;
    }

    /// <inheritdoc/>
    public static void Scores(in AttentionShape shape, float* q, int stride, void* keys, int column, float* s, int rows, int* from, int* end, byte* next) =>
        KeysInPlace<float, StoredF32>.Scores(shape, q, stride, keys, column, s, rows, from, end, null);
}

/// <summary>Values of any type, widened first.</summary>
internal readonly unsafe struct ValuesWidened : IKvValues
{
    /// <inheritdoc/>
    public static void* Open(in AttentionShape shape, byte* values, float* scratch)
    {
        KvTiles.WidenValues(shape, values, scratch);
        return scratch;
    }

    /// <inheritdoc/>
    public static void Accumulate(in AttentionShape shape, float* p, void* first, void* second, float* acc, int rows, int* from, int* end, byte* next0, byte* next1) =>
        ValuesInPlace<float, StoredF32>.Accumulate(shape, p, first, second, acc, rows, from, end, null, null);
}

/// <summary>Quantized keys where they lie, on processors with 512-bit vectors.</summary>
internal readonly unsafe struct QuantizedKeys<TGroup> : IKvKeys
    where TGroup : struct, IKvGroup
{
    /// <inheritdoc/>
    public static void* Open(in AttentionShape shape, byte* keys, float* scratch) => keys;

    /// <inheritdoc/>
    public static void Scores(in AttentionShape shape, float* q, int stride, void* keys, int column, float* s, int rows, int* from, int* end, byte* next) =>
        KvGroupProduct.Scores<TGroup>(q, stride, shape.HeadDim, (byte*)keys, column, s, rows, from, end, next);
}

/// <summary>Quantized values where they lie, on processors with 512-bit vectors.</summary>
internal readonly unsafe struct QuantizedValues<TGroup> : IKvValues
    where TGroup : struct, IKvGroup
{
    /// <inheritdoc/>
    public static void* Open(in AttentionShape shape, byte* values, float* scratch) => values;

    /// <inheritdoc/>
    public static void Accumulate(in AttentionShape shape, float* p, void* first, void* second, float* acc, int rows, int* from, int* end, byte* next0, byte* next1) =>
        KvGroupProduct.Accumulate<TGroup>(p, (byte*)first, (byte*)second, shape.PaddedValueDim, acc, rows, from, end, next0, next1);
}
