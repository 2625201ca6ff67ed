using System.Runtime.InteropServices;

namespace Tandem.Graph;

/// <summary>
/// Copies between a tensor's logical order (row-major, f32) and its memory: another element type, another layout. Narrowing rounds to nearest, ties to even.
/// Ranges of elements can be copied by several threads; those that begin and end with whole panels (16 rows) are the fast ones.
/// </summary>
public static unsafe class Layouts
{
    /// <summary>Columns of a panel of <see cref="Layout.Panel16"/> and <see cref="Layout.Panel16Transposed"/>.</summary>
    public const int PanelWidth = 16;

    // 4 KB of a panel in f32: stays in the first-level cache between its two copies.
    private const int TileColumns = 64;

    /// <summary>Writes row-major elements into a buffer of this type; padding becomes zero.</summary>
    public static void Pack(TensorType type, float* rows, byte* buffer)
    {
        Check(type);
        long padded = type.RowBytes / type.DType.Size();
        if (padded > type.Width)
        {
            // All padding is in the last panel.
            long last = PanelWidth * Inputs(type) * type.DType.Size();
            NativeMemory.Clear(buffer + type.RowBytes - last, (nuint)last);
        }

        Move(type, rows, 0, type.Width, buffer, pack: true);
    }

    /// <summary>Writes elements <paramref name="first"/> and on, in row-major order; padding stays as it is.</summary>
    public static void Pack(TensorType type, ReadOnlySpan<float> rows, long first, byte* buffer)
    {
        Check(type, first, rows.Length);
        fixed (float* from = rows) Move(type, from, first, rows.Length, buffer, pack: true);
    }

    /// <summary>Writes the elements of a buffer of this type in row-major order.</summary>
    public static void Unpack(TensorType type, byte* buffer, float* rows)
    {
        Check(type);
        Move(type, rows, 0, type.Width, buffer, pack: false);
    }

    /// <summary>Reads elements <paramref name="first"/> and on, in row-major order.</summary>
    public static void Unpack(TensorType type, byte* buffer, long first, Span<float> rows)
    {
        Check(type, first, rows.Length);
        fixed (float* to = rows) Move(type, to, first, rows.Length, buffer, pack: false);
    }

    /// <summary>Where row-major element <paramref name="element"/> lies in memory, in elements.</summary>
    public static long Place(TensorType type, long element)
    {
        if (type.Layout == Layout.RowMajor) return element;
        long columns = type.Width / type.Dims[0], row = element / columns, column = element % columns;

        // A panel holds 16 outputs and all inputs; which of the two the rows are is what the layouts differ in.
        (long output, long input) = type.Layout == Layout.Panel16 ? (row, column) : (column, row);
        return (((output / PanelWidth * Inputs(type)) + input) * PanelWidth) + (output % PanelWidth);
    }

    private static long Inputs(TensorType type) => type.Layout == Layout.Panel16 ? type.Width / type.Dims[0] : type.Dims[0];

    private static void Move(TensorType type, float* rows, long first, long count, byte* buffer, bool pack)
    {
        long size = type.DType.Size(), columns = type.Layout == Layout.RowMajor ? count : type.Width / type.Dims[0];
        for (long at = first, end = first + count; at < end;)
        {
            float* values = rows + (at - first);
            long row = at / columns, column = at % columns, run = 1;
            switch (type.Layout)
            {
                case Layout.RowMajor:
                    run = Math.Min(end - at, 1 << 30);
                    break;
                case Layout.Panel16Transposed:
                    run = Math.Min(Math.Min(PanelWidth - (column % PanelWidth), columns - column), end - at);
                    break;
                default:
                    int height = (int)Math.Min(PanelWidth, type.Dims[0] - row);
                    if (column != 0 || row % PanelWidth != 0 || at + (height * columns) > end) break;
                    MovePanel(type.DType, values, height, columns, buffer + (row * columns * size), pack);
                    at += height * columns;
                    continue;
            }

            Copy(type.DType, values, buffer + (Place(type, at) * size), (int)run, pack);
            at += run;
        }
    }

    // The rows of one panel of Panel16, in pieces of some columns.
    private static void MovePanel(DType dtype, float* rows, int height, long columns, byte* panel, bool pack)
    {
        float* tile = stackalloc float[PanelWidth * TileColumns];
        new Span<float>(tile, PanelWidth * TileColumns).Clear();
        for (long column = 0; column < columns; column += TileColumns)
        {
            int width = (int)Math.Min(TileColumns, columns - column);
            byte* stored = panel + (column * PanelWidth * dtype.Size());
            if (pack) Transposition.Run(rows + column, (nint)columns, height, width, tile, PanelWidth);
            Copy(dtype, tile, stored, width * PanelWidth, pack);
            if (!pack) Transposition.Run(tile, PanelWidth, width, height, rows + column, (nint)columns);
        }
    }

    private static void Copy(DType dtype, float* values, byte* stored, int count, bool pack)
    {
        var wide = new Span<float>(values, count);
        switch (dtype, pack)
        {
            case (DType.F32, true): wide.CopyTo(new Span<float>(stored, count)); break;
            case (DType.F32, false): new Span<float>(stored, count).CopyTo(wide); break;
            case (DType.BF16, true): Conversions.ToBFloat16(wide, new Span<BFloat16>(stored, count)); break;
            case (DType.BF16, false): Conversions.ToSingle(new ReadOnlySpan<BFloat16>(stored, count), wide); break;
            case (_, true): Conversions.ToHalf(wide, new Span<Half>(stored, count)); break;
            default: Conversions.ToSingle(new ReadOnlySpan<Half>(stored, count), wide); break;
        }
    }

    private static void Check(TensorType type, long first, long count)
    {
        Check(type);
        if (first < 0 || first + count > type.Width) throw new GraphException($"elements {first} to {first + count} of {type}, which has {type.Width}");
    }

    private static void Check(TensorType type)
    {
        if (type.DType is not (DType.F32 or DType.BF16 or DType.F16) || type.Layout is not (Layout.RowMajor or Layout.Panel16 or Layout.Panel16Transposed))
            throw new GraphException($"no copy between rows and {type}");
    }
}
