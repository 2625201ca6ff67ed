using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class DropoutTests
{
    public static TheoryData<int> Lengths => Scratch.Lengths;

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Twins(int n)
    {
        using var s = new Scratch();
        var values = new float[n];
        Philox.Stream(1, "x").FillNormal(values);
        float* x = s.From(values), y = s.Floats(n), expected = s.Floats(n);
        PhiloxStream stream = Philox.Stream(3, "drop", 5, 7);
        foreach (uint threshold in (uint[])[0, 1u << 30, uint.MaxValue])
        {
            DropoutKernel.Apply(stream, threshold, 1.25f, n, x, y);
            DropoutKernel.ApplyScalar(stream, threshold, 1.25f, n, x, expected);
            Assert.Equal(Scratch.Span(expected, n).ToArray(), Scratch.Span(y, n).ToArray());
            if (threshold == 0) Assert.Equal(values.Select(v => v * 1.25f), Scratch.Span(y, n).ToArray());
        }

        // In place.
        DropoutKernel.Apply(stream, uint.MaxValue, 1.25f, n, x, x);
        Assert.Equal(Scratch.Span(expected, n).ToArray(), Scratch.Span(x, n).ToArray());
    }

    [Fact]
    public void CopiesColumnsOfSomeRows()
    {
        using var s = new Scratch();
        float* x = s.From([.. Enumerable.Range(0, 5 * 7).Select(i => (float)i)]), y = s.From(new float[5 * 3]);
        RowSelection.CopyColumns(1, 3, 3, x + 2, 7, y, 3);
        Assert.Equal([0f, 0, 0, 9, 10, 11, 16, 17, 18, 23, 24, 25, 0, 0, 0], Scratch.Span(y, 15).ToArray());
    }
}
