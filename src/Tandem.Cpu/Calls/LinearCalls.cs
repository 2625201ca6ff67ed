namespace Tandem.Cpu;

/// <summary>y = x W^T (+ b): an item is a rectangle of y, the bias is added to its finished sums.</summary>
internal sealed unsafe class LinearCall(BoundNode node) : TileCall
{
    private readonly int _n = node.InType(1).MatrixSize.N;
    private readonly int _k = node.InType(1).MatrixSize.K;

    public override int Items => MatMul.ForwardItems(node.Rows, _n, node.Step.Workers);

    public override Tile TileOf(int item) => MatMul.ForwardTile(item, node.Step.Workers, node.Rows, _n);

    public override void Run(int item, int worker)
    {
        MatMul.Forward(item, node.Step.Workers, node.In(0), _k, node.In(1), node.Out(), _n, node.Rows, _n, _k);
        if (node.NumInputs == 3) Bias.Add(TileOf(item), _n, node.Out(), node.In(2));
    }
}

internal sealed unsafe class LinearInputGradCall(BoundNode node) : KernelCall
{
    private readonly int _n = node.InType(1).MatrixSize.N;
    private readonly int _k = node.InType(1).MatrixSize.K;

    // A gradient to continue that lies elsewhere is copied first; mostly the planner has put both in one place.
    public override int Phases => node.NumInputs == 3 && node.In(2) != node.Out() ? 2 : 1;

    private bool IsCopy => Phases == 2 && Phase == 0;

    public override int Items => IsCopy ? (node.Rows + 15) / 16 : MatMul.InputGradItems(node.Rows, _k, node.Step.Workers);

    public override void Run(int item, int worker)
    {
        if (IsCopy)
        {
            Elementwise.Copy((long)item * 16 * _k, Math.Min(16, node.Rows - (item * 16)) * (long)_k, node.In(2), node.Out());
            return;
        }

        float* scratch = (float*)(node.Scratch + (worker * MatMul.InputGradScratch));
        MatMul.InputGrad(item, node.Step.Workers, node.In(0), _n, node.In(1), node.Out(), _k, node.Rows, _n, _k, node.NumInputs == 3, scratch);
    }
}

internal sealed unsafe class LinearWeightGradCall(BoundNode node) : KernelCall
{
    private readonly int _n = node.InType(2).MatrixSize.N;
    private readonly int _k = node.InType(2).MatrixSize.K;

    public override int Items => node.Rows == 0 ? 0 : MatMul.WeightGradItems(_n);

    public override void Run(int item, int worker)
    {
        float* scratch = (float*)(node.Scratch + (worker * MatMul.WeightGradScratch));
        MatMul.WeightGrad(item, node.In(0), _n, node.In(1), _k, node.In(2), node.Rows, _n, _k, scratch);
    }
}
