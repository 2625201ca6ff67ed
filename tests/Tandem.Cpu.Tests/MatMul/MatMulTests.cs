using Tandem.Graph;
using Xunit;

namespace Tandem.Cpu.Tests;

/// <summary>The blocked products against their scalar twins, bit for bit, on odd shapes, with weights of every element type.</summary>
public sealed unsafe class MatMulTests
{
    public static TheoryData<int, int, int> Shapes
    {
        get
        {
            var data = new TheoryData<int, int, int>();
            int[] rows = [1, 2, 3, 5, 6, 7, 13, 16, 17, 25, 100], outputs = [1, 15, 16, 17, 33, 100], inputs = [1, 7, 300];
            foreach (int r in rows)
                foreach (int n in outputs)
                    foreach (int k in inputs) data.Add(r, n, k);

            // More than one part in each direction, and the longest inner blocks.
            data.Add(250, 530, 20);
            data.Add(250, 20, 530);
            data.Add(530, 250, 24);
            data.Add(20, 300, 1030);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void ForwardEqualsItsTwin(int rows, int n, int k)
    {
        Run<float, StoredF32>(DType.F32, rows, n, k);
        Run<ushort, StoredBF16>(DType.BF16, rows, n, k);
        Run<ushort, StoredF16>(DType.F16, rows, n, k);

        static void Run<T, TStored>(DType type, int rows, int n, int k)
            where T : unmanaged
            where TStored : struct, IStoredFloat<T>
        {
            using var s = new Scratch();
            float* x = s.Random(rows * k, 1), expected = s.Floats(rows * n), y = s.Random(rows * n, 2);
            T* w = Weight<T, TStored>(s, n, k);
            MatMulScalar.Forward<T, TStored>(x, w, expected, rows, n, k);
            foreach (int workers in (int[])[1, 2, 5])
            {
                ItemGrid grid = MatMul.ForwardGrid(rows, Type(type, n, k, w), workers);
                Each(s, grid, (item, scratch) => MatMul.Forward(grid, item, x, k, Type(type, n, k, w), y, n, scratch));
                Scratch.SameBits(expected, y, rows * n);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void InputGradEqualsItsTwin(int rows, int n, int k)
    {
        Run<float, StoredF32>(DType.F32, rows, n, k);
        Run<ushort, StoredBF16>(DType.BF16, rows, n, k);
        Run<ushort, StoredF16>(DType.F16, rows, n, k);

        static void Run<T, TStored>(DType type, int rows, int n, int k)
            where T : unmanaged
            where TStored : struct, IStoredFloat<T>
        {
            using var s = new Scratch();
            float* dy = s.Random(rows * n, 1), start = s.Random(rows * k, 2);
            T* w = Weight<T, TStored>(s, n, k);
            foreach (bool accumulate in (bool[])[false, true])
            {
                float* expected = s.Copy(start, rows * k);
                MatMulScalar.InputGrad<T, TStored>(dy, w, expected, rows, n, k, accumulate);
                foreach (int workers in (int[])[1, 2, 5])
                {
                    float* dx = s.Copy(start, rows * k);
                    ItemGrid grid = MatMul.InputGradGrid(rows, Type(type, n, k, w), workers);
                    Each(s, grid, (item, scratch) => MatMul.InputGrad(grid, item, dy, n, Type(type, n, k, w), dx, k, accumulate, scratch));
                    Scratch.SameBits(expected, dx, rows * k);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void WeightGradEqualsItsTwin(int rows, int n, int k)
    {
        using var s = new Scratch();
        int elements = MatMul.Panels(n) * MicroKernel.Columns * k;
        float* dy = s.Random(rows * n, 1), x = s.Random(rows * k, 2), start = Weight<float, StoredF32>(s, n, k), expected = s.Copy(start, elements);
        MatMulScalar.WeightGrad(dy, x, expected, rows, n, k);
        foreach (int workers in (int[])[1, 2, 5])
        {
            float* dw = s.Copy(start, elements);
            ItemGrid grid = MatMul.WeightGradGrid(rows, n, k, workers);
            Each(s, grid, (item, scratch) => MatMul.WeightGrad(grid, item, dy, n, x, k, dw, rows, n, k, scratch));
            Scratch.SameBits(expected, dw, elements);
        }
    }

    [Fact]
    public void TokensCutInTwoContinueTheChain()
    {
        using var s = new Scratch();
        const int rows = 300, n = 40, k = 50, cut = 77, elements = 48 * k;
        float* dy = s.Random(rows * n, 1), x = s.Random(rows * k, 2), whole = s.Floats(elements), parts = s.Floats(elements);
        ItemGrid all = MatMul.WeightGradGrid(rows, n, k, 1), first = MatMul.WeightGradGrid(cut, n, k, 1), second = MatMul.WeightGradGrid(rows - cut, n, k, 1);
        Each(s, all, (item, scratch) => MatMul.WeightGrad(all, item, dy, n, x, k, whole, rows, n, k, scratch));
        Each(s, first, (item, scratch) => MatMul.WeightGrad(first, item, dy, n, x, k, parts, cut, n, k, scratch));
        Each(s, second, (item, scratch) => MatMul.WeightGrad(second, item, dy + (cut * n), n, x + (cut * k), k, parts, rows - cut, n, k, scratch));
        Scratch.SameBits(whole, parts, elements);
    }

    [Fact]
    public void ItemsCoverTheResultOnce()
    {
        foreach (int rows in (int[])[0, 1, 5, 24, 64, 239, 241, 1000, 4097])
        {
            foreach (int columns in (int[])[1, 16, 17, 100, 513, 4096])
            {
                foreach (int workers in (int[])[1, 2, 7])
                {
                    ItemGrid grid = ItemGrid.Of(rows, columns, 256, workers);
                    var seen = new byte[rows, MatMul.Panels(columns)];
                    for (int item = 0; item < grid.Items; item++)
                    {
                        (int firstRow, int lastRow, int firstPanel, int lastPanel) = grid[item];
                        Assert.InRange(lastRow - firstRow, 1, ItemGrid.MaxRows);
                        Assert.True(lastPanel > firstPanel);
                        for (int r = firstRow; r < lastRow; r++)
                            for (int p = firstPanel; p < lastPanel; p++) Assert.Equal(1, ++seen[r, p]);
                    }

                    Assert.DoesNotContain((byte)0, seen.Cast<byte>());
                }
            }
        }
    }

    private delegate void Item(int item, float* scratch);

    private static void Each(Scratch s, ItemGrid grid, Item run)
    {
        float* scratch = s.Floats(MatMul.ScratchBytes / sizeof(float));
        for (int item = grid.Items - 1; item >= 0; item--) run(item, scratch);
    }

    private static PanelWeight Type(DType type, int n, int k, void* w) =>
        PanelWeight.Of(new TensorType(type, RowSymbol.None, n, k).With(Layout.Panel16), w);

    private static T* Weight<T, TStored>(Scratch s, int n, int k)
        where T : unmanaged
        where TStored : struct, IStoredFloat<T>
    {
        int elements = MatMul.Panels(n) * MicroKernel.Columns * k;
        float* values = s.Random(elements, 3);
        T* w = sizeof(T) == sizeof(float) ? (T*)s.Floats(elements) : (T*)s.Shorts(elements);
        for (int i = 0; i < elements; i++)
        {
            int output = (i / (MicroKernel.Columns * k) * MicroKernel.Columns) + (i % MicroKernel.Columns);
            TStored.Store(output < n ? values[i] : 0, w + i);
        }

        return w;
    }
}
