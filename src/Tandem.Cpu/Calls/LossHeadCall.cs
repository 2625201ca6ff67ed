using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// The loss head with or without its gradient, in chunks of rows: logits, then losses (and, in place, the gradient of the logits), then dx, then dW.
/// Only one chunk of logits exists at a time; the chains of dW run on from chunk to chunk, so the chunk's size changes no bit.
/// </summary>
internal sealed unsafe class LossHeadCall : KernelCall
{
    private const int ChunkRows = 192;
    private const int RowsPerItem = 4;

    private readonly BoundNode _node;
    private readonly CrossEntropyTerms _terms;
    private readonly bool _gradient;
    private readonly bool _trainsWeight;
    private readonly int _n;
    private readonly int _k;
    private readonly float* _logits;
    private readonly byte* _workerScratch;
    private readonly double* _tiles;

    // A loss scale is the weight of every row; null without one.
    private readonly float* _lossScale;
    private readonly float* _rowWeights;

    public LossHeadCall(BoundNode node)
    {
        _node = node;
        var gradient = node.Node.Op as LinearCrossEntropyGrad;
        LinearCrossEntropy op = gradient?.Forward ?? (LinearCrossEntropy)node.Node.Op;
        _terms = new CrossEntropyTerms(op.LabelSmoothing, op.ZLoss);
        _gradient = gradient != null;
        _trainsWeight = gradient?.TrainsWeight ?? false;
        _n = node.InType(1).Dims[0];
        _k = node.InType(1).Dims[1];
        _logits = (float*)node.Scratch;
        _workerScratch = node.Scratch + LogitBytes(_n);
        _rowWeights = (float*)(_workerScratch + (node.Step.Workers * WorkerBytes));
        _tiles = (double*)(_rowWeights + ChunkRows);
        _lossScale = gradient?.ScalesGradient ?? false ? node.In(node.NumInputs - 1) : null;
    }

    private static long WorkerBytes => Math.Max(MatMul.InputGradScratch, MatMul.WeightGradScratch);

    // A chunk is logits, losses, dx, dW; at the end the losses are added.
    private int PhasesPerChunk => !_gradient ? 2 : _trainsWeight ? 4 : 3;

    public override int Phases => (((_node.Rows + ChunkRows - 1) / ChunkRows) * PhasesPerChunk) + 1;

    private bool IsLast => Phase == Phases - 1;

    private int First => Phase / PhasesPerChunk * ChunkRows;

    private int Count => Math.Min(ChunkRows, _node.Rows - First);

    public override int Items => IsLast ? 1 : (Phase % PhasesPerChunk) switch
    {
        0 => MatMul.ForwardItems(Count, _n, _node.Step.Workers),
        1 => (Count + RowsPerItem - 1) / RowsPerItem,
        2 => MatMul.InputGradItems(Count, _k, _node.Step.Workers),
        _ => MatMul.WeightGradItems(_n),
    };

    private float* X => _node.In(0) + ((long)First * _k);

    private int LossOutput => _gradient ? 1 : 0;

    public static long ScratchBytes(Node node, StepSizes bounds, int workers) =>
        LogitBytes(node.Inputs[1].Type.Dims[0]) + (workers * WorkerBytes) + (sizeof(float) * ChunkRows) + (sizeof(double) * Math.Max(1, Totals.NumTiles(bounds.Tokens, Totals.LossTile)));

    public override void Run(int item, int worker)
    {
        int workers = _node.Step.Workers;
        float* scratch = (float*)(_workerScratch + (worker * WorkerBytes));
        if (IsLast)
        {
            *(double*)_node.Out(LossOutput) = Totals.SumLosses(_node.Out(LossOutput + 1), _node.Rows, _tiles);
            return;
        }

        switch (Phase % PhasesPerChunk)
        {
            case 0:
                if (item == 0 && _lossScale != null) new Span<float>(_rowWeights, ChunkRows).Fill(*_lossScale);
                MatMul.Forward(item, workers, X, _k, _node.In(1), _logits, _n, Count, _n, _k);
                break;
            case 1:
                int first = item * RowsPerItem;
                CrossEntropyKernel.Run(
                    first, Math.Min(RowsPerItem, Count - first), _n, _logits, _node.InInts(2) + First, _lossScale == null ? null : _rowWeights, _terms, _gradient,
                    _node.Out(LossOutput + 1) + First, _node.Out(LossOutput + 2) + First, null);
                break;
            case 2:
                MatMul.InputGrad(item, workers, _logits, _n, _node.In(1), _node.Out(0) + ((long)First * _k), _k, Count, _n, _k, false, scratch);
                break;
            default:
                MatMul.WeightGrad(item, _logits, _n, X, _k, _node.In(3), Count, _n, _k, scratch);
                break;
        }
    }

    private static long LogitBytes(int n) => ((sizeof(float) * (long)ChunkRows * n) + 63) & ~63L;
}
