using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// Adafactor on one weight: sums of the rows, sums of the columns, the running means and the rate from them, the size of the update, then the update.
/// Items are blocks of 16 logical rows or columns, which are whole panels.
/// </summary>
internal sealed unsafe class AdafactorCall : KernelCall
{
    private const int Block = 16;

    private readonly BoundNode _node;
    private readonly Adafactor _op;
    private readonly MatrixView _view;
    private readonly bool _isMatrix;
    private readonly PhiloxStream _random;
    private readonly float* _gradient;
    private readonly float* _rowMeans;
    private readonly float* _columnMeans;
    private readonly float* _moments;
    private readonly float* _smoothed;
    private readonly float* _master;
    private readonly double* _rowSums;
    private readonly double* _weightSums;
    private readonly double* _columnSums;
    private readonly StepTotals* _totals;

    public AdafactorCall(BoundNode node)
    {
        _node = node;
        _op = (Adafactor)node.Node.Op;
        TensorType type = node.InType(1);
        _view = new MatrixView(type);
        _isMatrix = type.Dims.Length == 2;
        _random = OptimizerMemory.RandomOf(_op, node.Node.Inputs[1]);
        _gradient = node.In(2);
        _rowMeans = _isMatrix ? node.In(3) : null;
        _columnMeans = _isMatrix ? node.In(4) : null;
        _moments = _isMatrix ? null : node.In(3);
        int states = _op.StatesOf(type).Count;
        _smoothed = _op.Beta1 > 0 ? node.In(2 + states) : null;
        _master = _op.KeepsMaster(type) ? node.In(3 + states) : null;
        _rowSums = (double*)node.Scratch;
        _weightSums = _rowSums + _view.Rows;
        _columnSums = _weightSums + _view.Rows;
        _totals = (StepTotals*)(_columnSums + _view.Columns);
    }

    public override int Phases => 6;

    public override int Items => Phase switch
    {
        1 => _isMatrix ? Blocks(_view.Columns) : 1,
        2 or 4 => 1,
        _ => Blocks(_view.Rows),
    };

    private double* Hyper => (double*)_node.In(0);

    private float Scale => (float)Hyper[OptimizerOp.GradientScale];

    private AdafactorStep Step => new(_op, Hyper[OptimizerOp.LearningRate] * _op.LearningRateFactor, (long)Hyper[OptimizerOp.StepNumber]);

    private WeightMemory Weight => new(_node.InType(1).DType, _node.In(1), _master, OptimizerMemory.AtStep(_random, Hyper));

    public static long ScratchBytes(Node node, StepSizes bounds, int workers)
    {
        var view = new MatrixView(node.Inputs[1].Type);
        return (sizeof(double) * ((2L * view.Rows) + view.Columns)) + sizeof(StepTotals);
    }

    public override void Run(int item, int worker)
    {
        int first = item * Block, lastRow = Math.Min(_view.Rows, first + Block), lastColumn = Math.Min(_view.Columns, first + Block);
        switch (Phase)
        {
            case 0:
                AdafactorKernel.RowSums(first, lastRow, _view, _gradient, Scale, Weight, _rowSums, _weightSums);
                break;
            case 1:
                if (_isMatrix) AdafactorKernel.ColumnSums(first, lastColumn, _view, _gradient, Scale, _columnSums);
                else AdafactorKernel.UpdateVector(Step, EpsOfSquares, _view.Columns, _gradient, Scale, _moments);
                break;
            case 2:
                UpdateMeans();
                break;
            case 3:
                SumUpdates(first, lastRow);
                break;
            case 4:
                double total = 0;
                for (int i = 0; i < _view.Rows; i++) total += _rowSums[i];
                _totals->Clip = Math.Max(1, Math.Sqrt(total / ((double)_view.Rows * _view.Columns)) / _op.ClipThreshold);
                break;
            default:
                Apply(first, lastRow);
                break;
        }
    }

    private double EpsOfSquares => _op.Form == AdafactorForm.Torch ? 0 : _op.Eps1;

    private void UpdateMeans()
    {
        AdafactorStep step = Step;
        double weightSum = 0;
        for (int i = 0; i < _view.Rows; i++) weightSum += _weightSums[i];
        bool scaled = _op.Form == AdafactorForm.Torch || _op.ScaleParameter;
        _totals->Rate = step.Rate * (scaled ? Math.Max(_op.Eps2, Math.Sqrt(weightSum / ((double)_view.Rows * _view.Columns))) : 1);
        if (!_isMatrix) return;
        double mean = AdafactorKernel.UpdateMeans(step, EpsOfSquares, _rowSums, _view.Columns, _rowMeans, _view.Rows);
        AdafactorKernel.UpdateMeans(step, EpsOfSquares, _columnSums, _view.Rows, _columnMeans, _view.Columns);
        _totals->Mean = _op.Form == AdafactorForm.Torch ? Math.Max(mean, _op.Eps1) : mean;
    }

    // The row sums of the gradients are done with; their room takes those of the updates.
    private void SumUpdates(int first, int last)
    {
        float scale = Scale;
        for (int i = first; i < last; i++)
        {
            long row = _view.Row(i);
            float factor = RowFactor(i);
            double sum = 0;
            for (int j = 0; j < _view.Columns; j++)
            {
                float u = Update(_gradient[row + _view.Column(j)] * scale, factor, j);
                sum += (double)u * u;
            }

            _rowSums[i] = sum;
        }
    }

    private void Apply(int first, int last)
    {
        AdafactorStep step = Step;
        WeightMemory weight = Weight;
        float rate = (float)(_totals->Rate / _totals->Clip), scale = Scale, beta1 = (float)_op.Beta1, take = (float)(1 - _op.Beta1);
        float keep = (float)(1 - (step.Decay * (_op.Form == AdafactorForm.Torch ? step.LearningRate : _totals->Rate)));
        for (int i = first; i < last; i++)
        {
            long row = _view.Row(i), element = (long)i * _view.Columns;
            float factor = RowFactor(i);
            for (int j = 0; j < _view.Columns; j++)
            {
                long place = row + _view.Column(j);
                float u = rate * Update(_gradient[place] * scale, factor, j);
                if (_smoothed != null) _smoothed[place] = u = MathF.FusedMultiplyAdd(beta1, _smoothed[place], take * u);
                weight.Store(place, element + j, MathF.FusedMultiplyAdd(weight.Load(place), keep, -u));
                _gradient[place] = 0f;
            }
        }
    }

    private float RowFactor(int row) => !_isMatrix ? 1f
        : _op.Form == AdafactorForm.Torch ? (float)(_rowMeans[row] / _totals->Mean)
        : (float)(1 / Math.Sqrt(_rowMeans[row] / _totals->Mean));

    private float Update(float g, float rowFactor, int column)
    {
        if (_op.Form == AdafactorForm.Torch)
        {
            float v = _isMatrix ? rowFactor * _columnMeans[column] : _moments[column];
            return g / MathF.Sqrt(MathF.Max(v, (float)(_op.Eps1 * _op.Eps1)));
        }

        return _isMatrix ? g * rowFactor / MathF.Sqrt(_columnMeans[column]) : g / MathF.Sqrt(_moments[column]);
    }

    private static int Blocks(int n) => (n + Block - 1) / Block;

    private struct StepTotals
    {
        public double Rate;
        public double Mean;
        public double Clip;
    }
}
