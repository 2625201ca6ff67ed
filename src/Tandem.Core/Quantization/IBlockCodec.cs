namespace Tandem;

/// <summary>How one type's block is read and written. Implementations are stateless; <see cref="Blocks"/> walks rows and checks sizes and values.</summary>
internal interface IBlockCodec
{
    /// <summary>The type.</summary>
    static abstract DType Type { get; }

    /// <summary>The largest magnitude that can be written. Most types have binary16 scales: whatever binary16 can hold is certain to fit.</summary>
    static virtual float Limit => 65504;

    /// <summary>Whether blocks are only worth writing with an importance.</summary>
    static virtual bool NeedsImportance => false;

    /// <summary>The values of one block.</summary>
    /// <param name="block">The block's bytes.</param>
    /// <param name="values">As many floats as the block has elements; all are written.</param>
    static abstract void Decode(ReadOnlySpan<byte> block, Span<float> values);

    /// <summary>Writes the block that stands for some values.</summary>
    /// <param name="values">As many floats as the block has elements, finite and within the type's range.</param>
    /// <param name="weights">What the square of each element's error counts, or empty if all count the same.</param>
    /// <param name="block">The block's bytes; all are written.</param>
    static abstract void Encode(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block);
}
