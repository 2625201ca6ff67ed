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

/// <summary>Elements of several tensors cut into items of one size.</summary>
internal sealed class TensorItems
{
    private const long ElementsPerItem = 32768;

    private readonly long[] _elements;
    private readonly int[] _firstItem;

    public TensorItems(IEnumerable<long> elements)
    {
        _elements = [.. elements];
        _firstItem = new int[_elements.Length + 1];
        for (int i = 0; i < _elements.Length; i++) _firstItem[i + 1] = _firstItem[i] + (int)((_elements[i] + ElementsPerItem - 1) / ElementsPerItem);
    }

    public int Count => _firstItem[^1];

    public (int Tensor, long First, long Count) this[int item]
    {
        get
        {
            int tensor = Array.BinarySearch(_firstItem, item);
            tensor = tensor < 0 ? ~tensor - 1 : tensor;
            while (_firstItem[tensor + 1] == item) tensor++;
            long first = (item - _firstItem[tensor]) * ElementsPerItem;
            return (tensor, first, Math.Min(ElementsPerItem, _elements[tensor] - first));
        }
    }
}

/// <summary>The random numbers of stochastic rounding, keyed by (seed, name of the weight, step).</summary>
internal static unsafe class OptimizerMemory
{
    /// <summary>The stream of a weight; unused where nothing is rounded stochastically.</summary>
    public static PhiloxStream RandomOf(OptimizerOp op, Value weight) => op.StochasticRounding is { } seed ? Philox.Stream(seed, weight.Name) : default;

    /// <summary>The stream of a weight in this step.</summary>
    public static PhiloxStream AtStep(PhiloxStream stream, double* hyper) => stream.With((ulong)hyper[OptimizerOp.StepNumber]);
}

/// <summary>Optimizers whose weights do not influence each other. Items are runs of elements, in stored order, over all weights of the group.</summary>
internal sealed unsafe class ElementwiseOptimizerCall : KernelCall
{
    private readonly BoundNode _node;
    private readonly OptimizerOp _op;
    private readonly TensorItems _items;
    private readonly PhiloxStream[] _random;
    private readonly int _stride;
    private readonly int _states;

    public ElementwiseOptimizerCall(BoundNode node)
    {
        _node = node;
        _op = (OptimizerOp)node.Node.Op;
        _stride = _op.OperandsOf(node.InType(1));
        _states = _op.StatesOf(node.InType(1)).Count;
        int[] weights = [.. Enumerable.Range(0, (node.NumInputs - 1) / _stride).Select(i => 1 + (i * _stride))];
        _items = new TensorItems(weights.Select(i => node.InType(i + 1).RowBytes / sizeof(float)));
        _random = [.. weights.Select(i => OptimizerMemory.RandomOf(_op, node.Node.Inputs[i]))];
    }

    public override int Items => _items.Count;

    private double* Hyper => (double*)_node.In(0);

    public override void Run(int item, int worker)
    {
        double lr = Hyper[OptimizerOp.LearningRate] * _op.LearningRateFactor;
        long t = (long)Hyper[OptimizerOp.StepNumber];
        switch (_op)
        {
            case AdamW op:
                Run(AdamStep.AdamW(lr, op.Beta1, op.Beta2, op.Eps, op.WeightDecay, t), item);
                break;
            case Adam op:
                Run(AdamStep.Adam(lr, op.Beta1, op.Beta2, op.Eps, op.WeightDecay, t), item);
                break;
            case Lion op:
                Run(new LionStep(lr, op.Beta1, op.Beta2, op.WeightDecay), item);
                break;
            case Sgd { Momentum: 0 } op:
                Run(new SgdStep(lr, op.WeightDecay), item);
                break;
            case Sgd op:
                Run(new MomentumStep(lr, op.Momentum, op.Dampening, op.Nesterov, op.WeightDecay, t), item);
                break;
            default:
                throw new InvalidOperationException($"{_op.Name} is no elementwise optimizer: this is a bug");
        }
    }

    private void Run<TStep>(TStep step, int item)
        where TStep : struct, IOptimizerStep
    {
        (int tensor, long first, long count) = _items[item];
        int i = 1 + (_stride * tensor);
        TensorType type = _node.InType(i);
        float* master = _op.KeepsMaster(type) ? _node.In(i + _stride - 1) : null;
        var weight = new WeightMemory(type.DType, _node.In(i), master, OptimizerMemory.AtStep(_random[tensor], Hyper));
        var arrays = new OptimizerArrays
        {
            P = weight.Exact,
            G = _node.In(i + 1),
            M = _states > 0 ? _node.In(i + 2) : null,
            V = _states > 1 ? _node.In(i + 3) : null,
            Shadow = weight.Narrow,
            ShadowType = weight.ShadowType,
        };
        float scale = (float)Hyper[OptimizerOp.GradientScale];
        if (weight.Exact == null) OptimizerPass.RunStochastic(step, first, count, weight, new MatrixView(type), arrays, scale, zeroGradient: true);
        else OptimizerPass.Run(step, first, count, arrays, scale, zeroGradient: true);
    }
}

/// <summary>Items are runs of elements, in stored order, over all weights.</summary>
internal sealed unsafe class EmaCall(BoundNode node) : KernelCall
{
    private readonly Ema _op = (Ema)node.Node.Op;
    private readonly TensorItems _items = new(Enumerable.Range(0, node.NumInputs / 2).Select(i => node.InType(2 + (2 * i)).RowBytes / sizeof(float)));

    public override int Items => _items.Count;

    public override void Run(int item, int worker)
    {
        (int tensor, long first, long count) = _items[item];
        double decay = _op.DecayAt((long)((double*)node.In(0))[OptimizerOp.StepNumber]);
        float keep = (float)decay, take = (float)(1 - decay);
        int i = 1 + (2 * tensor);
        if (node.InType(i).DType == DType.F32) EmaKernel.Run(keep, take, first, count, node.In(i), node.In(i + 1));
        else EmaKernel.RunBF16(keep, take, first, count, (ushort*)node.In(i), node.In(i + 1));
    }
}
