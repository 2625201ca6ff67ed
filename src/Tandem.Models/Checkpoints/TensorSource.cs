using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>
/// A tensor to be written: name, type, shape and where its bytes come from. The bytes are asked for in order, in pieces of whole elements,
/// so a tensor can be converted or unpacked while it is written and never exists twice.
/// </summary>
public sealed unsafe class TensorSource
{
    private readonly Fill _fill;

    /// <summary>Creates a source of computed bytes.</summary>
    /// <exception cref="TandemException">The name is empty or reserved, or the size does not fit in 63 bits.</exception>
    public TensorSource(string name, DType type, Shape shape, Fill fill)
    {
        if (string.IsNullOrEmpty(name) || name == "__metadata__")
            throw new TandemException($"tensor name '{name}': accepted are names that are not empty and not __metadata__");
        Name = name;
        Type = type;
        Shape = shape;
        Bytes = shape.Bytes(type);
        _fill = fill ?? throw new ArgumentNullException(nameof(fill));
    }

    /// <summary>Writes the elements from <paramref name="firstElement"/> on into <paramref name="destination"/>, which holds whole elements, row-major.</summary>
    public delegate void Fill(long firstElement, Span<byte> destination);

    /// <summary>The name in the checkpoint.</summary>
    public string Name { get; }

    /// <summary>The element type in the checkpoint.</summary>
    public DType Type { get; }

    /// <summary>The sizes.</summary>
    public Shape Shape { get; }

    /// <summary>Size of the data in bytes.</summary>
    public long Bytes { get; }

    /// <summary>A source over native memory that already holds the elements, row-major.</summary>
    public static TensorSource FromMemory(string name, DType type, Shape shape, void* data)
    {
        var from = (nint)data;
        return new(name, type, shape, (first, destination) => new ReadOnlySpan<byte>((byte*)from + first * type.Size(), destination.Length).CopyTo(destination));
    }

    /// <summary>A source over row-major f32 in native memory, written as f32, f16 or bf16 (to nearest, ties to even).</summary>
    /// <exception cref="TandemException">Another type is asked for.</exception>
    public static TensorSource FromFloats(string name, DType type, Shape shape, float* data)
    {
        if (type is not (DType.F32 or DType.F16 or DType.BF16))
            throw new TandemException($"tensor '{name}': f32 cannot be written as {type.Name()}; accepted: f32, f16, bf16");
        var from = (nint)data;
        return new(name, type, shape, (first, destination) =>
        {
            var source = new ReadOnlySpan<float>((float*)from + first, destination.Length / type.Size());
            if (type == DType.F32)
                MemoryMarshal.AsBytes(source).CopyTo(destination);
            else if (type == DType.F16)
                Conversions.ToHalf(source, MemoryMarshal.Cast<byte, Half>(destination));
            else
                Conversions.ToBFloat16(source, MemoryMarshal.Cast<byte, BFloat16>(destination));
        });
    }

    internal void Read(long firstElement, Span<byte> destination) => _fill(firstElement, destination);
}
