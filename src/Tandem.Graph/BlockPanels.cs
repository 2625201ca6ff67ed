namespace Tandem.Graph;

/// <summary>
/// Block-quantized matrices in <see cref="Layout.Panel16"/>: for each block of the inner dimension the blocks of 16 rows, byte for byte what the file has, in another order.
/// A block has fields (scales, low bits, high bits); of each field, pieces of some bytes stand row beside row, so that one vector meets 16 rows with the same
/// elements. Types without a product of their own keep their blocks whole, one after another.
/// </summary>
public static unsafe class BlockPanels
{
    /// <summary>Rows of a panel.</summary>
    public const int Rows = 16;

    private const int MaxBlockBytes = 292;

    private static readonly Field[][] Table = [.. DTypes.All.Select(FieldsOf)];

    /// <summary>Bytes of the 16 blocks that stand together.</summary>
    public static int GroupBytes(DType type) => Rows * type.BlockBytes();

    /// <summary>Writes rows of a matrix into a panel.</summary>
    /// <param name="type">The element type, one of blocks.</param>
    /// <param name="rows">The rows' blocks as in a file; a null pointer is a row of zero bytes.</param>
    /// <param name="numBlocks">Blocks of a row.</param>
    /// <param name="panel">The panel.</param>
    public static void Pack(DType type, ReadOnlySpan<nint> rows, int numBlocks, byte* panel)
    {
        int block = type.BlockBytes();
        byte* zero = stackalloc byte[MaxBlockBytes];
        new Span<byte>(zero, MaxBlockBytes).Clear();
        ReadOnlySpan<Field> fields = Fields(type);
        for (int b = 0; b < numBlocks; b++, panel += Rows * block)
        {
            for (int row = 0; row < Rows; row++)
            {
                byte* source = row < rows.Length && rows[row] != 0 ? (byte*)rows[row] + ((nint)b * block) : zero;
                foreach (Field field in fields) Interleave(field, source + field.Offset, panel + (Rows * field.Offset) + (row * field.Piece));
            }
        }
    }

    /// <summary>A block of one row of a panel as in a file.</summary>
    /// <param name="type">The element type.</param>
    /// <param name="group">The group of 16 blocks.</param>
    /// <param name="row">The row, 0 to 15.</param>
    /// <param name="block">Where the block is written.</param>
    public static void ReadBlock(DType type, byte* group, int row, byte* block)
    {
        foreach (Field field in Fields(type))
        {
            byte* source = group + (Rows * field.Offset) + (row * field.Piece), target = block + field.Offset;
            for (int i = 0; i < field.Bytes; i += field.Piece, source += Rows * field.Piece) Buffer.MemoryCopy(source, target + i, field.Piece, field.Piece);
        }
    }

    /// <summary>The 16 rows of a run of blocks as f32, [elements][16].</summary>
    /// <param name="type">The element type.</param>
    /// <param name="group">The first group of 16 blocks.</param>
    /// <param name="numBlocks">Groups.</param>
    /// <param name="values">Room for 16 times the elements.</param>
    public static void Decode(DType type, byte* group, int numBlocks, float* values)
    {
        int elements = type.BlockElements();
        byte* block = stackalloc byte[MaxBlockBytes];
        float* rows = stackalloc float[Rows * elements];
        for (int b = 0; b < numBlocks; b++, group += GroupBytes(type), values += Rows * elements)
        {
            for (int row = 0; row < Rows; row++)
            {
                ReadBlock(type, group, row, block);
                Blocks.Decode(type, new ReadOnlySpan<byte>(block, type.BlockBytes()), new Span<float>(rows + (row * elements), elements));
            }

            Transposition.Run(rows, elements, Rows, elements, values, Rows);
        }
    }

    /// <summary>One row of a matrix as f32.</summary>
    /// <param name="type">The element type.</param>
    /// <param name="matrix">The matrix in panels.</param>
    /// <param name="row">The row.</param>
    /// <param name="values">Its elements, whole blocks.</param>
    public static void DecodeRow(DType type, byte* matrix, long row, Span<float> values)
    {
        int elements = type.BlockElements(), numBlocks = values.Length / elements;
        byte* block = stackalloc byte[MaxBlockBytes];
        byte* group = matrix + (row / Rows * numBlocks * GroupBytes(type));
        for (int b = 0; b < numBlocks; b++, group += GroupBytes(type))
        {
            ReadBlock(type, group, (int)(row % Rows), block);
            Blocks.Decode(type, new ReadOnlySpan<byte>(block, type.BlockBytes()), values.Slice(b * elements, elements));
        }
    }

    private static void Interleave(Field field, byte* source, byte* target)
    {
        int step = Rows * field.Piece;
        switch (field.Piece)
        {
            case 1:
                for (int i = 0; i < field.Bytes; i++, target += step) *target = source[i];
                break;
            case 2:
                for (int i = 0; i < field.Bytes; i += 2, target += step) *(ushort*)target = *(ushort*)(source + i);
                break;
            case 4:
                for (int i = 0; i < field.Bytes; i += 4, target += step) *(uint*)target = *(uint*)(source + i);
                break;
            default:
                Buffer.MemoryCopy(source, target, field.Bytes, field.Bytes);
                break;
        }
    }

    private static ReadOnlySpan<Field> Fields(DType type) => Table[(int)type];

    private static Field[] FieldsOf(DType type) => type switch
    {
        DType.Q4_0 or DType.IQ4_NL => [new(0, 2, 2), new(2, 16, 4)],
        DType.Q4_1 => [new(0, 2, 2), new(2, 2, 2), new(4, 16, 4)],
        DType.Q5_0 => [new(0, 2, 2), new(2, 4, 4), new(6, 16, 4)],
        DType.Q5_1 => [new(0, 2, 2), new(2, 2, 2), new(4, 4, 4), new(8, 16, 4)],
        DType.Q8_0 => [new(0, 2, 2), new(2, 32, 4)],
        DType.MXFP4 => [new(0, 1, 1), new(1, 16, 4)],
        DType.Q2_K => [new(0, 16, 1), new(16, 64, 4), new(80, 2, 2), new(82, 2, 2)],
        DType.Q3_K => [new(0, 32, 4), new(32, 64, 4), new(96, 12, 1), new(108, 2, 2)],
        DType.Q4_K => [new(0, 2, 2), new(2, 2, 2), new(4, 12, 1), new(16, 128, 4)],
        DType.Q5_K => [new(0, 2, 2), new(2, 2, 2), new(4, 12, 1), new(16, 32, 4), new(48, 128, 4)],
        DType.Q6_K => [new(0, 128, 4), new(128, 64, 4), new(192, 16, 1), new(208, 2, 2)],
        DType.IQ4_XS => [new(0, 2, 2), new(2, 2, 2), new(4, 4, 4), new(8, 128, 4)],
        _ => [new(0, type.BlockBytes(), type.BlockBytes())],
    };

    /// <summary>A run of a block's bytes, and how many of them stay together.</summary>
    private readonly record struct Field(int Offset, int Bytes, int Piece);
}
