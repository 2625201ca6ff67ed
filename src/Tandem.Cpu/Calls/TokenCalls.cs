using Tandem.Graph;

namespace Tandem.Cpu;

internal sealed unsafe class EmbeddingCall(BoundNode node) : RowCall(node)
{
    private readonly int _width = node.InType(0).Dims[1];

    public override int NumRows => (int)Bound.Step.Sizes.Of(Bound.InType(1).Rows);

    public override void Run(int first, int count, int worker)
    {
        int* ids = Bound.InInts(1);
        if (Bound.InType(0).Layout == Layout.Panel16) EmbeddingKernel.GatherPanel16<float, StoredF32>(first, count, _width, ids, Bound.In(0), Bound.Out());
        else EmbeddingKernel.Gather<float, StoredF32>(first, count, _width, ids, Bound.In(0), Bound.Out());
    }
}

internal sealed unsafe class EmbeddingGradCall(BoundNode node) : ColumnCall(node, node.InType(2).Dims[1])
{
    private readonly int _width = node.InType(2).Dims[1];

    protected override void RunColumns(int first, int count)
    {
        if (Bound.InType(2).Layout == Layout.Panel16) EmbeddingKernel.GradientPanel16(first, count, Bound.Rows, _width, Bound.InInts(1), Bound.In(0), Bound.In(2));
        else EmbeddingKernel.Gradient(first, count, Bound.Rows, _width, Bound.InInts(1), Bound.In(0), Bound.In(2));
    }
}

internal sealed unsafe class GatherRowsCall(BoundNode node) : RowCall(node)
{
    private readonly int _width = (int)node.InType(0).Width;

    public override int NumRows => Bound.Step.Sizes.Sampled;

    public override void Run(int first, int count, int worker) =>
        RowSelection.Gather(first, count, _width, Bound.Step.View.SampledRows, Bound.In(0), Bound.Out());
}
