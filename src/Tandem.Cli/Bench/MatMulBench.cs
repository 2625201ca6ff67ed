using Tandem.Cpu;

namespace Tandem.Cli.Bench;

/// <summary>What of the matrix products is measured.</summary>
/// <param name="Sizes">Square products, in all three kinds.</param>
/// <param name="Rows">Numbers of rows of thin products.</param>
/// <param name="Shapes">Other products, in all three kinds.</param>
/// <param name="Types">Types of weights.</param>
internal sealed record MatMulOptions(IReadOnlyList<int> Sizes, IReadOnlyList<int> Rows, IReadOnlyList<ProductShape> Shapes, IReadOnlyList<DType> Types);

/// <summary>The three products of a linear layer beside OpenBLAS's on the same shape, and one row beside the read bandwidth.</summary>
internal sealed class MatMulBench : IDisposable
{
    /// <summary>Outputs and inputs of the weights of thin products: 64 MiB of f32, more than a last-level cache.</summary>
    private const int ThinSize = 4096;

    /// <summary>Bytes of weights that one row is streamed over.</summary>
    private const long StreamBytes = 256L << 20;

    private readonly BenchReport _report;
    private readonly ThreadTeam _team;
    private readonly Limits _limits;
    private readonly List<IDisposable> _owned = [];
    private readonly List<BenchCase> _cases = [];
    private readonly List<Action> _addRows = [];
    private readonly Dictionary<(ProductKind, ProductShape), BenchCase> _blasCases = [];
    private NativeBuffer[] _operands = [];

    private MatMulBench(BenchReport report, ThreadTeam team, Limits limits)
    {
        _report = report;
        _team = team;
        _limits = limits;
    }

    public static void Run(BenchReport report, MatMulOptions options, int threads, int repetitions, CancellationToken cancel)
    {
        using var team = new ThreadTeam(threads);
        using var limits = new Limits(team);
        using var bench = new MatMulBench(report, team, limits);
        bench.Prepare(options);
        BenchCase.RunInterleaved([.. limits.Cases, .. bench._cases], repetitions, cancel);
        limits.AddRows(report);
        foreach (Action add in bench._addRows) add();
    }

    public void Dispose()
    {
        foreach (IDisposable owned in _owned) owned.Dispose();
    }

    private unsafe void Prepare(MatMulOptions options)
    {
        ProductShape[] square = [.. options.Sizes.Select(n => new ProductShape(n, n, n)), .. options.Shapes];
        ProductShape[] thin = [.. options.Rows.Select(r => new ProductShape(r, ThinSize, ThinSize))];
        if (_limits.Blas != null)
        {
            long elements = square.Concat(thin).Select(s => Math.Max((long)s.N * s.K, (long)s.Rows * Math.Max(s.N, s.K))).Append(StreamBytes / sizeof(float)).Max();
            _operands = [.. Enumerable.Range(0, 3).Select(_ => new NativeBuffer(elements * sizeof(float)))];
            _owned.AddRange(_operands);
            foreach (NativeBuffer operand in _operands) RandomFill.Fill(DType.F32, operand.Pointer, elements);
        }

        foreach (DType type in options.Types)
        {
            if (Products.WhyNot(type, _team) is { } problem)
            {
                _report.Notes.Add($"weights of {type.Name()} were not measured: {problem}");
                continue;
            }

            // Weights' gradients are f32 whatever the weights are.
            ProductKind[] kinds = type == DType.F32 ? [ProductKind.Forward, ProductKind.InputGrad, ProductKind.WeightGrad] : [ProductKind.Forward, ProductKind.InputGrad];
            foreach (ProductKind kind in kinds)
                foreach (ProductShape shape in square) AddProduct(type, kind, shape);
            foreach (ProductShape shape in thin) AddProduct(type, ProductKind.Forward, shape);
            if (options.Rows.Contains(1)) AddStream(type);
        }
    }

    private void AddProduct(DType type, ProductKind kind, ProductShape shape)
    {
        BenchCase own = Own(type, kind, shape);
        string name = $"{type.Name()} {Name(kind)} {shape}";
        if (_limits.Blas == null)
        {
            _addRows.Add(() => _report.Rows.Add(_limits.RatioToPeak(name, own, shape.Flops)));
            return;
        }

        BenchCase blas = Blas(kind, shape);
        _addRows.Add(() => _report.Rows.Add(new BenchRow(name, shape.Flops / own.Median / 1e9, "GFLOP/s")
        {
            Spread = own.Spread,
            Limit = shape.Flops / blas.Median / 1e9,
            LimitName = "OpenBLAS, same shape, f32",
            Ratio = own.RatioTo(blas, shape.Flops, shape.Flops),
        }));
    }

    private void AddStream(DType type)
    {
        const int Inputs = 4096;
        var shape = new ProductShape(1, (int)(StreamBytes / type.Size() / Inputs), Inputs);
        BenchCase own = Own(type, ProductKind.Forward, shape);
        _addRows.Add(() => _report.Rows.Add(_limits.RatioToRead($"{type.Name()} one row, 256 MiB of weights", own, StreamBytes)));
        if (_limits.Blas == null || type != DType.F32) return;
        BenchCase blas = Blas(ProductKind.Forward, shape);
        _addRows.Add(() => _report.Rows.Add(_limits.RatioToRead("OpenBLAS sgemv on the same", blas, StreamBytes)));
    }

    private BenchCase Own(DType type, ProductKind kind, ProductShape shape)
    {
        SingleOp op = Products.Own(kind, shape, _team, type);
        _owned.Add(op);
        var own = new BenchCase($"{type.Name()} {Name(kind)} {shape}", () => op.Run());
        _cases.Add(own);
        return own;
    }

    private BenchCase Blas(ProductKind kind, ProductShape shape)
    {
        if (_blasCases.TryGetValue((kind, shape), out BenchCase? known)) return known;
        var blas = new BenchCase($"OpenBLAS {Name(kind)} {shape}", () => Products.OpenBlas(_limits.Blas!, kind, shape, _operands[0], _operands[1], _operands[2]));
        _cases.Add(blas);
        return _blasCases[(kind, shape)] = blas;
    }

    private static string Name(ProductKind kind) => kind switch
    {
        ProductKind.Forward => "y = x W^T",
        ProductKind.InputGrad => "dx = dy W",
        _ => "dW += dy^T x",
    };
}
