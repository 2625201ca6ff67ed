using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>y = x W^T (+ b): an item is a rectangle of y, the bias is added to its finished sums.</summary>
internal sealed unsafe class LinearCall : TileCall
{
    private readonly BoundNode _node;
    private readonly PanelWeight _weight;
    private readonly int _ldx;
    private ItemGrid _grid;

    public LinearCall(BoundNode node)
    {
        _node = node;
        _weight = PanelWeight.Of(node.InType(1), node.In(1));
        _ldx = node.InType(0).Dims[0];
    }

    // Asked for once before the items run, which then all see the same grid.
    public override int Items => (_grid = MatMul.ForwardGrid(_node.Rows, _weight, _node.Step.Workers)).Items;

    public static long ScratchBytes(Node node, StepSizes bounds, int workers) => workers * MatMul.ScratchBytes;

    public override Tile TileOf(int item)
    {
        (int firstRow, int lastRow, int firstPanel, int lastPanel) = _grid[item];
        return new Tile(firstRow, lastRow, firstPanel * MicroKernel.Columns, Math.Min(_weight.N, lastPanel * MicroKernel.Columns));
    }

    public override void Run(int item, int worker)
    {
        float* y = _node.Out(), scratch = (float*)(_node.Scratch + (worker * MatMul.ScratchBytes));
        MatMul.Forward(_grid, item, _node.In(0), _ldx, _weight, y, _weight.N, scratch);
        if (_node.NumInputs == 3) Bias.Add(TileOf(item), _weight.N, y, _node.In(2));
    }
}

/// <summary>dx = dy W, or a gradient that is there already continued.</summary>
internal sealed unsafe class LinearInputGradCall : KernelCall
{
    private const int RowsPerCopy = 16;

    private readonly BoundNode _node;
    private readonly PanelWeight _weight;
    private ItemGrid _grid;

    public LinearInputGradCall(BoundNode node)
    {
        _node = node;
        _weight = PanelWeight.Of(node.InType(1), node.In(1));
    }

    // A gradient to continue that lies elsewhere is copied first; mostly the planner has put both in one place.
    public override int Phases => _node.NumInputs == 3 && _node.In(2) != _node.Out() ? 2 : 1;

    public override int Items => IsCopy
        ? (_node.Rows + RowsPerCopy - 1) / RowsPerCopy
        : (_grid = MatMul.InputGradGrid(_node.Rows, _weight, _node.Step.Workers)).Items;

    private bool IsCopy => Phases == 2 && Phase == 0;

    public override void Run(int item, int worker)
    {
        if (IsCopy)
        {
            int first = item * RowsPerCopy;
            Elementwise.Copy((long)first * _weight.K, Math.Min(RowsPerCopy, _node.Rows - first) * (long)_weight.K, _node.In(2), _node.Out());
            return;
        }

        float* scratch = (float*)(_node.Scratch + (worker * MatMul.ScratchBytes));
        MatMul.InputGrad(_grid, item, _node.In(0), _weight.N, _weight, _node.Out(), _weight.K, _node.NumInputs == 3, scratch);
    }
}

/// <summary>dW += dy^T x in the accumulator's panels.</summary>
internal sealed unsafe class LinearWeightGradCall : KernelCall
{
    private readonly BoundNode _node;
    private readonly PanelWeight _gradient;
    private ItemGrid _grid;

    public LinearWeightGradCall(BoundNode node)
    {
        _node = node;
        _gradient = PanelWeight.Of(node.InType(2), node.In(2));
    }

    public override int Items => (_grid = MatMul.WeightGradGrid(_node.Rows, _gradient.N, _gradient.K, _node.Step.Workers)).Items;

    public override void Run(int item, int worker)
    {
        float* scratch = (float*)(_node.Scratch + (worker * MatMul.ScratchBytes));
        MatMul.WeightGrad(_grid, item, _node.In(0), _gradient.N, _node.In(1), _gradient.K, (float*)_gradient.Pointer, _node.Rows, _gradient.N, _gradient.K, scratch);
    }
}
