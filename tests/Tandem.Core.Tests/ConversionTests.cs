using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Tandem.Tests;

/// <summary>Number formats against bit patterns made by an independent implementation, and vector paths against scalar ones.</summary>
public class ConversionTests
{
    private static readonly JsonElement Golden = JsonDocument.Parse(File.ReadAllText(TestFiles.Golden("conversions.json"))).RootElement;

    [Fact]
    public void BFloat16MatchesGoldens()
    {
        var source = Floats("bf16", "fp32_hex");
        var expected = Codes("bf16", "bf16_hex");
        var back = Floats("bf16", "back_to_fp32_hex");
        var narrow = new BFloat16[source.Length];
        var wide = new float[source.Length];
        Conversions.ToBFloat16(source, narrow);
        Conversions.ToSingle(narrow, wide);
        for (var i = 0; i < source.Length; i++)
        {
            Assert.Equal(expected[i], narrow[i].Bits);
            Assert.Equal(expected[i], BFloat16.FromSingle(source[i]).Bits);
            Assert.Equal(BitConverter.SingleToUInt32Bits(back[i]), BitConverter.SingleToUInt32Bits(wide[i]));
        }

        Assert.All(Floats("bf16", "nan_fp32_hex"), x => Assert.True(BFloat16.FromSingle(x).IsNaN));
    }

    [Fact]
    public void HalfMatchesGoldens()
    {
        var source = Floats("fp16", "fp32_hex");
        var expected = Codes("fp16", "fp16_hex");
        var back = Floats("fp16", "back_to_fp32_hex");
        var narrow = new Half[source.Length];
        var wide = new float[source.Length];
        Conversions.ToHalf(source, narrow);
        Conversions.ToSingle(narrow, wide);
        for (var i = 0; i < source.Length; i++)
        {
            Assert.Equal(expected[i], BitConverter.HalfToUInt16Bits(narrow[i]));
            Assert.Equal(BitConverter.SingleToUInt32Bits(back[i]), BitConverter.SingleToUInt32Bits(wide[i]));
        }

        Assert.All(Floats("fp16", "nan_fp32_hex"), x => Assert.True(Half.IsNaN(BitConverter.UInt16BitsToHalf(Conversions.NarrowHalf(x)))));
    }

    [Fact]
    public void Float8MatchesGoldens()
    {
        var source = Floats("e4m3fn", "fp32_hex");
        var four = new Float8E4M3[source.Length];
        Conversions.ToFloat8E4M3(source, four);
        Assert.Equal(Codes("e4m3fn", "saturating_hex"), four.Select(x => (int)x.Bits));
        Conversions.ToFloat8E4M3(source, four, saturate: false);
        Assert.Equal(Codes("e4m3fn", "non_saturating_hex"), four.Select(x => (int)x.Bits));

        source = Floats("e5m2", "fp32_hex");
        var five = new Float8E5M2[source.Length];
        Conversions.ToFloat8E5M2(source, five);
        Assert.Equal(Codes("e5m2", "saturating_hex"), five.Select(x => (int)x.Bits));
        Conversions.ToFloat8E5M2(source, five, saturate: false);
        Assert.Equal(Codes("e5m2", "non_saturating_hex"), five.Select(x => (int)x.Bits));

        for (var code = 0; code < 256; code++)
        {
            Assert.Equal(Number(Golden.GetProperty("e4m3fn").GetProperty("decode_all_256_codes")[code]), Float8E4M3.FromBits((byte)code).ToSingle());
            Assert.Equal(Number(Golden.GetProperty("e5m2").GetProperty("decode_all_256_codes")[code]), Float8E5M2.FromBits((byte)code).ToSingle());
            var value = Float8E4M3.FromBits((byte)code).ToSingle();
            if (!float.IsNaN(value))
                Assert.Equal((byte)code, Float8E4M3.FromSingle(value).Bits);
        }

        Assert.True(float.IsNaN(Float8E4M3.FromSingle(float.NaN).ToSingle()));
        Assert.True(float.IsNaN(Float8E5M2.FromSingle(float.NaN).ToSingle()));
    }

    [Fact]
    public void StochasticRoundingMatchesGoldens()
    {
        var source = Floats("bf16_stochastic", "fp32_hex");
        var random = Codes("bf16_stochastic", "random_low16_hex");
        var expected = Codes("bf16_stochastic", "bf16_hex");
        for (var i = 0; i < source.Length; i++)
            Assert.Equal(expected[i], BFloat16.FromSingleStochastic(source[i], (ushort)random[i]).Bits);

        Assert.Equal(0x7F80, BFloat16.FromSingleStochastic(float.PositiveInfinity, 0xFFFF).Bits);
        Assert.True(BFloat16.FromSingleStochastic(float.NaN, 0xFFFF).IsNaN);
    }

