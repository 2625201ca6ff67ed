using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// Muon on one matrix: the momentum and X from it (phases 0 to 2), the iterations (six phases each), the update (the last phase).
/// X is the logical matrix, transposed if there are more rows than columns, row after row.
/// </summary>
internal sealed unsafe class MuonCall : KernelCall
{
    private const int RowsPerItem = 16;
    private const int PhasesBefore = 3;
    private const int PhasesOfIteration = 6;

    private readonly BoundNode _node;
    private readonly Muon _op;
    private readonly MatrixView _view;
    private readonly PhiloxStream _random;
    private readonly float* _gradient;
    private readonly float* _momentum;
    private readonly float* _master;
    private readonly bool _transposed;
    private readonly int _rows;
    private readonly int _columns;
    private readonly double* _sums;
    private readonly float* _x;
    private readonly float* _panels;
    private readonly float* _gram;
    private readonly float* _gramPanels;
    private readonly float* _polynomial;

    public MuonCall(BoundNode node)
    {
        _node = node;
        _op = (Muon)node.Node.Op;
        _view = new MatrixView(node.InType(1));
        _random = OptimizerMemory.RandomOf(_op, node.Node.Inputs[1]);
        _gradient = node.In(2);
        _momentum = node.In(3);
        _master = _op.KeepsMaster(node.InType(1)) ? node.In(4) : null;
        _transposed = _view.Rows > _view.Columns;
        (_rows, _columns) = Sides(_view);
        _sums = (double*)node.Scratch;
        _x = (float*)(_sums + _view.Rows + 1);
        _panels = _x + ((nint)_rows * _columns);
        _gram = _panels + PanelElements(_rows, _columns);
        _gramPanels = _gram + ((nint)_rows * _rows);
        _polynomial = _gramPanels + (NewtonSchulz.Panels(_rows) * NewtonSchulz.Panel * (nint)_rows);
    }

    public override int Phases => PhasesBefore + (PhasesOfIteration * Muon.Iterations) + 1;

    public override int Items => Phase < PhasesBefore
        ? Phase == 1 ? 1 : Blocks(Phase == 0 ? _view.Rows : _rows)
        : Phase == Phases - 1 ? Blocks(_view.Rows) : ((Phase - PhasesBefore) % PhasesOfIteration) switch
        {
            4 or 5 => NewtonSchulz.Panels(_columns),
            _ => NewtonSchulz.Panels(_rows),
        };

    private double* Hyper => (double*)_node.In(0);

    public static long ScratchBytes(Node node, StepSizes bounds, int workers)
    {
        var view = new MatrixView(node.Inputs[1].Type);
        (int rows, int columns) = Sides(view);
        long padded = NewtonSchulz.Panels(rows) * NewtonSchulz.Panel;
        long floats = ((long)rows * columns) + PanelElements(rows, columns) + (2L * rows * rows) + (padded * rows);
        return (sizeof(double) * (view.Rows + 1L)) + (sizeof(float) * floats);
    }

    public override void Run(int item, int worker)
    {
        if (Phase < PhasesBefore)
        {
            Prepare(item);
            return;
        }

        if (Phase == Phases - 1)
        {
            Apply(item);
            return;
        }

        switch ((Phase - PhasesBefore) % PhasesOfIteration)
        {
            case 0:
                NewtonSchulz.PackRows(item, _x, _rows, _columns, _panels);
                break;
            case 1:
                NewtonSchulz.Gram(item, _x, _panels, _rows, _columns, _gram);
                break;
            case 2:
                NewtonSchulz.PackRows(item, _gram, _rows, _rows, _gramPanels);
                break;
            case 3:
                NewtonSchulz.Polynomial(item, _gram, _gramPanels, _rows, _polynomial);
                break;
            case 4:
                NewtonSchulz.PackColumns(item, _x, _rows, _columns, _panels);
                break;
            default:
                NewtonSchulz.Next(item, _polynomial, _panels, _rows, _columns, _x);
                break;
        }
    }

    private void Prepare(int item)
    {
        int first = item * RowsPerItem;
        if (Phase == 0)
        {
            Gather(first, Math.Min(_view.Rows, first + RowsPerItem));
        }
        else if (Phase == 1)
        {
            double total = 0;
            for (int i = 0; i < _view.Rows; i++) total += _sums[i];
            _sums[_view.Rows] = 1 / Math.Max(Math.Sqrt(total), Muon.SmallestNorm);
        }
        else
        {
            float factor = (float)_sums[_view.Rows];
            float* end = _x + ((nint)Math.Min(_rows, first + RowsPerItem) * _columns);
            for (float* x = _x + ((nint)first * _columns); x < end; x++) *x *= factor;
        }
    }

    // The momentum, and the direction from it, which is what is made orthogonal.
    private void Gather(int first, int last)
    {
        float scale = (float)Hyper[OptimizerOp.GradientScale], mu = (float)_op.Momentum, take = (float)(1 - _op.Momentum);
        for (int i = first; i < last; i++)
        {
            long row = _view.Row(i);
            double sum = 0;
            for (int j = 0; j < _view.Columns; j++)
            {
                long place = row + _view.Column(j);
                float g = take * (_gradient[place] * scale);
                float u = MathF.FusedMultiplyAdd(mu, _momentum[place], g);
                _momentum[place] = u;
                _gradient[place] = 0f;
                if (_op.Nesterov) u = MathF.FusedMultiplyAdd(mu, u, g);
                sum += (double)u * u;
                _x[At(i, j)] = u;
            }

            _sums[i] = sum;
        }
    }

    private void Apply(int item)
    {
        WeightMemory weight = new(_node.InType(1).DType, _node.In(1), _master, OptimizerMemory.AtStep(_random, Hyper));
        double lr = Hyper[OptimizerOp.LearningRate] * _op.LearningRateFactor;
        float keep = (float)(1 - (lr * _op.WeightDecay)), minusStep = (float)(-lr * _op.Adjustment(_view.Rows, _view.Columns));
        for (int i = item * RowsPerItem; i < Math.Min(_view.Rows, (item + 1) * RowsPerItem); i++)
        {
            long row = _view.Row(i), element = (long)i * _view.Columns;
            for (int j = 0; j < _view.Columns; j++)
            {
                long place = row + _view.Column(j);
                weight.Store(place, element + j, MathF.FusedMultiplyAdd(minusStep, _x[At(i, j)], weight.Load(place) * keep));
            }
        }
    }

    private nint At(int row, int column) => _transposed ? ((nint)column * _columns) + row : ((nint)row * _columns) + column;

    private static (int Rows, int Columns) Sides(MatrixView view) => (Math.Min(view.Rows, view.Columns), Math.Max(view.Rows, view.Columns));

    private static long PanelElements(int rows, int columns) =>
        Math.Max(NewtonSchulz.Panels(rows) * (long)NewtonSchulz.Panel * columns, NewtonSchulz.Panels(columns) * (long)NewtonSchulz.Panel * rows);

    private static int Blocks(int n) => (n + RowsPerItem - 1) / RowsPerItem;
}
