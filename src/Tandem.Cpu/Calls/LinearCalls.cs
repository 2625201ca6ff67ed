using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>y = x W^T (+ b): an item is a rectangle of y, the bias is added to its finished sums.</summary>
internal sealed unsafe class LinearCall : TileCall
{
    private readonly BoundNode _node;
    private readonly PanelWeight _weight;
    private readonly int _ldx;

    // Of rows that come quantized, else 0.
    private readonly long _rowBytes;

    public LinearCall(BoundNode node)
    {
        _node = node;
        _weight = PanelWeight.Of(node.InType(1), node.In(1));
        _ldx = node.InType(0).Dims[0];
        _rowBytes = node.InType(0).DType.IsBlock() ? node.InType(0).RowBytes : 0;
    }

    public override int Items => Grid.Items;

    private ItemGrid Grid => MatMul.ForwardGrid(_node.Rows, _weight, _node.Step.Workers);

    public static long ScratchBytes(Node node, StepSizes bounds, int workers) => workers * MatMul.ScratchBytes;

    public override Tile TileOf(int item)
    {
        (int firstRow, int lastRow, int firstPanel, int lastPanel) = Grid[item];
        return new Tile(firstRow, lastRow, firstPanel * MicroKernel.Columns, Math.Min(_weight.N, lastPanel * MicroKernel.Columns));
    }

    public override void Run(int item, int worker)
    {
        float* y = _node.Out(), scratch = (float*)(_node.Scratch + (worker * MatMul.ScratchBytes));
        if (_rowBytes > 0) QuantizedMatMul.Forward(Grid, item, (byte*)_node.In(0), _rowBytes, _weight, y);
        else MatMul.Forward(Grid, item, _node.In(0), _ldx, _weight, y, _weight.N, scratch);
        if (_node.NumInputs == 3) Bias.Add(TileOf(item), _weight.N, y, _node.In(2));
    }
}

/// <summary>dx = dy W, or a gradient that is there already continued.</summary>
internal sealed unsafe class LinearInputGradCall : KernelCall
{
    private const int RowsPerCopy = 16;

    private readonly BoundNode _node;
    private readonly PanelWeight _weight;

    public LinearInputGradCall(BoundNode node)
    {
        _node = node;
        _weight = PanelWeight.Of(node.InType(1), node.In(1));
    }

    // A gradient to continue that lies elsewhere is copied first; mostly the planner has put both in one place.
    public override int Phases => _node.NumInputs == 3 && _node.In(2) != _node.Out() ? 2 : 1;

    public override int Items => IsCopy
        ? (_node.Rows + RowsPerCopy - 1) / RowsPerCopy
        : Grid.Items;

    private ItemGrid Grid => MatMul.InputGradGrid(_node.Rows, _weight, _node.Step.Workers);

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
        MatMul.InputGrad(Grid, item, _node.In(0), _weight.N, _weight, _node.Out(), _weight.K, _node.NumInputs == 3, scratch);
    }
}

/// <summary>dW += dy^T x in the accumulator's panels.</summary>
internal sealed unsafe class LinearWeightGradCall : KernelCall
{
    private readonly BoundNode _node;
    private readonly PanelWeight _gradient;

    public LinearWeightGradCall(BoundNode node)
    {
        _node = node;
        _gradient = PanelWeight.Of(node.InType(2), node.In(2));
    }

    public override int Items => Grid.Items;

    private ItemGrid Grid => MatMul.WeightGradGrid(_node.Rows, _gradient.N, _gradient.K, _node.Step.Workers);

    public override void Run(int item, int worker)
    {
        float* scratch = (float*)(_node.Scratch + (worker * MatMul.ScratchBytes));
        MatMul.WeightGrad(Grid, item, _node.In(0), _gradient.N, _node.In(1), _gradient.K, (float*)_gradient.Pointer, _node.Rows, _gradient.N, _gradient.K, scratch);
    }
}