    [Fact]
    public void StochasticRoundingIsUnbiasedAndIndependentOfTheCut()
    {
        var source = new float[40_000];
        Array.Fill(source, 1 + 1 / 512f); // a quarter of the way from 1 to the next bfloat16
        var whole = new BFloat16[source.Length];
        var stream = Philox.Stream(7, "w");
        Conversions.ToBFloat16Stochastic(source, whole, stream, 5);
        var mean = whole.Average(x => (double)x.ToSingle());
        Assert.InRange(mean, 1 + 1 / 512.0 - 1e-4, 1 + 1 / 512.0 + 1e-4);

        var cut = new BFloat16[source.Length];
        for (var i = 0; i < source.Length; i += 777)
        {
            var count = Math.Min(777, source.Length - i);
            Conversions.ToBFloat16Stochastic(source.AsSpan(i, count), cut.AsSpan(i, count), stream, 5 + (ulong)i);
        }

        Assert.Equal(whole.Select(x => x.Bits), cut.Select(x => x.Bits));
    }

    [Fact]
    public void EveryHalfWidensAsTheRuntimeSays()
    {
        var all = new Half[65536];
        for (var i = 0; i < all.Length; i++)
            all[i] = BitConverter.UInt16BitsToHalf((ushort)i);
        var wide = new float[all.Length];
        Conversions.ToSingle(all, wide);
        for (var i = 0; i < all.Length; i++)
        {
            Assert.Equal((float)all[i], wide[i]);
            Assert.Equal(BitConverter.SingleToUInt32Bits(wide[i]), BitConverter.SingleToUInt32Bits(Conversions.WidenHalf((ushort)i)));
        }

        var back = new Half[all.Length];
        Conversions.ToHalf(wide, back);
        for (var i = 0; i < all.Length; i++)
            Assert.True(Half.IsNaN(all[i]) ? Half.IsNaN(back[i]) : BitConverter.HalfToUInt16Bits(all[i]) == BitConverter.HalfToUInt16Bits(back[i]));
    }

    [Fact]
    public void NarrowingAgreesWithTheRuntimeAndWithTheScalarTwinAtEveryLength()
    {
        var random = new Random(1);
        var values = new float[200_003];
        for (var i = 0; i < values.Length; i++)
            values[i] = BitConverter.UInt32BitsToSingle(i % 3 == 0 ? (uint)random.NextInt64(1L << 32) : (uint)(0x3300_0000 + random.Next(0x1500_0000)));
        var halves = new Half[values.Length];
        var brains = new BFloat16[values.Length];
        Conversions.ToHalf(values, halves);
        Conversions.ToBFloat16(values, brains);
        for (var i = 0; i < values.Length; i++)
        {
            Assert.Equal((Half)values[i], halves[i]);
            Assert.Equal(Conversions.NarrowHalf(values[i]), BitConverter.HalfToUInt16Bits(halves[i]));
            Assert.Equal(BFloat16.FromSingle(values[i]).Bits, brains[i].Bits);
        }

        for (var length = 0; length < 70; length++)
        {
            var part = new BFloat16[length];
            Conversions.ToBFloat16(values.AsSpan(3, length), part);
            Assert.Equal(brains.Skip(3).Take(length).Select(x => x.Bits), part.Select(x => x.Bits));
        }
    }

    [Fact]
    public void UnequalLengthsAreRefused()
    {
        Assert.Throws<ArgumentException>(() => Conversions.ToBFloat16(new float[3], new BFloat16[4]));
        Assert.Throws<ArgumentException>(() => Conversions.ToSingle(new Half[3], new float[2]));
    }

    private static float[] Floats(string format, string key) =>
        [.. Strings(format, key).Select(x => BitConverter.UInt32BitsToSingle(uint.Parse(x, NumberStyles.HexNumber, CultureInfo.InvariantCulture)))];

    private static int[] Codes(string format, string key) =>
        [.. Strings(format, key).Select(x => int.Parse(x, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];

    private static IEnumerable<string> Strings(string format, string key) =>
        Golden.GetProperty(format).GetProperty(key).EnumerateArray().Select(x => x.GetString()!);

    private static float Number(JsonElement element) => element.ValueKind == JsonValueKind.Number ? element.GetSingle() : element.GetString() switch
    {
        "inf" => float.PositiveInfinity,
        "-inf" => float.NegativeInfinity,
        _ => float.NaN,
    };
}
