using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class EmbeddingTests
{
    public static TheoryData<int> Lengths => Scratch.Lengths;

    [Fact]
    public void Golden()
    {
        var golden = Goldens.Load("ops/embedding_repeated");
        using var s = new Scratch();
        int[] ids = golden.Ints("in.ids");
        int v = golden.Shape("in.table")[0], n = golden.Shape("in.table")[1], rows = ids.Length;
        int* id = s.Ints(ids);
        float* table = s.From(golden.Floats("in.table")), dy = s.From(golden.Floats("dout.y")), y = s.Floats(rows * n), dt = s.Floats(v * n);
        EmbeddingKernel.Gather<float, StoredF32>(0, rows, n, id, table, y);
        Assert.Equal(golden.Floats("out.y"), Scratch.Span(y, rows * n).ToArray());
        EmbeddingKernel.Gradient(0, n, rows, n, id, dy, dt);
        golden.Check("grad.table", Scratch.Span(dt, v * n));
        for (int i = 0; i < v; i++)
        {
            if (!ids.Contains(i))
                Assert.All(Scratch.Span(dt + (i * n), n).ToArray(), d => Assert.Equal(0f, d));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void LayoutsAndTypesAgree(int n)
    {
        using var s = new Scratch();
        const int v = 37, rows = 29, panels = 48;
        int* ids = s.Ints([.. Enumerable.Range(0, rows).Select(i => i * i % v)]);
        float* table = s.Random(v * n, 1), packed = s.Floats(panels * n), y = s.Floats(rows * n), y2 = s.Floats(rows * n);
        ushort* half = s.Shorts(v * n), brain = s.Shorts(v * n), brainPacked = s.Shorts(panels * n), halfPacked = s.Shorts(panels * n);
        for (int i = 0; i < v * n; i++)
        {
            StoredF16.Store(table[i], half + i);
            StoredBF16.Store(table[i], brain + i);
            packed[Place(i, n)] = table[i];
            brainPacked[Place(i, n)] = brain[i];
            halfPacked[Place(i, n)] = half[i];
        }

        EmbeddingKernel.Gather<float, StoredF32>(0, 10, n, ids, table, y);
        EmbeddingKernel.Gather<float, StoredF32>(10, rows - 10, n, ids, table, y);
        EmbeddingKernel.GatherScalar<float, StoredF32>(0, rows, n, ids, table, y2);
        Scratch.SameBits(y2, y, rows * n);
        EmbeddingKernel.GatherPanel16<float, StoredF32>(0, rows, n, ids, packed, y);
        Scratch.SameBits(y2, y, rows * n);
        EmbeddingKernel.Gather<ushort, StoredBF16>(0, rows, n, ids, brain, y);
        EmbeddingKernel.GatherScalar<ushort, StoredBF16>(0, rows, n, ids, brain, y2);
        Scratch.SameBits(y2, y, rows * n);
        EmbeddingKernel.GatherPanel16<ushort, StoredBF16>(0, rows, n, ids, brainPacked, y);
        Scratch.SameBits(y2, y, rows * n);
        EmbeddingKernel.Gather<ushort, StoredF16>(0, rows, n, ids, half, y);
        EmbeddingKernel.GatherScalar<ushort, StoredF16>(0, rows, n, ids, half, y2);
        Scratch.SameBits(y2, y, rows * n);
        EmbeddingKernel.GatherPanel16<ushort, StoredF16>(0, rows, n, ids, halfPacked, y);
        Scratch.SameBits(y2, y, rows * n);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void GradientsAgree(int n)
    {
        using var s = new Scratch();
        const int v = 19, rows = 41, panels = 32;
        int* ids = s.Ints([.. Enumerable.Range(0, rows).Select(i => i * 7 % v % 5 * 3)]);
        float* dy = s.Random(rows * n, 1), dt = s.Random(v * n, 2), dt2 = s.Copy(dt, v * n), packed = s.Floats(panels * n);
        for (int i = 0; i < v * n; i++)
            packed[Place(i, n)] = dt[i];

        int cut = n / 3;
        EmbeddingKernel.GradientPanel16(cut, n - cut, rows, n, ids, dy, packed);
        EmbeddingKernel.GradientPanel16(0, cut, rows, n, ids, dy, packed);
        EmbeddingKernel.Gradient(cut, n - cut, rows, n, ids, dy, dt);
        EmbeddingKernel.Gradient(0, cut, rows, n, ids, dy, dt);
        EmbeddingKernel.GradientScalar(0, n, rows, n, ids, dy, dt2);
        Scratch.SameBits(dt2, dt, v * n);
        for (int i = 0; i < v * n; i++)
            Scratch.SameBits(dt2[i], packed[Place(i, n)]);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void SelectedRows(int n)
    {
        using var s = new Scratch();
        const int rows = 9;
        int[] selected = [1, 2, 5, 5, 8];
        int* rowIds = s.Ints(selected);
        float* x = s.Random(rows * n, 1), y = s.Floats(5 * n), dx = s.Random(rows * n, 2), whole = s.Random(rows * n, 3);
        RowSelection.Gather(0, 2, n, rowIds, x, y);
        RowSelection.Gather(2, 3, n, rowIds, x, y);
        for (int i = 0; i < 5; i++)
            Scratch.SameBits(x + (selected[i] * n), y + (i * n), n);

        RowSelection.Scatter(0, rows, n, rowIds, 5, y, whole);
        for (int first = 6; first >= 0; first -= 3)
            RowSelection.Scatter(first, 3, n, rowIds, 5, y, dx);

        Scratch.SameBits(whole, dx, rows * n);
        for (int i = 0; i < rows * n; i++)
            Scratch.SameBits((i / n) switch { 1 or 2 or 8 => x[i], 5 => x[i] + x[i], _ => 0f }, dx[i]);
    }

    private static int Place(int i, int n) => (((i / n / 16 * n) + (i % n)) * 16) + (i / n % 16);
}
