using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>How the elements of a matrix lie in its file, where they are not row by row in the order of the rows.</summary>
/// <param name="Rows">Row i is the stored row Rows[i]; null is the order of the rows. Of a vector, rows are its elements.</param>
/// <param name="Transposed">Columns are stored, one after another.</param>
internal readonly record struct StoredOrder(int[]? Rows, bool Transposed)
{
    /// <summary>Row by row.</summary>
    public bool IsRowMajor => Rows == null && !Transposed;
}

/// <summary>
/// One tensor of an open checkpoint: row-major elements, outermost dimension first, in mapped memory that lives as long as the checkpoint is open.
/// The address need not be aligned to the element.
/// </summary>
public sealed unsafe class StoredTensor
{
    private const long ChunkElements = 1 << 18;
    private const int BufferElements = 1024;

    private readonly MappedFile _file;
    private readonly long _offset;
    private readonly StoredOrder _order;

    internal StoredTensor(string name, StoredType type, Shape shape, MappedFile file, long offset, long bytes)
    {
        Name = name;
        Type = type;
        Shape = shape;
        Bytes = bytes;
        _file = file;
        _offset = offset;
    }

    /// <summary>A tensor of a GGUF file, whose shape is that before it was transposed.</summary>
    internal StoredTensor(string name, DType type, Shape shape, MappedFile file, long offset, long bytes, StoredOrder order)
        : this(name, type.IsBlock() ? StoredType.Block : type.ToStored(), shape, file, offset, bytes)
    {
        BlockType = type.IsBlock() ? type : null;
        _order = order;
    }

    /// <summary>The name in the checkpoint.</summary>
    public string Name { get; }

    /// <summary>The element type as stored.</summary>
    public StoredType Type { get; }

    /// <summary>How the elements are quantized where <see cref="Type"/> says they are; else null.</summary>
    public DType? BlockType { get; }

    /// <summary>The element type that tensors in memory can have without loss, or null where there is none.</summary>
    public DType? ElementType => BlockType ?? Type.ToDType();

    /// <summary>The sizes.</summary>
    public Shape Shape { get; }

    /// <summary>Size of the data in bytes.</summary>
    public long Bytes { get; }

    /// <summary>The file it is in.</summary>
    public string File => _file.Path;

    /// <summary>The first element, in a tensor whose rows are stored in their order.</summary>
    /// <exception cref="ObjectDisposedException">The checkpoint was closed.</exception>
    public byte* Pointer => _order.IsRowMajor ? _file.Range(_offset, Bytes) : throw new InvalidOperationException($"'{Name}' is stored with its rows in another order");

    // Elements of a stored row.
    private long RowElements => _order.Transposed ? Shape[0] : _order.Rows != null ? Shape.Count / _order.Rows.Length : Shape.Rank == 0 ? 1 : Shape[-1];

    /// <summary>The same tensor under another name.</summary>
    internal StoredTensor Renamed(string name) => BlockType == null && _order.IsRowMajor
        ? new(name, Type, Shape, _file, _offset, Bytes)
        : new(name, ElementType!.Value, Shape, _file, _offset, Bytes, _order);

    /// <summary>The first element of a row: of a run of the last dimension. Of a transposed matrix, of a column.</summary>
    internal byte* RowPointer(long row)
    {
        long bytes = Shape.Count == 0 ? 0 : Bytes / (Shape.Count / RowElements);
        return _file.Range(_offset + ((_order.Rows == null ? row : _order.Rows[row]) * bytes), bytes);
    }

    /// <summary>
    /// Copies all elements, row-major, converting to <paramref name="target"/>. Any type copies to itself; f64, f32, f16, bf16 and the 8-bit floats
    /// convert to f32, f16 and bf16 (to nearest, ties to even; f64 by way of f32), and so do block-quantized ones.
    /// </summary>
    /// <param name="target">The type of the destination's elements.</param>
    /// <param name="destination">Room for <c>Shape.Bytes(target)</c> bytes.</param>
    /// <param name="threads">How many threads may copy; 0 is one for each processor.</param>
    /// <exception cref="TandemException">There is no such conversion.</exception>
    public void CopyTo(DType target, void* destination, int threads = 0) => CopyTo(target, destination, 0, Shape.Count, threads);

