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
            Bound.Step.View.RopeRows + first, _op.Interleaved, _op.Inverse);
    }
}

internal sealed unsafe class KvWriteCall(BoundNode node) : KernelCall
{
    private const int ItemRows = 32;
    private readonly AttentionShape _shape = AttentionCall.ShapeOf(((KvWrite)node.Node.Op).Spec);

    public override int Items => (node.Rows + ItemRows - 1) / ItemRows;

    public override void Run(int item, int worker) =>
        KvBlocks.Write(
            _shape, node.Step.View, item * ItemRows, Math.Min(ItemRows, node.Rows - (item * ItemRows)), node.In(0), node.In(1), (byte*)node.Out());
}

/// <summary>
/// Items are (tile of query rows, key/value head). Where those are too few for the workers, as in the decode of a long context, phase 0 does
/// (tile, head, span of keys) and phase 1 merges the spans. The parts and the list of tiles stand behind the workers' scratch memory.
/// </summary>
internal sealed unsafe class AttentionCall(BoundNode node) : KernelCall
{
    // With fewer items a worker than this, the others wait too long for the last one.
    private const int ItemsPerWorker = 4;
    private readonly AttentionShape _shape = ShapeOf(((Attention)node.Node.Op).Spec);
    private readonly long _workerBytes = AttentionForward.ScratchBytes(ShapeOf(((Attention)node.Node.Op).Spec));
    private readonly long _partRows = PartRows(node.Node);
    private int _tiles;
    private bool _bySpan;

    private SpanPart Parts
    {
        get
        {
            float* acc = (float*)(node.Scratch + (node.Step.Workers * _workerBytes)), m = acc + (_partRows * _shape.PaddedValueDim);
            return new SpanPart { Acc = acc, M = m, L = m + _partRows };
        }
    }

    private AttentionTile* Tiles => (AttentionTile*)(Parts.L + _partRows);

    public static long ScratchBytes(Node node, StepSizes bounds, int workers)
    {
        var shape = ShapeOf(((Attention)node.Op).Spec);
        return (workers * AttentionForward.ScratchBytes(shape)) + (PartRows(node) * (shape.PaddedValueDim + 2) * sizeof(float))
            + (sizeof(AttentionTile) * AttentionTiles.MaxQueryTiles(shape, bounds.Tokens, bounds.Segments));
    }

    public override int Phases
    {
        get
        {
            _tiles = AttentionTiles.Queries(node.Step.View, _shape, Tiles);
            _bySpan = node.Step.Workers > 1 && _tiles * _shape.NumKvHeads < ItemsPerWorker * node.Step.Workers && SpansHaveRoom();
            return _bySpan ? 2 : 1;
        }
    }

    public override int Items
    {
        get
        {
            int items = 0;
            for (int t = 0; t < _tiles; t++)
                items += _bySpan && Phase == 0 ? Spans(t) : 1;
            return items * _shape.NumKvHeads;
        }
    }

    public override void Run(int item, int worker)
    {
        byte* scratch = node.Scratch + (worker * _workerBytes);
        var args = Args(node, _shape, false);
        if (!_bySpan)
        {
            AttentionForward.Run(args, Tiles[item / _shape.NumKvHeads], item % _shape.NumKvHeads, scratch);
            return;
        }

        // There are only a few tiles: walk them to the item's and to the place of its parts.
        long row = 0;
        for (int t = 0; ; t++)
        {
            int spans = Spans(t), rows = new TileQueries(_shape, node.Step.View, Tiles[t]).Rows, items = (Phase == 0 ? spans : 1) * _shape.NumKvHeads;
            if (item >= items)
            {
                item -= items;
                row += (long)rows * spans * _shape.NumKvHeads;
                continue;
            }

            if (Phase == 0)
                AttentionForward.RunSpan(args, Tiles[t], item / spans, item % spans, Parts.At(row + ((long)item * rows), _shape.PaddedValueDim), scratch);
            else
                AttentionForward.Merge(args, Tiles[t], item, Parts.At(row + ((long)item * spans * rows), _shape.PaddedValueDim), scratch);
            return;
        }
    }

