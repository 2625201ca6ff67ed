using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tandem.Cpu;

/// <summary>
/// The three products of a linear layer with W [N, K] in panels of 16 (see <see cref="PanelWeight"/>), each cut into items that any worker may do.
/// Every element is one ascending chain: forward over K, input gradient over N, weight gradient over tokens, continuing the accumulator.
/// An item goes through the inner dimension in blocks; for each, its rows of the left operand are copied close together, then one panel after the other
/// of the right operand is brought into f32 order, and meets all rows while it is in the first-level cache.
/// </summary>
internal static unsafe partial class MatMul
{
    /// <summary>Inner terms of a block: 16 KB of a panel, which with 6 rows of the left operand fits the first-level cache.</summary>
    public const int InnerBlock = 256;

    // The scratch of a worker: rows of the left operand, and a panel.
    private const int PanelOffset = ItemGrid.MaxRows * InnerBlock;

    /// <summary>Bytes of scratch that a worker needs for any of the products.</summary>
    public static long ScratchBytes => sizeof(float) * (PanelOffset + (InnerBlock * MicroKernel.Columns));

    /// <summary>Panels of a matrix of <paramref name="columns"/> columns.</summary>
    public static int Panels(int columns) => (columns + MicroKernel.Columns - 1) / MicroKernel.Columns;

    // Nearly equal blocks: 300 terms are 152 + 148, not 256 + 44.
    private static int BlockLength(int inner)
    {
        int blocks = Math.Max(1, (inner + InnerBlock - 1) / InnerBlock);
        return (((inner + blocks - 1) / blocks) + 7) & ~7;
    }

    /// <summary>C[0..rows-1, 0..columns-1] = (load ? C : 0) + A times part of a panel, in tiles of nearly equal height.</summary>
    public static void Tiles<T, TStored>(float* a, nint lda, T* b, int count, float* c, nint ldc, int rows, int columns, bool load)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        int tiles = (rows + MicroKernel.Rows - 1) / MicroKernel.Rows;
        for (int i = 0; i < rows; tiles--)
        {
            int m = (rows - i + tiles - 1) / tiles;
            if (columns == MicroKernel.Columns) MicroKernel.Tile<T, TStored>(a + (i * lda), lda, b, count, c + (i * ldc), ldc, m, load);
            else MicroKernel.PartialTile<T, TStored>(a + (i * lda), lda, b, count, c + (i * ldc), ldc, m, columns, load);
            i += m;
        }
    }

    // The same for rows of A that lie in the scratch and a panel in f32. While a tile is computed, the next one's sums come to the first-level cache,
    // and a share of the next panel to the second, since the first has no room for it.
    private static void Tiles(float* a, float* b, int count, float* c, nint ldc, int rows, int columns, bool load, Ahead next)
    {
        int height = Vector512.IsHardwareAccelerated ? MicroKernel512.Rows : MicroKernel.Rows;
        int tiles = (rows + height - 1) / height, share = (next.Lines + tiles - 1) / tiles;
        for (int i = 0; i < rows; tiles--)
        {
            int m = (rows - i + tiles - 1) / tiles;
            float* to = c + (i * ldc);
            for (int j = i + m; Sse.IsSupported && j < Math.Min(i + (2 * m), rows); j++) Sse.Prefetch0(c + (j * ldc));
            next.Fetch(share);
            Tile<float, StoredF32>(a + (i * InnerBlock), b, count, to, ldc, m, columns, load);
            i += m;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile<T, TStored>(float* a, T* b, int count, float* c, nint ldc, int rows, int columns, bool load)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        if (columns < MicroKernel.Columns) PartialTile<T, TStored>(a, b, count, c, ldc, rows, columns, load);
        else WholeTile<T, TStored>(a, b, count, c, ldc, rows, load);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WholeTile<T, TStored>(float* a, T* b, int count, float* c, nint ldc, int rows, bool load)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        if (Vector512.IsHardwareAccelerated) MicroKernel512.Tile<T, TStored>(a, b, count, c, ldc, rows, load);
        else MicroKernel.Tile<T, TStored>(a, InnerBlock, b, count, c, ldc, rows, load);
    }

    private static void PartialTile<T, TStored>(float* a, T* b, int count, float* c, nint ldc, int rows, int columns, bool load)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        float* tile = stackalloc float[MicroKernel512.MaxRows * MicroKernel.Columns];
        for (int i = 0; load && i < rows; i++)
            for (int j = 0; j < columns; j++) tile[(i * MicroKernel.Columns) + j] = c[(i * ldc) + j];
        WholeTile<T, TStored>(a, b, count, tile, MicroKernel.Columns, rows, load);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) c[(i * ldc) + j] = tile[(i * MicroKernel.Columns) + j];
    }

    // Lines of memory that will be read next: segments of some lines, a stride apart.
    private struct Ahead
    {
        private readonly int _linesPerSegment;
        private readonly nint _stride;
        private byte* _segment;
        private int _segmentsLeft;
        private int _line;

        public Ahead(void* pointer, int segments, int linesPerSegment, nint stride)
        {
            _segment = (byte*)pointer;
            _segmentsLeft = segments;
            _linesPerSegment = linesPerSegment;
            _stride = stride;
        }

        public readonly int Lines => _segmentsLeft * _linesPerSegment;

        public void Fetch(int count)
        {
            for (; Sse.IsSupported && count > 0 && _segmentsLeft > 0; count--)
            {
                Sse.Prefetch1(_segment + (_line * 64));
                if (++_line < _linesPerSegment) continue;
                _line = 0;
                _segment += _stride;
                _segmentsLeft--;
            }
        }
    }
}