    /// <summary>Copies <paramref name="count"/> elements from <paramref name="firstElement"/> on; else as <see cref="CopyTo(DType, void*, int)"/>.</summary>
    /// <exception cref="TandemException">There is no such conversion, or the range is not inside the tensor.</exception>
    public void CopyTo(DType target, void* destination, long firstElement, long count, int threads = 0)
    {
        if (firstElement < 0 || count < 0 || firstElement > Shape.Count - count)
            throw new TandemException($"tensor {CheckpointException.Quote(Name)}: elements {firstElement} to {firstElement + count} are not within its {Shape.Count} elements");
        if (Type.ToDType() != target && !((Type.IsConvertible() || BlockType != null) && target is DType.F32 or DType.F16 or DType.BF16))
        {
            var message = $"tensor {CheckpointException.Quote(Name)} in '{File}' is stored as {BlockType?.Name() ?? Type.Name()}, which cannot be read as {target.Name()}; "
                + "accepted: F64, F32, F16, BF16, F8_E4M3, F8_E5M2 and block-quantized types as f32, f16 or bf16, and any other type as itself";
            throw new TandemException(message);
        }

        if (count == 0)
            return;
        if (_order.Transposed)
        {
            CopyColumns(target, (byte*)destination, firstElement, count);
            return;
        }

        if (BlockType != null || _order.Rows != null)
        {
            CopyRows(target, (byte*)destination, firstElement, count);
            return;
        }

        var sourceSize = Type.Bits() / 8;
        var from = (nint)(Pointer + firstElement * sourceSize);
        var to = (nint)destination;
        var chunks = (count + ChunkElements - 1) / ChunkElements;
        if (chunks == 1 || threads == 1)
        {
            Convert(Type, (byte*)from, target, (byte*)to, count);
            return;
        }

        var options = new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount };
        Parallel.For(0, chunks, options, chunk =>
        {
            var start = chunk * ChunkElements;
            Convert(Type, (byte*)from + start * sourceSize, target, (byte*)to + start * target.Size(), Math.Min(ChunkElements, count - start));
        });
    }

    // Row by row: rows that lie in another order, or are expanded as wholes.
    private void CopyRows(DType target, byte* destination, long firstElement, long count)
    {
        using var expanded = new NativeBuffer(RowElements * sizeof(float));
        var floats = (float*)expanded.Pointer;
        for (long at = firstElement, end = firstElement + count; at < end;)
        {
            long row = at / RowElements, column = at % RowElements, run = Math.Min(RowElements - column, end - at);
            if (BlockType is { } block)
            {
                Blocks.Decode(block, new ReadOnlySpan<byte>(RowPointer(row), (int)block.Bytes(RowElements)), new Span<float>(floats, (int)RowElements));
                Convert(StoredType.F32, (byte*)(floats + column), target, destination, run);
            }
            else
            {
                Convert(Type, RowPointer(row) + (column * (Type.Bits() / 8)), target, destination, run);
            }

            destination += run * target.Size();
            at += run;
        }
    }

    // Of each stored column the run that the range needs, spread over the rows. Blocks are expanded as wholes.
    private void CopyColumns(DType target, byte* destination, long firstElement, long count)
    {
        long columns = Shape[-1], end = firstElement + count, block = BlockType?.BlockElements() ?? 1;
        int size = target.Size();
        long firstRow = firstElement / columns / block * block, lastRow = Math.Min(Shape[0], (((end - 1) / columns / block) + 1) * block);
        int run = checked((int)(lastRow - firstRow));
        using var expanded = new NativeBuffer((long)run * sizeof(float));
        using var converted = new NativeBuffer((long)run * size);
        for (long column = 0; column < columns; column++)
        {
            byte* stored = RowPointer(column);
            if (BlockType is { } type)
            {
                Blocks.Decode(type, new ReadOnlySpan<byte>(stored + type.Bytes(firstRow), (int)type.Bytes(run)), new Span<float>(expanded.Pointer, run));
                Convert(StoredType.F32, expanded.Pointer, target, converted.Pointer, run);
            }
            else
            {
                Convert(Type, stored + (firstRow * (Type.Bits() / 8)), target, converted.Pointer, run);
            }

            for (long row = firstRow; row < lastRow; row++)
            {
                long element = (row * columns) + column;
                if (element < firstElement || element >= end) continue;
                Buffer.MemoryCopy(converted.Pointer + ((row - firstRow) * size), destination + ((element - firstElement) * size), size, size);
            }
        }
    }

    private static void Convert(StoredType type, byte* source, DType target, byte* destination, long count)
    {
        if (type.ToDType() == target)
        {
            Buffer.MemoryCopy(source, destination, count * target.Size(), count * target.Size());
            return;
        }

        var buffer = stackalloc float[BufferElements];
        var sourceSize = type.Bits() / 8;
        for (long i = 0; i < count; i += BufferElements)
        {
            var n = (int)Math.Min(BufferElements, count - i);
            var floats = target == DType.F32 ? new Span<float>(destination + i * 4, n) : new Span<float>(buffer, n);
            Widen(type, new ReadOnlySpan<byte>(source + i * sourceSize, n * sourceSize), floats);
            if (target == DType.BF16)
                Conversions.ToBFloat16(floats, new Span<BFloat16>(destination + i * 2, n));
            else if (target == DType.F16)
                Conversions.ToHalf(floats, new Span<Half>(destination + i * 2, n));
        }
    }

    private static void Widen(StoredType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case StoredType.F64:
                for (var i = 0; i < destination.Length; i++)
                    destination[i] = (float)MemoryMarshal.Read<double>(source[(i * 8)..]);
                break;
            case StoredType.F32:
                source.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case StoredType.F16:
                Conversions.ToSingle(MemoryMarshal.Cast<byte, Half>(source), destination);
                break;
            case StoredType.BF16:
                Conversions.ToSingle(MemoryMarshal.Cast<byte, BFloat16>(source), destination);
                break;
            case StoredType.F8E4M3:
                Conversions.ToSingle(MemoryMarshal.Cast<byte, Float8E4M3>(source), destination);
                break;
            case StoredType.F8E5M2:
                Conversions.ToSingle(MemoryMarshal.Cast<byte, Float8E5M2>(source), destination);
                break;
            default:
                throw new InvalidOperationException($"a bug: no widening of {type}, which the caller should have refused");
        }
    }
}
