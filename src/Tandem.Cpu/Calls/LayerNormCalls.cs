using Tandem.Graph.Ops;

namespace Tandem.Cpu;

internal sealed unsafe class LayerNormCall(BoundNode node) : RowCall(node)
{
    private readonly float _eps = ((LayerNorm)node.Node.Op).Eps;
    private readonly int _width = (int)node.InType(1).Width;

    public override void Run(int first, int count, int worker) =>
        LayerNormKernel.Forward(first, count, _width, Bound.In(0), Bound.In(1), Bound.In(2), _eps, Bound.Out(0), Bound.Out(1), Bound.Out(2));
}

internal sealed unsafe class LayerNormGradCall(BoundNode node) : RowCall(node)
{
    private readonly int _width = (int)node.InType(2).Width;

    public override void Run(int first, int count, int worker) =>
        LayerNormKernel.Backward(first, count, _width, Bound.In(1), Bound.In(2), Bound.In(3), Bound.In(4), Bound.In(0), Bound.In(5), Bound.Out());
}

internal sealed unsafe class LayerNormWeightGradCall(BoundNode node) : ColumnCall(node, (int)node.InType(4).Width)
{
    private readonly int _width = (int)node.InType(4).Width;

    protected override void RunColumns(int first, int count) =>
        LayerNormKernel.WeightGradient(first, count, Bound.Rows, _width, Bound.In(1), Bound.In(2), Bound.In(3), Bound.In(0), Bound.In(4));
}
