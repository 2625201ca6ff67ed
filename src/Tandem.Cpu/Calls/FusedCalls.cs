using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>Binds the parts of a fused node to the node's operands, results and scratch memory.</summary>
internal static unsafe class FusedCalls
{
    public static KernelCall Bind(BoundNode node)
    {
        var op = (Fused)node.Node.Op;
        var calls = new KernelCall[op.Parts.Length];
        for (int i = 0; i < calls.Length; i++)
        {
            FusedPart part = op.Parts[i];
            nint[] inputs = [.. part.Operands.Select(o => o < op.NumOperands ? (nint)node.In(o) : (nint)node.Out(o - op.NumOperands))];
            nint[] outputs = [.. part.Node.Outputs.Select((_, r) => (nint)node.Out(part.FirstResult + r))];
            calls[i] = CpuBackend.Bind(new BoundNode(part.Node, node.Step, inputs, outputs, node.Scratch));
        }

        return op.Kind switch
        {
            FusionKind.Parallel => new ParallelCall(calls),
            FusionKind.Tiles => new TilesCall(calls),
            _ => new RowChainCall(calls),
        };
    }

    // Kernels that can be fused keep nothing in their scratch memory from item to item, so the parts share it.
    public static long ScratchBytes(Node node, StepSizes bounds, int workers) =>
        ((Fused)node.Op).Parts.Max(p => CpuBackend.Instance.ScratchBytes(p.Node, bounds, workers));
}

/// <summary>The items of all parts in one dispatch. Parts with fewer phases start later, so that the last phases, which have the work, run side by side.</summary>
internal sealed class ParallelCall(KernelCall[] parts) : KernelCall
{
    private readonly int[] _firstItem = new int[parts.Length + 1];

    public override int Phases
    {
        get
        {
            int phases = 1;
            foreach (KernelCall part in parts) phases = Math.Max(phases, part.Phases);
            return phases;
        }
    }

    public override int Items
    {
        get
        {
            int phases = Phases;
            for (int i = 0; i < parts.Length; i++)
            {
                int phase = Phase - (phases - parts[i].Phases);
                if (phase >= 0) parts[i].Phase = phase;
                _firstItem[i + 1] = _firstItem[i] + (phase >= 0 ? parts[i].Items : 0);
            }

            return _firstItem[^1];
        }
    }

    public override void Run(int item, int worker)
    {
        int part = 0;
        while (_firstItem[part + 1] <= item) part++;
        parts[part].Run(item - _firstItem[part], worker);
    }
}

/// <summary>Products cut into the same rectangles, then elementwise calls over each rectangle while it is in the cache.</summary>
internal sealed class TilesCall(KernelCall[] parts) : KernelCall
{
    private readonly TileCall[] _products = [.. parts.OfType<TileCall>()];
    private readonly ElementwiseCall[] _epilogue = [.. parts.OfType<ElementwiseCall>()];

    public override int Items => _products[0].Items;

    public override void Run(int item, int worker)
    {
        foreach (TileCall product in _products) product.Run(item, worker);
        Tile tile = _products[0].TileOf(item);
        foreach (ElementwiseCall call in _epilogue) call.Run(tile);
    }
}

/// <summary>Calls on the same rows one after another, a few rows at a time.</summary>
internal sealed class RowChainCall(KernelCall[] parts) : KernelCall
{
    private readonly RowCall[] _calls = [.. parts.Cast<RowCall>()];

    public override int Items => (_calls[0].NumRows + RowCall.RowsPerItem - 1) / RowCall.RowsPerItem;

    public override void Run(int item, int worker)
    {
        int first = item * RowCall.RowsPerItem, count = Math.Min(RowCall.RowsPerItem, _calls[0].NumRows - first);
        foreach (RowCall call in _calls) call.Run(first, count, worker);
    }
}
