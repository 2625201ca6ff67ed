using System.Text.Json;
using CsCheck;
using Xunit;

namespace Tandem.Tests.Quantization;

/// <summary>Encoders: how near they come, what they refuse, and what must hold for whatever they are given.</summary>
public class BlockEncodeTests
{
    public static TheoryData<DType> Blocked => [.. DTypes.All.Where(t => t.IsBlock() && Blocks.Has(t))];

    // What is written of these a second time is the same again: the largest value comes to lie on a level.
    public static TheoryData<DType> Settled =>
    [
        DType.F16, DType.BF16, DType.Q4_0, DType.Q5_0, DType.Q8_0, DType.Q8_1, DType.TQ1_0, DType.TQ2_0, DType.MXFP4, DType.Q1_0, DType.Q2_0,
    ];

    public static TheoryData<string> BarTypes => [.. QuantizationGoldens.Bars.EnumerateObject().Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(BarTypes))]
    public void ErrorsAreWithinTheBars(string name)
    {
        DType type = DTypes.Find(name)!.Value;
        JsonElement bars = QuantizationGoldens.Bars.GetProperty(name);
        float[] importance = QuantizationGoldens.Floats("bars_input", "importance"), ones = [.. Enumerable.Repeat(1f, importance.Length)];
        foreach (string input in (string[])["normal", "heavy"])
        {
            float[] values = QuantizationGoldens.Floats("bars_input", input);
            foreach (JsonProperty mode in bars.GetProperty(input).EnumerateObject())
            {
                float[] back = RoundTrip(type, values, mode.Name switch { "plain" => [], "importance" => importance, _ => ones });
                Assert.InRange(Error(values, back, ones), 0, mode.Value.GetProperty("rel_rmse").GetDouble() * 1.01);
                Assert.InRange(Error(values, back, importance), 0, mode.Value.GetProperty("rel_weighted_rmse").GetDouble() * 1.01);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Settled))]
    public void WhatWasWrittenOnceIsWrittenAgainUnchanged(DType type) =>
        RowsOf256.Sample(
            row =>
            {
                float[] once = RoundTrip(type, row, []);
                Assert.Equal(once, RoundTrip(type, once, []));
            },
            iter: 200);

    // A block of nothing but zeros could always have been written instead.
    [Theory]
    [MemberData(nameof(Blocked))]
    public void NoBlockIsWorseThanZeros(DType type) =>
        Gen.Select(RowsOf256, Gen.Float[0.01f, 10].Array[256]).Sample(
            (row, importance) =>
            {
                float[] weights = [.. importance.Select(w => (w / importance.Average()) + 0.25f)];
                float[] back = RoundTrip(type, row, importance);
                Assert.All(back, v => Assert.True(float.IsFinite(v)));
                // Types that are written by definition do not heed weights.
                Assert.InRange(Error(row, back, QuantizationGoldens.Exact.Contains(type) && type is not (DType.Q4_0 or DType.Q4_1 or DType.Q5_0 or DType.Q5_1) ? Ones : weights), 0, 1.001);
            },
            iter: 30);

    [Theory]
    [InlineData(DType.Q8_0, 127)]
    [InlineData(DType.Q5_0, 16)]
    [InlineData(DType.Q4_0, 8)]
    public void ErrorsOfPlainTypesAreAtMostAStep(DType type, int steps) =>
        RowsOf256.Sample(
            row =>
            {
                float[] back = RoundTrip(type, row, []);
                for (int block = 0; block < 256; block += 32)
                {
                    // Half a step, or a whole one where the positive side has a level less; and what binary16 takes from the step itself, at most steps times.
                    float step = row.AsSpan(block, 32).ToArray().Max(MathF.Abs) / steps, slack = (step / 2048 * steps) + (steps * 3e-8f);
                    for (int i = block; i < block + 32; i++) Assert.InRange(MathF.Abs(row[i] - back[i]), 0, (step * (type == DType.Q8_0 ? 0.5001f : 1.0001f)) + slack);
                }
            },
            iter: 200);

    [Theory]
    [MemberData(nameof(Blocked))]
    public void RowsDoNotInfluenceEachOther(DType type)
    {
        float[] values = QuantizationGoldens.Floats("bars_input", "heavy")[..4096], importance = QuantizationGoldens.Floats("bars_input", "importance");
        byte[] all = new byte[type.Bytes(4096)];
        Blocks.Encode(type, values, importance, all);
        for (int row = 0; row < 4; row++)
        {
            byte[] one = new byte[type.Bytes(1024)];
            Blocks.Encode(type, values.AsSpan(1024 * row, 1024), importance, one);
            Assert.Equal(all[(one.Length * row)..(one.Length * (row + 1))], one);
        }
    }

    [Theory]
    [MemberData(nameof(Blocked))]
    public void EdgesOfTheRangeStayFinite(DType type)
    {
        foreach (float scale in (float[])[0, 1e-40f, 1e-20f, 1e-9f, 1e-7f, 1e-4f, 1000])
        {
            float[] values = [.. Enumerable.Range(0, 256).Select(i => scale * MathF.Cos(i * 0.7f))], constant = [.. Enumerable.Repeat(-scale, 256)];
            Assert.All(RoundTrip(type, values, Ones), v => Assert.InRange(v, -2 * scale, 2 * scale));
            Assert.All(RoundTrip(type, constant, Ones), v => Assert.InRange(v, -2 * scale, 2 * scale));
        }
    }

    [Theory]
    [MemberData(nameof(Blocked))]
    public void BadValuesAreNamed(DType type)
    {
        byte[] blocks = new byte[type.Bytes(256)];
        foreach ((float bad, string word) in ((float, string)[])[(float.NaN, "finite"), (float.NegativeInfinity, "finite")])
        {
            float[] values = new float[256];
            values[203] = bad;
            string message = Assert.Throws<TandemException>(() => Blocks.Encode(type, values, Ones, blocks)).Message;
            Assert.Contains("element 203", message, StringComparison.Ordinal);
            Assert.Contains(type.Name(), message, StringComparison.Ordinal);
            Assert.Contains(word, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ValuesBeyondTheScaleAreRefused()
    {
        byte[] blocks = new byte[DType.Q4_0.Bytes(32)];
        float[] values = new float[32];
        values[31] = 7e4f;
        Assert.Contains("element 31", Assert.Throws<TandemException>(() => Blocks.Encode(DType.Q4_0, values, [], blocks)).Message, StringComparison.Ordinal);
        values[31] = 65504;
        Assert.InRange(RoundTrip(DType.Q4_0, values, [])[31], 65000, 66000);
        Assert.Contains("65504", Assert.Throws<TandemException>(() => Blocks.Encode(DType.F16, [65520], [], new byte[2])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Blocked))]
    public void SizesThatDoNotFitAreRefused(DType type)
    {
        int elements = type.BlockElements(), bytes = type.BlockBytes();
        Assert.Contains(type.Name(), Assert.Throws<ArgumentException>(() => Blocks.Decode(type, new byte[bytes], new float[elements + 1])).Message, StringComparison.Ordinal);
        Assert.Contains($"{bytes} bytes", Assert.Throws<ArgumentException>(() => Blocks.Decode(type, new byte[bytes + 1], new float[elements])).Message, StringComparison.Ordinal);
        Assert.Contains(type.Name(), Assert.Throws<ArgumentException>(() => Blocks.Encode(type, new float[elements - 1], [], new byte[bytes])).Message, StringComparison.Ordinal);
        Assert.Contains(
            "columns", Assert.Throws<ArgumentException>(() => Blocks.Encode(type, new float[elements], new float[elements + 1], new byte[bytes])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BadImportanceIsNamed()
    {
        float[] importance = [.. Ones];
        importance[17] = -1;
        string message = Assert.Throws<TandemException>(() => Blocks.Encode(DType.Q4_K, Ones, importance, new byte[144])).Message;
        Assert.Contains("column 17 is -1", message, StringComparison.Ordinal);
        Assert.Equal(RoundTrip(DType.Q4_K, Ones, Ones), RoundTrip(DType.Q4_K, Ones, new float[256]));
    }

    [Fact]
    public void TypesOfFewestBitsNeedAnImportance()
    {
        Assert.Equal([DType.IQ2_XXS, DType.IQ2_XS, DType.IQ1_S], DTypes.All.Where(t => Blocks.Has(t) && Blocks.NeedsImportance(t)));
        foreach (DType type in (DType[])[DType.IQ2_XXS, DType.IQ2_XS, DType.IQ1_S])
        {
            string message = Assert.Throws<TandemException>(() => Blocks.Encode(type, Ones, [], new byte[type.BlockBytes()])).Message;
            Assert.Contains(type.Name(), message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void OtherTypesAreNone()
    {
        Assert.False(Blocks.Has(DType.I32));
        Assert.Contains("i32", Assert.Throws<ArgumentException>(() => Blocks.Decode(DType.I32, new byte[4], new float[1])).Message, StringComparison.Ordinal);
    }

    private static readonly float[] Ones = [.. Enumerable.Repeat(1f, 256)];

    // Rows of very different sizes and shapes: plain, with few large values, with many zeros, all of one sign.
    private static readonly Gen<float[]> RowsOf256 = Gen.Select(Gen.Float[-1, 1].Array[256], Gen.Int[-12, 8], Gen.Int[0, 3]).Select((row, exponent, shape) =>
    {
        float scale = MathF.ScaleB(1, exponent);
        return row.Select(v => scale * shape switch { 1 => v * v * v * v * v, 2 => MathF.Abs(v) < 0.7f ? 0 : v, 3 => MathF.Abs(v), _ => v }).ToArray();
    });

    private static float[] RoundTrip(DType type, float[] values, float[] importance)
    {
        byte[] blocks = new byte[type.Bytes(values.Length)];
        float[] back = new float[values.Length];
        Blocks.Encode(type, values, importance, blocks);
        Blocks.Decode(type, blocks, back);
        return back;
    }

    // The root of the weighted mean square of the error, over that of the values.
    private static double Error(float[] values, float[] back, float[] weights)
    {
        double error = 0, square = 0;
        for (int i = 0; i < values.Length; i++)
        {
            double difference = (double)values[i] - back[i], weight = weights[i % weights.Length];
            error += weight * difference * difference;
            square += weight * values[i] * values[i];
        }

        return error == 0 ? 0 : Math.Sqrt(error / square);
    }
}
