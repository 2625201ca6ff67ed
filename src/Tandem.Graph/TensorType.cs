using System.Collections.Immutable;

namespace Tandem.Graph;

/// <summary>The sizes that vary from step to step. Everything else in a graph is a constant.</summary>
public enum RowSymbol : byte
{
    /// <summary>No varying outer size.</summary>
    None,

    /// <summary>T: rows of the batch.</summary>
    Tokens,

    /// <summary>Rows whose logits are wanted; at most T.</summary>
    Sampled,

    /// <summary>Key/value blocks that hold the batch's own keys when there is no cache; at most T / 32 + segments.</summary>
    KvBlocks,
}

/// <summary>How a tensor's elements lie in memory.</summary>
public enum Layout : byte
{
    /// <summary>Rows one after another.</summary>
    RowMajor,

    /// <summary>
    /// A matrix [N, K] as panels [N/16][K][16], the last panel filled up with zeros; what the matrix products read. Of block-quantized elements a panel is
    /// [K/block] groups of 16 blocks, whose bytes are interleaved (<see cref="BlockPanels"/>).
    /// </summary>
    Panel16,

    /// <summary>A matrix [K, N], as some checkpoints store it, in the memory of the <see cref="Panel16"/> of its transpose [N, K].</summary>
    Panel16Transposed,

    /// <summary>Key/value blocks of 32 tokens; what attention reads.</summary>
    KvBlock,
}

/// <summary>Element type, shape and layout of a value. The outermost size may be a <see cref="RowSymbol"/>; <see cref="Dims"/> are the constant sizes after it.</summary>
public readonly struct TensorType : IEquatable<TensorType>
{
    /// <summary>Creates a type.</summary>
    public TensorType(DType dtype, RowSymbol rows, params ReadOnlySpan<int> dims)
    {
        DType = dtype;
        Rows = rows;
        Dims = [.. dims];
        foreach (int dim in dims) ArgumentOutOfRangeException.ThrowIfNegative(dim, nameof(dims));
    }

    /// <summary>Element type.</summary>
    public DType DType { get; private init; }

    /// <summary>The varying outer size.</summary>
    public RowSymbol Rows { get; }

    /// <summary>The constant sizes.</summary>
    public ImmutableArray<int> Dims { get; }

    /// <summary>Memory layout.</summary>
    public Layout Layout { get; private init; }

    /// <summary>Product of the constant sizes: elements of one row, or of everything without a symbol.</summary>
    public long Width
    {
        get
        {
            long n = 1;
            foreach (int dim in Dims) n = checked(n * dim);
            return n;
        }
    }

    /// <summary>Bytes of one row (of everything without a symbol), padding of the layout included.</summary>
    public long RowBytes => DType.Bytes(Layout switch
    {
        Layout.Panel16 => (long)PaddedTo16(Dims[0]) * (Width / Math.Max(1, Dims[0])),
        Layout.Panel16Transposed => Dims[0] * (long)PaddedTo16((int)(Width / Math.Max(1, Dims[0]))),
        _ => Width,
    });

    /// <summary>The next multiple of 16.</summary>
    public static int PaddedTo16(int n) => (n + 15) & ~15;

    /// <summary>The same type in another layout.</summary>
    public TensorType With(Layout layout) => this with { Layout = layout };

    /// <summary>The same type with another element type.</summary>
    public TensorType With(DType dtype) => this with { DType = dtype };

    /// <inheritdoc/>
    public bool Equals(TensorType other) =>
        DType == other.DType && Rows == other.Rows && Layout == other.Layout && Dims.AsSpan().SequenceEqual(other.Dims.AsSpan());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is TensorType other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add((DType, Rows, Layout));
        foreach (int dim in Dims) hash.Add(dim);
        return hash.ToHashCode();
    }

    /// <summary>Equality of all parts.</summary>
    public static bool operator ==(TensorType left, TensorType right) => left.Equals(right);

    /// <summary>Negated equality.</summary>
    public static bool operator !=(TensorType left, TensorType right) => !left.Equals(right);

    /// <summary>For example <c>f32[T,576]</c> or <c>bf16[2048,576]:panel16</c>.</summary>
    public override string ToString()
    {
        string rows = Rows switch { RowSymbol.Tokens => "T", RowSymbol.Sampled => "S", RowSymbol.KvBlocks => "B", _ => "" };
        string dims = string.Join(',', Dims);
        string inner = rows.Length > 0 && dims.Length > 0 ? rows + "," + dims : rows + dims;
        string layout = Layout == Layout.RowMajor ? "" : ":" + Layout.ToString().ToLowerInvariant();
        return $"{DType.Name()}[{inner}]{layout}";
    }
}
