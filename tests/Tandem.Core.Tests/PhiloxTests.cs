using Xunit;

namespace Tandem.Tests;

/// <summary>Random numbers: published known answers, independence of layout, and distributions.</summary>
public class PhiloxTests
{
    [Fact]
    public void KnownAnswersOfTheAuthors()
    {
        Assert.Equal((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u), Philox.Block(0, 0, 0, 0, 0, 0));
        Assert.Equal(
            (0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu),
            Philox.Block(~0u, ~0u, ~0u, ~0u, ~0u, ~0u));
        Assert.Equal(
            (0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u),
            Philox.Block(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0));
    }

    [Fact]
    public void AnElementDoesNotDependOnHowItIsAskedFor()
    {
        var stream = Philox.Stream(42, "model.layers.0.mlp.up_proj.weight");
        var uniforms = new float[1003];
        var normals = new float[1003];
        stream.FillUniform(uniforms);
        stream.FillNormal(normals);
        for (var start = 0; start < 9; start++)
        {
            var u = new float[517];
            var n = new float[517];
            stream.FillUniform(u, (ulong)start);
            stream.FillNormal(n, (ulong)start);
            for (var i = 0; i < u.Length; i++)
            {
                Assert.Equal(uniforms[start + i], u[i]);
                Assert.Equal(normals[start + i], n[i]);
                Assert.Equal(u[i], stream.Uniform((ulong)(start + i)));
                Assert.Equal(n[i], stream.Normal((ulong)(start + i)));
            }
        }
    }

    [Fact]
    public void NamesIdsAndSeedsGiveDifferentStreams()
    {
        var streams = new[]
        {
            Philox.Stream(1, "a"), Philox.Stream(2, "a"), Philox.Stream(1, "b"), Philox.Stream(1, "a", 0), Philox.Stream(1, "a", 1),
            Philox.Stream(1, "a", 0, 1), Philox.Stream(1, "a", 1, 0), Philox.Stream(1ul << 32, "a"),
        };
        Assert.Equal(streams.Length, streams.Select(x => (x.UInt32(0), x.UInt32(1))).Distinct().Count());
        Assert.Equal(Philox.Stream(1, "a", 3, 4).UInt32(9), Philox.Stream(1, Philox.HashName("a")).With(3).With(4).UInt32(9));
    }

    [Fact]
    public void StreamsStayWhatTheyAre()
    {
        // Computed from the definition by a program in another language: a change here changes every initialised model and every resumed run.
        var stream = Philox.Stream(42, 0x0123456789ABCDEF, 3);
        Assert.Equal([1199501102u, 2064177354u, 1449549914u, 2648663555u], new[] { stream.UInt32(4), stream.UInt32(5), stream.UInt32(6), stream.UInt32(7) });
        Assert.Equal(0x3E46D4B7u, BitConverter.SingleToUInt32Bits(stream.Normal(5)));
        Assert.Equal(0x2D06800538D394C2ul, Philox.HashName(""));
    }

    [Fact]
    public void UniformsAreInRangeOnTheGridAndFlat()
    {
        var values = new float[200_000];
        Philox.Stream(3, "u").FillUniform(values);
        Assert.All(values, x => Assert.True(x is >= 0 and < 1 && x * 16777216f == MathF.Floor(x * 16777216f)));
        Assert.InRange(values.Average(x => (double)x), 0.5 - 0.003, 0.5 + 0.003);
        var bins = new int[16];
        foreach (var x in values)
            bins[(int)(x * 16)]++;
        Assert.All(bins, n => Assert.InRange(n, 12_500 - 550, 12_500 + 550));

        Philox.Stream(3, "u").FillUniform(values, 0, -2, 2);
        Assert.All(values, x => Assert.InRange(x, -2, 2));
    }

    [Fact]
    public void NormalsHaveTheirMomentsAndTails()
    {
        var values = new float[400_000];
        Philox.Stream(3, "n").FillNormal(values);
        Assert.InRange(values.Average(x => (double)x), -0.006, 0.006);
        Assert.InRange(values.Average(x => (double)x * x), 0.99, 1.01);
        Assert.InRange(values.Average(x => Math.Pow(x, 4)), 2.93, 3.07);
        Assert.InRange(values.Count(x => Math.Abs(x) > 1.959964) / 400_000.0, 0.048, 0.052);
        Assert.All(values, x => Assert.InRange(x, -6.78f, 6.78f));
        var pairs = 0.0;
        for (var i = 0; i < values.Length; i += 2)
            pairs += values[i] * values[i + 1];
        Assert.InRange(pairs / 200_000, -0.01, 0.01);

        var scaled = new float[values.Length];
        Philox.Stream(3, "n").FillNormal(scaled, 0, 0.5f, 0.02f);
        Assert.Equal(0.5f + values[17] * 0.02f, scaled[17]);
    }

    [Fact]
    public void FillingAllocatesNothing()
    {
        var values = new float[4096];
        var stream = Philox.Stream(3, "n");
        stream.FillNormal(values);
        stream.FillUniform(values);
        var before = GC.GetAllocatedBytesForCurrentThread();
        stream.FillNormal(values, 1);
        stream.FillUniform(values, 1);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void PortableMathIsAsGoodAsTheRuntime()
    {
        var random = new Random(5);
        for (var i = 0; i < 100_000; i++)
        {
            var x = Math.ScaleB(1 + random.NextDouble(), random.Next(-1000, 1000));
            Near(Math.Log(x), PortableMath.Log(x));
            var y = (random.NextDouble() - 0.5) * 1390;
            var exp = Math.Exp(y);
            Assert.InRange(PortableMath.Exp(y) / exp, 1 - 4e-16, 1 + 4e-16);
            var turns = random.NextDouble() * 2 - 1;
            var (sin, cos) = PortableMath.SinCosTurns(turns);
            Assert.InRange(sin - Math.Sin(2 * Math.PI * turns), -2e-15, 2e-15);
            Assert.InRange(cos - Math.Cos(2 * Math.PI * turns), -2e-15, 2e-15);
            Assert.InRange(sin * sin + cos * cos, 1 - 6e-16, 1 + 6e-16);
        }

        Assert.Equal(0, PortableMath.Log(1));
        Assert.Equal(1, PortableMath.Exp(0));
        Assert.Equal((0.0, 1.0), PortableMath.SinCosTurns(0));
        Assert.Equal((1.0, 0.0), (PortableMath.SinCosTurns(0.25).Sin, Math.Abs(PortableMath.SinCosTurns(0.25).Cos)));
        Assert.Throws<ArgumentOutOfRangeException>(() => PortableMath.Log(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => PortableMath.Exp(double.NaN));
    }

    private static void Near(double expected, double actual) =>
        Assert.InRange(actual - expected, -3e-16 * Math.Max(1, Math.Abs(expected)), 3e-16 * Math.Max(1, Math.Abs(expected)));
}
