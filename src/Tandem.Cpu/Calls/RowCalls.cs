using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>A call whose items are groups of rows of operand 0; each row of the results depends on the same row of the operands only.</summary>
internal abstract unsafe class RowCall(BoundNode node) : KernelCall
{
    public const int RowsPerItem = 16;

    protected BoundNode Bound { get; } = node;

    /// <summary>Rows of this step.</summary>
    public virtual int NumRows => Bound.Rows;

    public override int Items => (NumRows + RowsPerItem - 1) / RowsPerItem;

    public override void Run(int item, int worker)
    {
        int first = item * RowsPerItem;
        Run(first, Math.Min(RowsPerItem, NumRows - first), worker);
    }

    /// <summary>Does rows first .. first + count - 1.</summary>
    public abstract void Run(int first, int count, int worker);
}

/// <summary>A call whose items are groups of columns, each going through the rows in order.</summary>
internal abstract unsafe class ColumnCall(BoundNode node, int columns) : KernelCall
{
    private const int ColumnsPerItem = 64;

    protected BoundNode Bound { get; } = node;

    public override int Items => (columns + ColumnsPerItem - 1) / ColumnsPerItem;

    public override void Run(int item, int worker)
    {
        int first = item * ColumnsPerItem;
        RunColumns(first, Math.Min(ColumnsPerItem, columns - first));
    }

    protected abstract void RunColumns(int first, int count);
}

/// <summary>A call that can do any run of elements, and so any rectangle.</summary>
internal abstract unsafe class ElementwiseCall(BoundNode node, long width) : RowCall(node)
{
    public override void Run(int first, int count, int worker) => Run(first * width, count * width);

    /// <summary>Does the elements of a rectangle.</summary>
    public void Run(Tile tile)
    {
        int columns = tile.LastColumn - tile.FirstColumn;
        if (columns == width)
        {
            Run(tile.FirstRow * width, (tile.LastRow - tile.FirstRow) * width);
            return;
        }

        for (int row = tile.FirstRow; row < tile.LastRow; row++) Run((row * width) + tile.FirstColumn, columns);
    }

    protected abstract void Run(long first, long count);
}

internal sealed unsafe class AddCall(BoundNode node) : ElementwiseCall(node, node.InType(0).Width)
{
    protected override void Run(long first, long count) => Elementwise.Add(first, count, Bound.In(0), Bound.In(1), Bound.Out());
}

internal sealed unsafe class QuantizeRowsCall(BoundNode node) : RowCall(node)
{
    private readonly int _width = node.InType(0).Dims[0];
    private readonly long _rowBytes = node.OutType().RowBytes;

    public override void Run(int first, int count, int worker)
    {
        for (int row = first; row < first + count; row++)
        {
            float* x = Bound.In(0) + ((long)row * _width);
            byte* blocks = (byte*)Bound.Out() + (row * _rowBytes);
            if (Bound.OutType().DType == DType.Q8_F) RowQuantizer.Small(x, _width, blocks);
            else RowQuantizer.Large(x, _width, blocks);
        }
    }
}

internal sealed unsafe class BiasGradCall(BoundNode node) : ColumnCall(node, (int)node.InType(1).Width)
{
    private readonly int _width = (int)node.InType(1).Width;

    protected override void RunColumns(int first, int count) => Bias.Gradient(first, count, Bound.Rows, _width, Bound.In(0), Bound.In(1));
}

// Norms over heads see each head as a row.
internal sealed unsafe class RmsNormCall(BoundNode node) : RowCall(node)
{
    private readonly RmsNorm _op = (RmsNorm)node.Node.Op;
    private readonly int _width = (int)node.InType(1).Width;
    private readonly int _perRow = (int)(node.InType(0).Width / node.InType(1).Width);

    public override void Run(int first, int count, int worker) =>
        RmsNormKernel.Forward(first * _perRow, count * _perRow, _width, Bound.In(0), Bound.In(1), _op.Offset, _op.Eps, Bound.Out(0), Bound.Out(1));
}

internal sealed unsafe class RmsNormGradCall(BoundNode node) : RowCall(node)
{
    private readonly RmsNormGrad _op = (RmsNormGrad)node.Node.Op;
    private readonly int _width = (int)node.InType(2).Width;
    private readonly int _perRow = (int)(node.InType(1).Width / node.InType(2).Width);

    public override void Run(int first, int count, int worker) => RmsNormKernel.Backward(
        first * _perRow, count * _perRow, _width, Bound.In(1), Bound.In(2), _op.Offset, Bound.In(3), Bound.In(0), Bound.In(4), Bound.Out());
}

internal sealed unsafe class RmsNormWeightGradCall(BoundNode node) : ColumnCall(node, (int)node.InType(3).Width)
{
    private readonly int _width = (int)node.InType(3).Width;
    private readonly int _perRow = (int)(node.InType(1).Width / node.InType(3).Width);

    protected override void RunColumns(int first, int count) =>
        RmsNormKernel.WeightGradient(first, count, Bound.Rows * _perRow, _width, Bound.In(1), Bound.In(2), Bound.In(0), Bound.In(3));
}
