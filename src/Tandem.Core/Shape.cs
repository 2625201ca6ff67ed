using System.Globalization;

namespace Tandem;

/// <summary>The sizes of a tensor's dimensions, outermost first; immutable. No dimensions is a scalar with one element.</summary>
public readonly struct Shape : IEquatable<Shape>
{
    private readonly long[]? _dims;

    /// <summary>Creates a shape.</summary>
    /// <exception cref="TandemException">A size is negative, or the number of elements exceeds 2^63 - 1.</exception>
    public Shape(params ReadOnlySpan<long> dims)
    {
        if (!TryCount(dims, out var count))
            throw new TandemException($"shape {Format(dims)}: sizes must be 0 or more and their product at most {long.MaxValue}");
        _dims = dims.ToArray();
        Count = count;
        _nonScalar = true;
    }

    // The default value is the scalar shape, whose count is 1: store the difference.
    private readonly bool _nonScalar;

    /// <summary>Number of dimensions.</summary>
    public int Rank => Dims.Length;

    /// <summary>The sizes.</summary>
    public ReadOnlySpan<long> Dims => _dims;

    /// <summary>Number of elements: the product of the sizes, 1 for a scalar.</summary>
    public long Count
    {
        get => _nonScalar ? field : 1;
        private init;
    }

    /// <summary>Size of dimension <paramref name="index"/>; negative indices count from the end.</summary>
    public long this[int index] => Dims[index < 0 ? Rank + index : index];

    /// <summary>Bytes of a contiguous tensor of this shape.</summary>
    /// <exception cref="TandemException">The number exceeds 2^63 - 1, or rows are not whole blocks.</exception>
    public long Bytes(DType dtype)
    {
        if (Rank > 0 ? this[-1] % dtype.BlockElements() != 0 : dtype.IsBlock())
            throw new TandemException($"shape {this} of {dtype.Name()}: rows are whole blocks of {dtype.BlockElements()} elements");
        if (Count / dtype.BlockElements() > long.MaxValue / dtype.BlockBytes())
            throw new TandemException($"shape {this} of {dtype.Name()}: the size in bytes exceeds {long.MaxValue}");
        return dtype.Bytes(Count);
    }

    /// <summary>
    /// The number of elements, if the sizes are valid: none negative, and the product of those that are not 0 within 63 bits
    /// (so strides cannot overflow either).
    /// </summary>
    public static bool TryCount(ReadOnlySpan<long> dims, out long count)
    {
        count = 0;
        long product = 1;
        var empty = false;
        foreach (var dim in dims)
        {
            if (dim < 0)
                return false;
            if (dim == 0)
                empty = true;
            else if (product > long.MaxValue / dim)
                return false;
            else
                product *= dim;
        }

        count = empty ? 0 : product;
        return true;
    }

    /// <summary>Equality of all sizes.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Negation of <c>==</c>.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(Shape other) => Dims.SequenceEqual(other.Dims);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var dim in Dims)
            hash.Add(dim);
        return hash.ToHashCode();
    }

    /// <summary>For example <c>[2, 3]</c>.</summary>
    public override string ToString() => Format(Dims);

    private static string Format(ReadOnlySpan<long> dims)
    {
        var parts = new string[dims.Length];
        for (var i = 0; i < parts.Length; i++)
            parts[i] = dims[i].ToString(CultureInfo.InvariantCulture);
        return "[" + string.Join(", ", parts) + "]";
    }
}
