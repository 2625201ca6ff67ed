using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

internal sealed unsafe class RopeCall(BoundNode node) : RowCall(node)
{
    private readonly Rope _op = (Rope)node.Node.Op;
    private readonly int _width = (int)node.InType(0).Width;
    private readonly int _positions = node.InType(1).Dims[1];

    public override void Run(int first, int count, int worker)
    {
        float* cos = Bound.In(1), sin = cos + ((long)_positions * (_op.RotaryDim / 2));
        long start = (long)first * _width;
        RopeKernel.Apply(
            Bound.In(0) + start, _width, Bound.Out() + start, _width, count, _width / _op.HeadDim, _op.HeadDim, _op.RotaryDim, cos, sin,
            Bound.Step.View.Positions + first, _op.Interleaved, _op.Inverse);
    }
}

internal sealed unsafe class KvWriteCall(BoundNode node) : KernelCall
{
    private readonly AttentionShape _shape = AttentionCall.ShapeOf(((KvWrite)node.Node.Op).Spec, node.OutType().DType);

    public override int Items => node.Step.View.NumSegments * _shape.NumKvHeads;

    public override void Run(int item, int worker) =>
        KvBlocks.Write(
            _shape, node.Step.View, node.Step.View.Segments[item / _shape.NumKvHeads], item % _shape.NumKvHeads,
            node.In(0), (long)_shape.NumKvHeads * _shape.HeadDim, node.In(1), (long)_shape.NumKvHeads * _shape.ValueDim, (byte*)node.Out());
}

/// <summary>Items are (tile of query rows, key/value head); the list of tiles stands at the start of the scratch memory.</summary>
internal sealed unsafe class AttentionCall(BoundNode node) : KernelCall
{
    private readonly AttentionShape _shape = ShapeOf(((Attention)node.Node.Op).Spec, node.InType(1).DType);
    private readonly long _workerBytes = AttentionForward.ScratchBytes(ShapeOf(((Attention)node.Node.Op).Spec, node.InType(1).DType));

    private AttentionTile* Tiles => (AttentionTile*)(node.Scratch + (node.Step.Workers * _workerBytes));

    public static long ScratchBytes(Node node, StepSizes bounds, int workers)
    {
        var shape = ShapeOf(((Attention)node.Op).Spec, node.Inputs[1].Type.DType);
        return (workers * AttentionForward.ScratchBytes(shape)) + (sizeof(AttentionTile) * AttentionTiles.MaxQueryTiles(shape, bounds.Tokens, bounds.Segments));
    }

    public override int Items => AttentionTiles.Queries(node.Step.View, _shape, Tiles) * _shape.NumKvHeads;

    public override void Run(int item, int worker) =>
        AttentionForward.Run(Args(node, _shape, false), Tiles[item / _shape.NumKvHeads], item % _shape.NumKvHeads, node.Scratch + (worker * _workerBytes));

    /// <summary>The kernels' view of a layer.</summary>
    public static AttentionShape ShapeOf(AttentionSpec spec, DType cacheType)
    {
        var shape = new AttentionShape
        {
            NumHeads = spec.NumHeads,
            NumKvHeads = spec.NumKvHeads,
            HeadDim = spec.HeadDim,
            ValueDim = spec.ValueDim,
            Scale = spec.Scale,
            Window = spec.Window,
            Softcap = spec.Softcap,
            CacheType = cacheType,
        };
        shape.Validate();
        return shape;
    }

    /// <summary>Operands 0 and 1 and the results of the forward pass, which are operands of the gradient.</summary>
    public static AttentionForwardArgs Args(BoundNode node, in AttentionShape shape, bool gradient) => new()
    {
        Shape = shape,
        View = node.Step.View,
        Q = node.In(0),
        QStride = (long)shape.NumHeads * shape.HeadDim,
        Cache = (byte*)node.In(1),
        O = gradient ? node.In(2) : node.Out(0),
        OStride = (long)shape.NumHeads * shape.ValueDim,
        Lse = gradient ? node.In(3) : node.Out(1),
    };
}

/// <summary>
/// Phase 0 sums o times do. Then, with enough documents and heads, phase 1 does a document and key/value head at a time;
/// otherwise phase 1 does tiles of keys and phase 2 tiles of queries. The bits are the same.
/// </summary>
internal sealed unsafe class AttentionGradCall(BoundNode node) : KernelCall
{
    private const int DeltaRows = 64;
    private readonly AttentionShape _shape = AttentionCall.ShapeOf(((AttentionGrad)node.Node.Op).Spec, node.InType(1).DType);
    private readonly long _workerBytes = AttentionBackward.ScratchBytes(AttentionCall.ShapeOf(((AttentionGrad)node.Node.Op).Spec, node.InType(1).DType));
    private bool _byHead;

    private float* Delta => (float*)(node.Scratch + (node.Step.Workers * _workerBytes));

    private AttentionTile* Tiles => (AttentionTile*)(Delta + ((long)node.Rows * _shape.NumHeads));

    public static long ScratchBytes(Node node, StepSizes bounds, int workers)
    {
        var shape = AttentionCall.ShapeOf(((AttentionGrad)node.Op).Spec, node.Inputs[1].Type.DType);
        long tiles = Math.Max(AttentionTiles.MaxQueryTiles(shape, bounds.Tokens, bounds.Segments), AttentionTiles.MaxKeyTiles(bounds.Tokens, bounds.Segments));
        return (workers * AttentionBackward.ScratchBytes(shape)) + ((long)bounds.Tokens * shape.NumHeads * sizeof(float)) + (tiles * sizeof(AttentionTile));
    }

    public override int Phases
    {
        get
        {
            _byHead = AttentionBackward.PreferHeads(node.Step.View, _shape, node.Step.Workers);
            return _byHead ? 2 : 3;
        }
    }

    public override int Items => Phase switch
    {
        0 => (node.Rows + DeltaRows - 1) / DeltaRows,
        1 when _byHead => node.Step.View.NumSegments * _shape.NumKvHeads,
        1 => AttentionTiles.Keys(node.Step.View, Tiles) * _shape.NumKvHeads,
        _ => AttentionTiles.Queries(node.Step.View, _shape, Tiles) * _shape.NumKvHeads,
    };

    public override void Run(int item, int worker)
    {
        byte* scratch = node.Scratch + (worker * _workerBytes);
        var args = new AttentionBackwardArgs
        {
            Forward = AttentionCall.Args(node, _shape, true),
            DO = node.In(4),
            DOStride = (long)_shape.NumHeads * _shape.ValueDim,
            Delta = Delta,
            DQ = node.Out(0),
            DQStride = (long)_shape.NumHeads * _shape.HeadDim,
            DK = node.Out(1),
            DKStride = (long)_shape.NumKvHeads * _shape.HeadDim,
            DV = node.Out(2),
            DVStride = (long)_shape.NumKvHeads * _shape.ValueDim,
        };
        int unit = item / _shape.NumKvHeads, kvHead = item % _shape.NumKvHeads;
        if (Phase == 0)
            AttentionBackward.Delta(args, item * DeltaRows, Math.Min(DeltaRows, node.Rows - (item * DeltaRows)));
        else if (_byHead)
            AttentionBackward.RunHead(args, unit, kvHead, scratch);
        else if (Phase == 1)
            AttentionBackward.RunKeys(args, Tiles[unit], kvHead, scratch);
        else
            AttentionBackward.RunQueries(args, Tiles[unit], kvHead, scratch);
    }
}
