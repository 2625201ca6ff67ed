using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>y[t] = table[ids[t]] from a table of any element type, in rows or in panels.</summary>
internal sealed unsafe class EmbeddingCall(BoundNode node) : RowCall(node)
{
    private readonly int _width = node.InType(0).Dims[1];

    public override int NumRows => (int)Bound.Step.Sizes.Of(Bound.InType(1).Rows);

    public override void Run(int first, int count, int worker)
    {
        switch (Bound.InType(0).DType)
        {
            case DType.F32: Run<float, StoredF32>(first, count); break;
            case DType.BF16: Run<ushort, StoredBF16>(first, count); break;
            case DType.F16: Run<ushort, StoredF16>(first, count); break;
            default: RunBlocks(first, count); break;
        }
    }

    private void RunBlocks(int first, int count)
    {
        TensorType table = Bound.InType(0);
        for (long row = first; row < first + count; row++)
        {
            var y = new Span<float>(Bound.Out() + (row * _width), _width);
            int id = Bound.InInts(1)[row];
            if (table.Layout == Layout.Panel16) BlockPanels.DecodeRow(table.DType, (byte*)Bound.In(0), id, y);
            else Blocks.Decode(table.DType, new ReadOnlySpan<byte>((byte*)Bound.In(0) + (id * table.DType.Bytes(_width)), (int)table.DType.Bytes(_width)), y);
        }
    }

    private void Run<T, TStored>(int first, int count)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        T* table = (T*)Bound.In(0);
        if (Bound.InType(0).Layout == Layout.Panel16) EmbeddingKernel.GatherPanel16<T, TStored>(first, count, _width, Bound.InInts(1), table, Bound.Out());
        else EmbeddingKernel.Gather<T, TStored>(first, count, _width, Bound.InInts(1), table, Bound.Out());
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
