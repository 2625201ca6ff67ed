using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class RowReduceTests
{
    public static TheoryData<int> Lengths => Scratch.Lengths;

    [Theory]
    [MemberData(nameof(Lengths))]
    public void VectorsAndScalarsGiveTheSameBits(int n)
    {
        using var scratch = new Scratch();
        float* x = scratch.Random(n, n + 1), y = scratch.Random(n, n + 2);
        Scratch.SameBits(RowReduce.SumScalar(x, n), RowReduce.Sum(x, n));
        Scratch.SameBits(RowReduce.SumSquaresScalar(x, n), RowReduce.SumSquares(x, n));
        Scratch.SameBits(RowReduce.DotScalar(x, y, n), RowReduce.Dot(x, y, n));
        Scratch.SameBits(RowReduce.SumSquaredDistancesScalar(x, n, 0.3f), RowReduce.SumSquaredDistances(x, n, 0.3f));
        Scratch.SameBits(RowReduce.MaxScalar(x, n), RowReduce.Max(x, n));
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void ArgMaxIsTheFirstOfTheLargestAndNeverOfNaN(int n)
    {
        if (n == 0) return;
        using var scratch = new Scratch();
        float* x = scratch.Random(n, n + 1);
        Assert.Equal(RowReduce.ArgMaxScalar(x, n), RowReduce.ArgMax(x, n));
        x[n - 1] = x[n / 2] = 3e38f;
        Assert.Equal(n / 2, RowReduce.ArgMax(x, n));
        x[n / 3] = float.NaN;
        Assert.Equal(-1, RowReduce.ArgMax(x, n));
        x[n / 3] = float.PositiveInfinity;
        Assert.Equal(-1, RowReduce.ArgMax(x, n));
        new Span<float>(x, n).Fill(float.NegativeInfinity);
        Assert.Equal(-1, RowReduce.ArgMax(x, n));
    }

    [Fact]
    public void SumFollowsLanesAndTree()
    {
        using var scratch = new Scratch();
        // 2^24 + 1 is not a float: only the stated order keeps the ones.
        float* x = scratch.Floats(33);
        x[0] = 16777216f;
        x[16] = 1f;
        x[32] = 1f;
        x[8] = 1f;
        x[24] = 1f;
        // Lane 0: 2^24 + 1 + 1 = 2^24; lane 8: 2; together 2^24 + 2.
        Assert.Equal(16777218f, RowReduce.Sum(x, 33));
    }

    [Fact]
    public void EmptyRows()
    {
        Assert.Equal(0f, RowReduce.Sum(null, 0));
        Assert.Equal(float.NegativeInfinity, RowReduce.Max(null, 0));
        Assert.Equal(-1, RowReduce.ArgMax(null, 0));
    }
}
