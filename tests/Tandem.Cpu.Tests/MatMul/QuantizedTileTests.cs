using Tandem.Graph;
using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class QuantizedTileTests
{
    public static TheoryData<DType> Types => [.. DTypes.All.Where(QuantizedMatMul.Has)];

    [Theory]
    [MemberData(nameof(Types))]
    public void Tiles_have_the_bits_of_plain_arithmetic(DType type)
    {
        using var problem = new Problem(type, n: 32, k: 768, rows: 11);
        float[] expected = problem.Run(QuantizedTiles.Scalar(type)!);
        foreach ((string name, QuantizedTiles.Kernel kernel) in QuantizedTiles.All(type)) Assert.True(expected.SequenceEqual(problem.Run(kernel)), name);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Products_are_those_of_the_values_that_both_sides_stand_for(DType type)
    {
        using var problem = new Problem(type, n: 48, k: 512, rows: 5);
        float[] actual = problem.Run(QuantizedTiles.Of(type)!);
        double[] expected = problem.Exact(), size = problem.Sizes();
        for (int i = 0; i < actual.Length; i++) Assert.InRange(Math.Abs(actual[i] - expected[i]), 0, 3e-6 * size[i]);
    }

    // Codes at both ends of their range against rows of +-127 alone: sums in 16 bits are as large as they get.
    [Theory]
    [MemberData(nameof(Types))]
    public void Sums_of_extreme_codes_do_not_overflow(DType type)
    {
        using var problem = new Problem(type, n: 32, k: 512, rows: 8, extreme: true);
        float[] plain = problem.Run(QuantizedTiles.Scalar(type)!);
        double[] expected = problem.Exact(), size = problem.Sizes();
        for (int i = 0; i < plain.Length; i++) Assert.InRange(Math.Abs(plain[i] - expected[i]), 0, 3e-6 * size[i]);
        foreach ((string name, QuantizedTiles.Kernel kernel) in QuantizedTiles.All(type)) Assert.True(plain.SequenceEqual(problem.Run(kernel)), name);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void A_row_alone_has_the_bits_it_has_among_others(DType type)
    {
        using var problem = new Problem(type, n: 40, k: 1024, rows: 19);
        float[] together = problem.Product(0, 19);
        for (int row = 0; row < 19; row++) Assert.Equal(together[(row * 40)..((row + 1) * 40)], problem.Product(row, 1));
    }

    /// <summary>Random blocks, whose scales are what random bytes rarely are: reasonable numbers; and random rows.</summary>
    private sealed class Problem : IDisposable
    {
        private readonly DType _type;
        private readonly int _n;
        private readonly int _k;
        private readonly int _rows;
        private readonly long _rowBytes;
        private readonly float[] _weights;
        private readonly NativeBuffer _panels;
        private readonly NativeBuffer _x;

        public Problem(DType type, int n, int k, int rows, bool extreme = false)
        {
            (_type, _n, _k, _rows) = (type, n, k, rows);
            var random = new Random(HashCode.Combine((int)type, n, k));
            var values = new float[n * k];
            for (int i = 0; i < values.Length; i++) values[i] = extreme ? Extreme(i / k, i) : (float)((random.NextDouble() + random.NextDouble() - 1) * Math.Exp(random.NextDouble()));
            var blocks = new byte[type.Bytes(values.Length)];
            Blocks.Encode(type, values, [], blocks);
            _weights = new float[n * k];
            Blocks.Decode(type, blocks, _weights);
            var tensor = new TensorType(type, RowSymbol.None, n, k).With(Layout.Panel16);
            _panels = new NativeBuffer(tensor.RowBytes);
            int numBlocks = k / type.BlockElements();
            fixed (byte* b = blocks)
            {
                for (int row = 0; row < n; row += 16)
                {
                    var pointers = new nint[Math.Min(16, n - row)];
                    for (int i = 0; i < pointers.Length; i++) pointers[i] = (nint)(b + ((row + i) * type.Bytes(k)));
                    BlockPanels.Pack(type, pointers, numBlocks, _panels.Pointer + (row / 16 * numBlocks * BlockPanels.GroupBytes(type)));
                }
            }

            DType rowType = Graph.Ops.QuantizeRows.TypeFor(type)!.Value;
            _rowBytes = rowType.Bytes(k);
            _x = new NativeBuffer(rows * _rowBytes);
            var x = new float[k];
            for (int row = 0; row < rows; row++)
            {
                for (int i = 0; i < k; i++) x[i] = extreme ? Extreme(row, i) : (float)((random.NextDouble() - 0.5) * 10);
                if (row == 1 && !extreme) x.AsSpan(0, 256).Clear();
                fixed (float* p = x)
                {
                    if (rowType == DType.Q8_F) RowQuantizer.Small(p, k, _x.Pointer + (row * _rowBytes));
                    else RowQuantizer.Large(p, k, _x.Pointer + (row * _rowBytes));
                }
            }
        }

        public float[] Run(QuantizedTiles.Kernel kernel)
        {
            var y = new float[_rows * _n];
            fixed (float* c = y)
            {
                for (int row = 0; row < _rows; row += QuantizedMatMul.MaxRows)
                    for (int panel = 0; panel < _n / 16; panel++)
                        kernel(_x.Pointer + (row * _rowBytes), _rowBytes, _panels.Pointer + ((long)panel * _k / _type.BlockElements() * BlockPanels.GroupBytes(_type)), _k / _type.BlockElements(), c + (row * _n) + (panel * 16), _n, Math.Min(QuantizedMatMul.MaxRows, _rows - row));
            }

            return y;
        }

        public float[] Product(int row, int rows)
        {
            var y = new float[rows * _n];
            PanelWeight weight = PanelWeight.Of(new TensorType(_type, RowSymbol.None, _n, _k).With(Layout.Panel16), _panels.Pointer);
            ItemGrid grid = MatMul.ForwardGrid(rows, weight, 2);
            fixed (float* c = y)
                for (int item = 0; item < grid.Items; item++) QuantizedMatMul.Forward(grid, item, _x.Pointer + (row * _rowBytes), _rowBytes, weight, c);
            return y;
        }

        public double[] Exact() => Sums((a, b) => a * b);

        public double[] Sizes() => Sums((a, b) => Math.Abs(a * b));

        public void Dispose()
        {
            _panels.Dispose();
            _x.Dispose();
        }

        private double[] Sums(Func<double, double, double> term)
        {
            var y = new double[_rows * _n];
            for (int row = 0; row < _rows; row++)
                for (int n = 0; n < _n; n++)
                    for (int k = 0; k < _k; k++) y[(row * _n) + n] += term(Row(row, k), _weights[(n * _k) + k]);
            return y;
        }

        // All of one sign but one of 32, or in turn.
        private static float Extreme(int row, int i) => (row % 4) switch
        {
            0 => i % 32 == 5 ? -1 : 1,
            1 => i % 32 == 30 ? 1 : -1,
            2 => i % 2 == 0 ? 1 : -1,
            _ => i % 16 < 8 ? 1 : -1,
        };

        private double Row(int row, int k)
        {
            byte* x = _x.Pointer + (row * _rowBytes);
            if (_rowBytes == DType.Q8_F.Bytes(_k))
            {
                byte* block = x + (k / 32 * RowQuantizer.SmallBytes);
                return (double)*(float*)block * ((sbyte*)block)[8 + (k % 32)];
            }

            byte* large = x + (k / 256 * RowQuantizer.LargeBytes);
            return (double)*(float*)large * ((sbyte*)large)[4 + (k % 256)];
        }
    }
}
