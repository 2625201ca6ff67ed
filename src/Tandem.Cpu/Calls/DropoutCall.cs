using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

internal sealed unsafe class DropoutCall : RowCall
{
    private readonly Dropout _op;
    private readonly int _width;
    private readonly ulong _stream;

    public DropoutCall(BoundNode node)
        : base(node)
    {
        _op = (Dropout)node.Node.Op;
        _width = (int)node.InType(0).Width;
        _stream = Philox.HashName(_op.StreamOf(node.Node));
    }

    public override void Run(int first, int count, int worker)
    {
        long* random = (long*)Bound.In(1);
        PhiloxStream step = Philox.Stream((ulong)random[0], _stream, (ulong)random[1]);
        ref readonly BatchView view = ref Bound.Step.View;
        float scale = (float)(1 / (1 - (double)_op.Rate));
        int segment = SegmentOf(view, first);
        for (int row = first; row < first + count; row++)
        {
            while (row >= view.Segments[segment].FirstRow + view.Segments[segment].NumRows) segment++;
            PhiloxStream stream = step.With((ulong)view.Segments[segment].SampleId).With((ulong)view.Positions[row]);
            long at = (long)row * _width;
            DropoutKernel.Apply(stream, _op.Threshold, scale, _width, Bound.In(0) + at, Bound.Out() + at);
        }
    }

    // The last segment that starts at or before the row.
    private static int SegmentOf(in BatchView view, int row)
    {
        int low = 0, high = view.NumSegments - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (view.Segments[middle].FirstRow <= row) low = middle;
            else high = middle - 1;
        }

        return low;
    }
}