    // Room for the spans of 16 rows of the batch at the depth of the whole cache; without a cache there are tiles enough.
    private static long PartRows(Node node)
    {
        if (node.Inputs[1].Type.Rows == RowSymbol.KvBlocks)
            return 0;
        long spans = (((long)node.Inputs[1].Type.Dims[0] * BatchView.BlockTokens) + AttentionShape.SpanKeys - 1) / AttentionShape.SpanKeys;
        return 16 * Math.Min(512, spans * ((Attention)node.Op).Spec.NumHeads);
    }

    private int Spans(int tile)
    {
        var queries = new TileQueries(_shape, node.Step.View, Tiles[tile]);
        return queries.EndSpan - queries.FirstSpan;
    }

    private bool SpansHaveRoom()
    {
        long rows = 0;
        int most = 0;
        for (int t = 0; t < _tiles; t++)
        {
            rows += (long)new TileQueries(_shape, node.Step.View, Tiles[t]).Rows * Spans(t) * _shape.NumKvHeads;
            most = Math.Max(most, Spans(t));
        }

        return most > 1 && rows <= _partRows;
    }

    /// <summary>The kernels' view of a layer.</summary>
    public static AttentionShape ShapeOf(AttentionSpec spec)
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
            Cache = spec.Cache,
        };
        shape.Validate();
        return shape;
    }

    /// <summary>Operands and results of the forward pass; the gradient has the results as operands and needs no sinks, since the log-sums hold them.</summary>
    public static AttentionForwardArgs Args(BoundNode node, in AttentionShape shape, bool gradient) => new()
    {
        Shape = shape,
        View = node.Step.View,
        Q = node.In(0),
        QStride = (long)shape.NumHeads * shape.HeadDim,
        Cache = (byte*)node.In(1),
        Sinks = gradient ? null : node.In(2),
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
    private readonly AttentionShape _shape = AttentionCall.ShapeOf(((AttentionGrad)node.Node.Op).Spec);
    private readonly long _workerBytes = AttentionBackward.ScratchBytes(AttentionCall.ShapeOf(((AttentionGrad)node.Node.Op).Spec));
    private bool _byHead;

    private float* Delta => (float*)(node.Scratch + (node.Step.Workers * _workerBytes));

    private AttentionTile* Tiles => (AttentionTile*)(Delta + ((long)node.Rows * _shape.NumHeads));

    public static long ScratchBytes(Node node, StepSizes bounds, int workers)
    {
        var shape = AttentionCall.ShapeOf(((AttentionGrad)node.Op).Spec);
        long tiles = Math.Max(AttentionTiles.MaxQueryTiles(shape, bounds.Tokens, bounds.Segments), AttentionTiles.MaxKeyTiles(bounds.Tokens, bounds.Segments));
        return (workers * AttentionBackward.ScratchBytes(shape)) + ((long)bounds.Tokens * shape.NumHeads * sizeof(float)) + (tiles * sizeof(AttentionTile));
    }

    public override int Phases
    {
        get
        {
            _byHead = AttentionBackward.PreferHeads(node.Step.View, _shape, node.Step.Workers);
            if (_byHead)
                AttentionTiles.Segments(node.Step.View, Tiles);
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

    public override string? PartName => Phase switch
    {
        0 => "delta",
        1 => _byHead ? "heads" : "keys",
        _ => "queries",
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
            AttentionBackward.RunHead(args, Tiles[unit].Segment, kvHead, scratch);
        else if (Phase == 1)
            AttentionBackward.RunKeys(args, Tiles[unit], kvHead, scratch);
        else
            AttentionBackward.RunQueries(args, Tiles[unit], kvHead, scratch);
    }
}

/// <summary>Items are heads: each is one chain over the batch's rows.</summary>
internal sealed unsafe class AttentionSinkGradCall(BoundNode node) : KernelCall
{
    private readonly AttentionSpec _spec = ((AttentionSinkGrad)node.Node.Op).Spec;

    public override int Items => _spec.NumHeads;

    public override void Run(int item, int worker) =>
        AttentionBackward.Sinks(_spec.NumHeads, _spec.ValueDim, item, node.Rows, node.In(0), node.In(1), node.In(2), node.In(3), node.Out());
}
