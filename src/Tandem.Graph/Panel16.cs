namespace Tandem.Graph;

/// <summary>Copies between rows [N, K] and panels [N/16][K][16] of 32-bit elements; see <see cref="Layout.Panel16"/>.</summary>
public static unsafe class Panel16
{
    /// <summary>Columns of a panel.</summary>
    public const int Width = 16;

    /// <summary>Fills panels from rows; lanes beyond N become zero.</summary>
    public static void Pack(float* rows, float* panels, int n, int k)
    {
        for (int panel = 0; panel * Width < n; panel++)
        {
            float* to = panels + ((long)panel * k * Width);
            for (int lane = 0; lane < Width; lane++)
            {
                int row = (panel * Width) + lane;
                float* from = rows + ((long)row * k);
                for (int i = 0; i < k; i++) to[(i * Width) + lane] = row < n ? from[i] : 0;
            }
        }
    }

    /// <summary>Fills rows from panels.</summary>
    public static void Unpack(float* panels, float* rows, int n, int k)
    {
        for (int row = 0; row < n; row++)
        {
            float* from = panels + ((long)(row / Width) * k * Width) + (row % Width);
            float* to = rows + ((long)row * k);
            for (int i = 0; i < k; i++) to[i] = from[(long)i * Width];
        }
    }
}
