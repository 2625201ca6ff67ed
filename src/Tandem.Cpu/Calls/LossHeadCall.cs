using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// The loss head with or without its gradient, in chunks of rows: logits, then losses (and, in place, the gradient of the logits), then dx, then dW.
/// Only one chunk of logits exists at a time; the chains of dW run on from chunk to chunk, so the chunk's size changes no bit.
/// </summary>
internal sealed unsafe class LossHeadCall : KernelCall
{
    // Logits of a chunk take some 32 MB: enough rows that a pass over a large weight and its gradient is amortised.
    private const long ChunkElements = 8L << 20;
    private const int MinChunkRows = 240;
    private const int MaxChunkRows = 960;
    private const int RowsPerItem = 4;

    private readonly BoundNode _node;
    private readonly CrossEntropyTerms _terms;
    private readonly bool _gradient;
    private readonly bool _trainsWeight;
    private readonly PanelWeight _weight;
    private readonly int _chunkRows;
    private readonly float* _logits;
    private readonly byte* _workerScratch;

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
        _weight = PanelWeight.Of(node.InType(1), node.In(1));
        _chunkRows = ChunkRows(_weight.N);
        _workerScratch = node.Scratch;
        _rowWeights = (float*)(node.Scratch + (node.Step.Workers * MatMul.ScratchBytes));
        _logits = _rowWeights + MaxChunkRows;
        _lossScale = gradient?.ScalesGradient ?? false ? node.In(node.NumInputs - 1) : null;
    }

    // A chunk is logits, losses, dx, dW; at the end the losses are added.
    private int PhasesPerChunk => !_gradient ? 2 : _trainsWeight ? 4 : 3;

    public override int Phases => (((_node.Rows + _chunkRows - 1) / _chunkRows) * PhasesPerChunk) + 1;

    private bool IsLast => Phase == Phases - 1;

    private int First => Phase / PhasesPerChunk * _chunkRows;

    private int Count => Math.Min(_chunkRows, _node.Rows - First);

    public override int Items => IsLast ? 1 : Phase % PhasesPerChunk == 1 ? (Count + RowsPerItem - 1) / RowsPerItem : Grid.Items;

    private ItemGrid Grid => (Phase % PhasesPerChunk) switch
    {
        0 => MatMul.ForwardGrid(Count, _weight, _node.Step.Workers),
        2 => MatMul.InputGradGrid(Count, _weight, _node.Step.Workers),
        _ => MatMul.WeightGradGrid(Count, _weight.N, _weight.K, _node.Step.Workers),
    };

    public override string? PartName => IsLast ? "sum" : (Phase % PhasesPerChunk) switch
    {
        0 => "logits",
        1 => "softmax",
        2 => "dx",
        _ => "dw",
    };

    private float* X => _node.In(0) + ((long)First * _weight.K);

    private int LossOutput => _gradient ? 1 : 0;

    public static long ScratchBytes(Node node, StepSizes bounds, int workers)
    {
        long vocabulary = node.Inputs[1].Type.Width / node.Inputs[0].Type.Dims[0];
        long logits = sizeof(float) * vocabulary * Math.Min(ChunkRows(vocabulary), bounds.Tokens);
        return (workers * MatMul.ScratchBytes) + (sizeof(float) * MaxChunkRows) + Math.Max(logits, sizeof(double) * Totals.NumTiles(bounds.Tokens, Totals.LossTile));
    }

    public override void Run(int item, int worker)
    {
        float* scratch = (float*)(_workerScratch + (worker * MatMul.ScratchBytes));
        if (IsLast)
        {
            // The logits are no longer needed: the partial sums take their place.
            *(double*)_node.Out(LossOutput) = Totals.SumLosses(_node.Out(LossOutput + 1), _node.Rows, (double*)_logits);
            return;
        }

        switch (Phase % PhasesPerChunk)
        {
            case 0:
                if (item == 0 && _lossScale != null) new Span<float>(_rowWeights, MaxChunkRows).Fill(*_lossScale);
                MatMul.Forward(Grid, item, X, _weight.K, _weight, _logits, _weight.N, scratch);
                break;
            case 1:
                int first = item * RowsPerItem;
                CrossEntropyKernel.Run(
                    first, Math.Min(RowsPerItem, Count - first), _weight.N, _logits, _node.InInts(2) + First, _lossScale == null ? null : _rowWeights, _terms, _gradient,
                    _node.Out(LossOutput + 1) + First, _node.Out(LossOutput + 2) + First, null);
                break;
            case 2:
                MatMul.InputGrad(Grid, item, _logits, _weight.N, _weight, _node.Out(0) + ((long)First * _weight.K), _weight.K, false, scratch);
                break;
            default:
                MatMul.WeightGrad(Grid, item, _logits, _weight.N, X, _weight.K, _node.In(3), Count, _weight.N, _weight.K, scratch);
                break;
        }
    }

    private static int ChunkRows(long vocabulary) => (int)Math.Clamp(ChunkElements / vocabulary / MicroKernel.Rows * MicroKernel.Rows, MinChunkRows, MaxChunkRows);
}
