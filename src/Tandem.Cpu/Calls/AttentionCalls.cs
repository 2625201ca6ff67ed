using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

internal sealed unsafe class RopeCall(BoundNode node) : RowCall(node)
{
    private readonly Rope _op = (Rope)node.Node.Op;
    private readonly int _width = (int)node.InType(0).Width;
    private readonly int _positions = node.InType(1).Dims[1];

    protected override void Run(int first, int count, int worker)
    {
        int half = _op.RotaryDim / 2;
        for (int t = first; t < first + count; t++)
        {
            float* cos = Bound.In(1) + ((long)Bound.Step.View.Positions[t] * half);
            RopeKernel.Row(_op, Bound.In(0) + ((long)t * _width), Bound.Out() + ((long)t * _width), _width, cos, cos + ((long)_positions * half));
        }
    }
}

internal sealed unsafe class KvWriteCall(BoundNode node) : KernelCall
{
    private readonly AttentionSpec _spec = ((KvWrite)node.Node.Op).Spec;

    public override int Items => node.Step.View.NumSegments * _spec.NumKvHeads;

    public override void Run(int item, int worker) =>
        KvBlocks.Write(_spec, node.Step.View, node.Step.View.Segments[item / _spec.NumKvHeads], item % _spec.NumKvHeads, node.In(0), node.In(1), node.Out());
}

/// <summary>Items are (segment, key/value head, tile of tokens); late tiles, which see the most keys, come first.</summary>
internal sealed unsafe class AttentionCall(BoundNode node) : KernelCall
{
    private readonly AttentionSpec _spec = ((Attention)node.Node.Op).Spec;
    private readonly int _tileTokens = AttentionForward.TileTokens(((Attention)node.Node.Op).Spec);

    public static long ScratchBytes(Node node, StepSizes bounds, int workers) => workers * AttentionForward.ScratchBytes(((Attention)node.Op).Spec);

    public override int Items
    {
        get
        {
            int tiles = 0;
            for (int i = 0; i < node.Step.View.NumSegments; i++) tiles += Tiles(node.Step.View.Segments[i]);
            return tiles * _spec.NumKvHeads;
        }
    }

    public override void Run(int item, int worker)
    {
        int tile = item / _spec.NumKvHeads, index = node.Step.View.NumSegments - 1;
        while (tile >= Tiles(node.Step.View.Segments[index])) tile -= Tiles(node.Step.View.Segments[index--]);
        ref Segment segment = ref node.Step.View.Segments[index];
        int first = (Tiles(segment) - 1 - tile) * _tileTokens;
        float* scratch = (float*)(node.Scratch + (worker * AttentionForward.ScratchBytes(_spec)));
        AttentionForward.Run(
            _spec, node.Step.View, segment, item % _spec.NumKvHeads, first, Math.Min(_tileTokens, segment.NumRows - first), node.In(0), node.In(1), node.Out(0), node.Out(1), scratch);
    }

    private int Tiles(in Segment segment) => (segment.NumRows + _tileTokens - 1) / _tileTokens;
}

internal sealed unsafe class AttentionGradCall(BoundNode node) : KernelCall
{
    private readonly AttentionSpec _spec = ((AttentionGrad)node.Node.Op).Spec;

    public static long ScratchBytes(Node node, StepSizes bounds, int workers) => workers * AttentionBackward.ScratchBytes(((AttentionGrad)node.Op).Spec);

    public override int Items => node.Step.View.NumSegments * _spec.NumKvHeads;

    public override void Run(int item, int worker)
    {
        float* scratch = (float*)(node.Scratch + (worker * AttentionBackward.ScratchBytes(_spec)));
        AttentionBackward.Run(
            _spec, node.Step.View, node.Step.View.Segments[item / _spec.NumKvHeads], item % _spec.NumKvHeads,
            node.In(0), node.In(1), node.In(2), node.In(3), node.In(4), node.Out(0), node.Out(1), node.Out(2), scratch);
    }
}
