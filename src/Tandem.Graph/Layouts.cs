namespace Tandem.Graph;

/// <summary>Copies between a tensor's logical order (rows one after another) and its layout in memory. f32 for now, as weights are.</summary>
public static unsafe class Layouts
{
    /// <summary>Columns of a panel of <see cref="Layout.Panel16"/>.</summary>
    public const int PanelWidth = 16;

    /// <summary>Writes row-major elements into a buffer of this type; padding becomes zero.</summary>
    public static void Pack(TensorType type, float* rows, byte* buffer)
    {
        float* to = (float*)Checked(type, buffer);
        if (type.Layout == Layout.RowMajor)
        {
            System.Buffer.MemoryCopy(rows, to, type.RowBytes, type.RowBytes);
            return;
        }

        int n = type.Dims[0];
        long k = type.Width / n;
        for (int row = 0; row < TensorType.PaddedTo16(n); row++)
        {
            float* lane = to + (row / PanelWidth * k * PanelWidth) + (row % PanelWidth);
            for (long i = 0; i < k; i++) lane[i * PanelWidth] = row < n ? rows[(row * k) + i] : 0;
        }
    }

    /// <summary>Writes the elements of a buffer of this type in row-major order.</summary>
    public static void Unpack(TensorType type, byte* buffer, float* rows)
    {
        float* from = (float*)Checked(type, buffer);
        if (type.Layout == Layout.RowMajor)
        {
            System.Buffer.MemoryCopy(from, rows, type.RowBytes, type.RowBytes);
            return;
        }

        int n = type.Dims[0];
        long k = type.Width / n;
        for (int row = 0; row < n; row++)
        {
            float* lane = from + (row / PanelWidth * k * PanelWidth) + (row % PanelWidth);
            for (long i = 0; i < k; i++) rows[(row * k) + i] = lane[i * PanelWidth];
        }
    }

    private static byte* Checked(TensorType type, byte* buffer) =>
        type.DType == DType.F32 && type.Layout is Layout.RowMajor or Layout.Panel16
            ? buffer
            : throw new GraphException($"no copy between rows and {type}");
}
