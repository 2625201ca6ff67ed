namespace Tandem.Models;

/// <summary>
/// A tensor of an open model as a GGUF file holds it: under its name there, its rows in the order there. It can be read in any type of floats, row by row, whatever it is
/// stored as.
/// </summary>
public sealed unsafe class GgufTensorView
{
    private const int GroupRows = 16;

    private readonly StoredTensor? _stored;
    private readonly float[]? _values;
    private readonly int[]? _rows;
    private readonly bool _transposed;

    /// <summary>A tensor of an open file.</summary>
    /// <param name="name">The name in GGUF files.</param>
    /// <param name="stored">The tensor.</param>
    /// <param name="type">Its element type in a file that is to lose nothing.</param>
    /// <param name="rows">The stored row that each row is; null is the same.</param>
    /// <param name="transposed">Whether rows are the stored columns.</param>
    internal GgufTensorView(string name, StoredTensor stored, DType type, int[]? rows, bool transposed)
    {
        Name = name;
        Type = type;
        Shape = transposed ? new Shape(stored.Shape[1], stored.Shape[0]) : stored.Shape;
        _stored = stored;
        _rows = rows;
        _transposed = transposed;
    }

    /// <summary>A tensor of computed numbers, f32.</summary>
    internal GgufTensorView(string name, float[] values)
    {
        Name = name;
        Type = DType.F32;
        Shape = new Shape(values.Length);
        _values = values;
    }

    /// <summary>The name in GGUF files.</summary>
    public string Name { get; }

    /// <summary>The element type in a file that is to lose nothing.</summary>
    public DType Type { get; }

    /// <summary>The sizes, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>Elements of a row.</summary>
    public int RowElements => Shape.Rank == 0 ? 1 : checked((int)Shape[-1]);

    /// <summary>The tensor in the type it has, or in f32, f16 or bf16.</summary>
    public TensorSource As(DType type) => new(Name, type, Shape, (first, destination) =>
    {
        fixed (byte* to = destination)
        {
            nint target = (nint)to;
            if (type == _stored?.BlockType)
            {
                for (long row = first / RowElements, bytes = type.Bytes(RowElements); row * RowElements < first + (destination.Length / type.BlockBytes() * (long)type.BlockElements()); row++)
                    Buffer.MemoryCopy(_stored.RowPointer(row), (byte*)target + ((row - (first / RowElements)) * bytes), bytes, bytes);
                return;
            }

            long rows = destination.Length / type.Size() / Math.Max(1, RowElements), firstRow = first / Math.Max(1, RowElements), rowBytes = RowElements * (long)type.Size();
            Parallel.For(0, (rows + GroupRows - 1) / GroupRows, group =>
                ReadRows(type, firstRow + (group * GroupRows), (int)Math.Min(GroupRows, rows - (group * GroupRows)), (byte*)target + (group * GroupRows * rowBytes)));
        }
    });

    /// <summary>Reads some rows.</summary>
    /// <param name="type">f32, f16 or bf16, or the stored type.</param>
    /// <param name="firstRow">The first row.</param>
    /// <param name="count">How many.</param>
    /// <param name="destination">Room for them.</param>
    internal void ReadRows(DType type, long firstRow, int count, byte* destination)
    {
        int size = type.Size(), columns = RowElements;
        if (_values != null)
        {
            fixed (float* values = _values) Buffer.MemoryCopy(values + firstRow * columns, destination, (long)count * columns * size, (long)count * columns * size);
        }
        else if (_transposed)
        {
            byte* across = stackalloc byte[GroupRows * 8];
            for (long at = 0; at < count; at += GroupRows)
            {
                int width = (int)Math.Min(GroupRows, count - at);
                for (long k = 0; k < columns; k++)
                {
                    _stored!.CopyTo(type, across, (k * Shape[0]) + firstRow + at, width, threads: 1);
                    for (int i = 0; i < width; i++) Buffer.MemoryCopy(across + (i * size), destination + ((((at + i) * columns) + k) * size), size, size);
                }
            }
        }
        else if (_rows == null)
        {
            _stored!.CopyTo(type, destination, firstRow * columns, (long)count * columns, threads: 1);
        }
        else
        {
            // Of a vector, rows are its elements.
            int run = checked((int)(Shape.Count / _rows.Length));
            for (long i = 0; i < (long)count * columns / run; i++)
                _stored!.CopyTo(type, destination + (i * run * size), _rows[(firstRow * columns / run) + i] * (long)run, run, threads: 1);
        }
    }
}
