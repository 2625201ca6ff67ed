namespace Tandem.Cpu;

internal sealed unsafe class LinearCall(BoundNode node) : KernelCall
{
    private readonly int _n = node.InType(1).MatrixSize.N;
    private readonly int _k = node.InType(1).MatrixSize.K;

    // The bias waits for whole rows, so that it is added to finished sums.
    public override int Phases => node.NumInputs == 3 ? 2 : 1;

    public override int Items => Phase == 0 ? MatMul.ForwardItems(node.Rows, _n, node.Step.Workers) : (node.Rows + 15) / 16;

    public override void Run(int item, int worker)
    {
        if (Phase == 0) MatMul.Forward(item, node.Step.Workers, node.In(0), _k, node.In(1), node.Out(), _n, node.Rows, _n, _k);
        else Bias.Add(item * 16, Math.Min(16, node.Rows - (item * 16)), _n, node.Out(), node.In(2), node.Out());
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
