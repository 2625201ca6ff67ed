using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>Phase 0 sums squares tile by tile over all tensors, phase 1 adds the tiles of each tensor and then the tensors.</summary>
internal sealed unsafe class GlobalNormCall(BoundNode node) : KernelCall
{
    private const int TilesPerItem = 16;

    private readonly long[] _elements = [.. node.Node.Inputs.Select(v => v.Type.RowBytes / sizeof(float))];
    private readonly int[] _firstItem = FirstItems([.. node.Node.Inputs.Select(v => Totals.NumTiles(v.Type.RowBytes / sizeof(float), Totals.NormTile))]);

    public override int Phases => 2;

    public override int Items => Phase == 0 ? _firstItem[^1] : 1;

    private double* Tiles => (double*)node.Scratch;

    public static long ScratchBytes(Node node, StepSizes bounds, int workers) =>
        sizeof(double) * node.Inputs.Sum(v => ((Totals.NumTiles(v.Type.RowBytes / sizeof(float), Totals.NormTile) + TilesPerItem - 1) / TilesPerItem * TilesPerItem) + 1);

    public override void Run(int item, int worker)
    {
        if (Phase == 0)
        {
            int tensor = Array.BinarySearch(_firstItem, item);
            tensor = tensor < 0 ? ~tensor - 1 : tensor;
            while (_firstItem[tensor + 1] == item) tensor++;
            long first = (long)(item - _firstItem[tensor]) * TilesPerItem, tiles = Totals.NumTiles(_elements[tensor], Totals.NormTile);
            Totals.SquareTiles(first, Math.Min(TilesPerItem, tiles - first), node.In(tensor), _elements[tensor], Tiles + ((long)_firstItem[tensor] * TilesPerItem));
            return;
        }

        double total = 0;
        int bad = -1;
        for (int i = 0; i < _elements.Length; i++)
        {
            double sum = Totals.Tree(Tiles + ((long)_firstItem[i] * TilesPerItem), Totals.NumTiles(_elements[i], Totals.NormTile));
            if (bad < 0 && !double.IsFinite(sum)) bad = i;
            total += sum;
        }

        *(double*)node.Out(0) = total;
        *(int*)node.Out(1) = bad;
    }

    private static int[] FirstItems(long[] tiles)
    {
        var first = new int[tiles.Length + 1];
        for (int i = 0; i < tiles.Length; i++) first[i + 1] = first[i] + (int)((tiles[i] + TilesPerItem - 1) / TilesPerItem);
        return first;
    }
}

/// <summary>Items are runs of elements over all weights of the group.</summary>
internal sealed unsafe class AdamWCall : KernelCall
{
    private const long ElementsPerItem = 32768;

    private readonly BoundNode _node;
    private readonly AdamW _op;
    private readonly long[] _elements;
    private readonly int[] _firstItem;

    public AdamWCall(BoundNode node)
    {
        _node = node;
        _op = (AdamW)node.Node.Op;
        int tensors = (node.NumInputs - 1) / 4;
        _elements = new long[tensors];
        _firstItem = new int[tensors + 1];
        for (int i = 0; i < tensors; i++)
        {
            _elements[i] = node.InType(1 + (4 * i)).RowBytes / sizeof(float);
            _firstItem[i + 1] = _firstItem[i] + (int)((_elements[i] + ElementsPerItem - 1) / ElementsPerItem);
        }
    }

    public override int Items => _firstItem[^1];

    public override void Run(int item, int worker)
    {
        int tensor = Array.BinarySearch(_firstItem, item);
        tensor = tensor < 0 ? ~tensor - 1 : tensor;
        while (_firstItem[tensor + 1] == item) tensor++;
        long first = (item - _firstItem[tensor]) * ElementsPerItem, count = Math.Min(ElementsPerItem, _elements[tensor] - first);
        double* hyper = (double*)_node.In(0);
        AdamStep step = AdamStep.AdamW(hyper[AdamW.LearningRate], _op.Beta1, _op.Beta2, _op.Eps, _op.WeightDecay, (long)hyper[AdamW.StepNumber]);
        int i = 1 + (4 * tensor);
        var arrays = new OptimizerArrays { P = _node.In(i), G = _node.In(i + 1), M = _node.In(i + 2), V = _node.In(i + 3) };
        OptimizerPass.Run(step, first, count, arrays, (float)hyper[AdamW.GradientScale], zeroGradient: true);
    }
}
