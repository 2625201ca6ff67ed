using Tandem.Cpu;

namespace Tandem.Cli.Bench;

/// <summary>What the machine gives at best, to be timed among the cases of a report: reading memory, OpenBLAS's product, our own.</summary>
internal sealed class Limits : IDisposable
{
    private static readonly ProductShape[] Shapes = [new(1024, 1024, 1024), new(2048, 2048, 2048)];

    private readonly List<IDisposable> _owned = [];
    private readonly BenchCase[] _reads;
    private readonly List<(BenchCase Case, ProductShape Shape)> _ownProducts = [];
    private readonly List<(BenchCase Case, ProductShape Shape)> _blasProducts = [];

    public Limits(ThreadTeam team)
    {
        Blas = OpenBlas.TryLoad(team.Workers);
        var read = new ReadBandwidth(team.Workers);
        _owned.Add(read);
        _reads = [new BenchCase("read bandwidth, one stream a thread", read.RunSequential), new BenchCase("read bandwidth, four streams a thread", read.RunFourStreams)];
        NativeBuffer[] operands = [.. Enumerable.Range(0, 3).Select(i => Operand(Shapes.Max(s => s.N * s.K)))];
        foreach (ProductShape shape in Shapes)
        {
            SingleOp own = Products.Own(ProductKind.Forward, shape, team);
            _owned.Add(own);
            _ownProducts.Add((new BenchCase($"own product {shape}", () => own.Run()), shape));
            if (Blas != null)
                _blasProducts.Add((new BenchCase($"OpenBLAS {shape}", () => Products.OpenBlas(Blas, ProductKind.Forward, shape, operands[0], operands[1], operands[2])), shape));
        }
    }

    /// <summary>OpenBLAS, where the system has it.</summary>
    public OpenBlas? Blas { get; }

    /// <summary>The cases to run beside those that are measured.</summary>
    public IEnumerable<BenchCase> Cases => [.. _reads, .. _blasProducts.Concat(_ownProducts).Select(p => p.Case)];

    /// <summary>After the run: the faster way to read <see cref="ReadBandwidth.Bytes"/> bytes.</summary>
    public BenchCase Read => _reads.MinBy(r => r.Median)!;

    /// <summary>Name of what <see cref="Peak"/> gives.</summary>
    public string PeakName => Blas != null ? "OpenBLAS sgemm" : "own product";

    /// <summary>After the run: the best product, OpenBLAS's where there is one, and its operations.</summary>
    public (BenchCase Case, double Flops) Peak => Best(Blas != null ? _blasProducts : _ownProducts);

    /// <summary>A figure in GFLOP/s beside the best product.</summary>
    public BenchRow RatioToPeak(string name, BenchCase measured, double flops)
    {
        (BenchCase peak, double peakFlops) = Peak;
        return new BenchRow(name, flops / measured.Median / 1e9, "GFLOP/s")
        {
            Spread = measured.Spread,
            Limit = peakFlops / peak.Median / 1e9,
            LimitName = PeakName,
            Ratio = measured.RatioTo(peak, flops, peakFlops),
        };
    }

    /// <summary>A figure in GB/s beside the read bandwidth.</summary>
    public BenchRow RatioToRead(string name, BenchCase measured, double bytes) => new(name, bytes / measured.Median / 1e9, "GB/s")
    {
        Spread = measured.Spread,
        Limit = ReadBandwidth.Bytes / Read.Median / 1e9,
        LimitName = "read bandwidth",
        Ratio = measured.RatioTo(Read, bytes, ReadBandwidth.Bytes),
    };

    /// <summary>After the run: adds the limits' own rows and a note on what is missing.</summary>
    public void AddRows(BenchReport report)
    {
        report.Rows.Add(new BenchRow($"limit: {Read.Name}", ReadBandwidth.Bytes / Read.Median / 1e9, "GB/s") { Spread = Read.Spread });
        (BenchCase own, double ownFlops) = Best(_ownProducts);
        if (Blas != null)
        {
            (BenchCase blas, double blasFlops) = Best(_blasProducts);
            report.Rows.Add(new BenchRow($"limit: {blas.Name}", blasFlops / blas.Median / 1e9, "GFLOP/s") { Spread = blas.Spread });
            report.Rows.Add(RatioToPeak($"limit: {own.Name}", own, ownFlops));
            report.Notes.Add("OpenBLAS is " + Blas.Config.Trim());
        }
        else
        {
            report.Rows.Add(new BenchRow($"limit: {own.Name}", ownFlops / own.Median / 1e9, "GFLOP/s") { Spread = own.Spread });
            report.Notes.Add("libopenblas is not installed: our own best product stands in its place");
        }
    }

    public void Dispose()
    {
        foreach (IDisposable owned in _owned) owned.Dispose();
    }

    private static (BenchCase Case, double Flops) Best(List<(BenchCase Case, ProductShape Shape)> products)
    {
        (BenchCase best, ProductShape shape) = products.MaxBy(p => p.Shape.Flops / p.Case.Median);
        return (best, shape.Flops);
    }

    private unsafe NativeBuffer Operand(long elements)
    {
        var buffer = new NativeBuffer(elements * sizeof(float));
        RandomFill.Fill(DType.F32, buffer.Pointer, elements);
        _owned.Add(buffer);
        return buffer;
    }
}
