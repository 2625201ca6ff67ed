using System.Runtime.CompilerServices;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// The logical matrix [rows, columns] behind a layout, for updates that are not elementwise; a vector is one row. An element's place is the start of its row,
/// plus steps over blocks of 16 columns, plus steps inside the block.
/// </summary>
internal readonly struct MatrixView
{
    private readonly Layout _layout;
    private readonly long _blockStep;
    private readonly long _step;

    public MatrixView(TensorType type)
    {
        Rows = type.Dims.Length == 2 ? type.Dims[0] : 1;
        Columns = type.Dims.Length == 2 ? type.Dims[1] : (int)type.Width;
        _layout = type.Layout;
        (_blockStep, _step) = type.Layout switch
        {
            Layout.Panel16 => (16L * 16, 16L),
            Layout.Panel16Transposed => (16L * Rows, 1L),
            _ => (16L, 1L),
        };
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Number of columns.</summary>
    public int Columns { get; }

    /// <summary>Where a row starts in memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Row(int row) => _layout switch
    {
        Layout.Panel16 => (((long)row / 16 * Columns) * 16) + (row % 16),
        Layout.Panel16Transposed => 16L * row,
        _ => (long)row * Columns,
    };

    /// <summary>How far after the row's start a column lies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Column(int column) => ((column >> 4) * _blockStep) + ((column & 15) * _step);

    /// <summary>The row-major number of the element at a place in memory; of a padding lane, any number.</summary>
    public long ElementAt(long place)
    {
        if (_layout == Layout.RowMajor) return place;
        long block = place / 16, lane = place % 16;
        return _layout == Layout.Panel16
            ? (((block / Columns * 16) + lane) * Columns) + (block % Columns)
            : (block % Rows * Columns) + (block / Rows * 16) + lane;
    }
}
