namespace Tandem.Graph;

/// <summary>
/// Copies between a tensor's logical order (row-major, f32) and its memory: another element type, another layout. Narrowing rounds to nearest, ties to even.
/// </summary>
public static unsafe class Layouts
{
    /// <summary>Columns of a panel of <see cref="Layout.Panel16"/> and <see cref="Layout.Panel16Transposed"/>.</summary>
    public const int PanelWidth = 16;

    /// <summary>Writes row-major elements into a buffer of this type; padding becomes zero.</summary>
    public static void Pack(TensorType type, float* rows, byte* buffer)
    {
        Check(type);
        if (type.Layout != Layout.RowMajor) System.Runtime.InteropServices.NativeMemory.Clear(buffer, (nuint)type.RowBytes);
        for (long i = 0; i < type.Width; i++) Store(type.DType, buffer, Place(type, i), rows[i]);
    }

    /// <summary>Writes elements <paramref name="first"/> and on, in row-major order; the padding of the layout stays as it is.</summary>
    public static void Pack(TensorType type, ReadOnlySpan<float> rows, long first, byte* buffer)
    {
        Check(type);
        for (int i = 0; i < rows.Length; i++) Store(type.DType, buffer, Place(type, first + i), rows[i]);
    }

    /// <summary>Writes the elements of a buffer of this type in row-major order.</summary>
    public static void Unpack(TensorType type, byte* buffer, float* rows) => Unpack(type, buffer, 0, new Span<float>(rows, checked((int)type.Width)));

    /// <summary>Reads elements <paramref name="first"/> and on, in row-major order.</summary>
    public static void Unpack(TensorType type, byte* buffer, long first, Span<float> rows)
    {
        Check(type);
        for (int i = 0; i < rows.Length; i++) rows[i] = Load(type.DType, buffer, Place(type, first + i));
    }

    /// <summary>Where row-major element <paramref name="element"/> lies in memory, in elements.</summary>
    public static long Place(TensorType type, long element)
    {
        if (type.Layout == Layout.RowMajor) return element;
        long columns = type.Width / type.Dims[0], row = element / columns, column = element % columns;

        // A panel holds 16 outputs and all inputs; which of the two the rows are is what the layouts differ in.
        (long output, long input, long inputs) = type.Layout == Layout.Panel16 ? (row, column, columns) : (column, row, type.Dims[0]);
        return (((output / PanelWidth * inputs) + input) * PanelWidth) + (output % PanelWidth);
    }

    private static float Load(DType dtype, byte* buffer, long at) => dtype switch
    {
        DType.F32 => ((float*)buffer)[at],
        DType.BF16 => ((BFloat16*)buffer)[at].ToSingle(),
        _ => (float)((Half*)buffer)[at],
    };

    private static void Store(DType dtype, byte* buffer, long at, float value)
    {
        if (dtype == DType.F32) ((float*)buffer)[at] = value;
        else if (dtype == DType.BF16) ((BFloat16*)buffer)[at] = BFloat16.FromSingle(value);
        else ((Half*)buffer)[at] = (Half)value;
    }

    private static void Check(TensorType type)
    {
        if (type.DType is not (DType.F32 or DType.BF16 or DType.F16) || type.Layout is not (Layout.RowMajor or Layout.Panel16 or Layout.Panel16Transposed))
            throw new GraphException($"no copy between rows and {type}");
    }
}
