using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Rope frequencies against the published library's for every scaling, and the table against the runtime's cosines.</summary>
public unsafe class RopeTests
{
    public static TheoryData<string, string> Cases =>
        [.. CheckpointFiles.Configs.EnumerateObject()
            .Where(x => x.Value.GetProperty("rope").ValueKind == JsonValueKind.Object)
            .Where(x => x.Value.GetProperty("rope").GetProperty("inv_freq_by_length").TryGetProperty("inv_freq", out _))
            .SelectMany(x => new[] { (x.Name, "config"), (x.Name, "config_v4") })
            .Where(x => !(x.Item1.StartsWith("gpt_neox", StringComparison.Ordinal) && x.Item2 == "config_v4")) // spells the share rotary_pct
            .Select(x => new TheoryDataRow<string, string>(x.Item1, x.Item2))];

    [Theory]
    [MemberData(nameof(Cases))]
    public void FrequenciesMatchTheGoldens(string name, string spelling)
    {
        var (rope, headDim) = Read(name, spelling);
        var golden = CheckpointFiles.Configs.GetProperty(name).GetProperty("rope");
        foreach (var length in golden.GetProperty("inv_freq_by_length").GetProperty("inv_freq").EnumerateObject())
        {
            var expected = length.Value.EnumerateArray().Select(x => x.GetDouble()).ToArray();
            var lengths = length.Name == "any" ? new[] { 1, 61, 100_000 } : [int.Parse(length.Name, CultureInfo.InvariantCulture)];
            foreach (var maxLength in lengths)
            {
                var (actual, multiplier) = RopeFrequencies.Compute(rope, headDim, maxLength);
                Assert.Equal(expected.Length, actual.Length);
                for (var i = 0; i < actual.Length; i++)
                    Assert.InRange(actual[i] / expected[i], 1 - 4e-7, 1 + 4e-7);
                Assert.Equal(golden.GetProperty("cos_sin_multiplier").GetProperty("attention_scaling").GetDouble(), multiplier, 1e-12);
            }
        }

        if (rope.DependsOnLength)
            Assert.True(golden.GetProperty("inv_freq_by_length").GetProperty("inv_freq").EnumerateObject().Count() > 1);
    }

    [Fact]
    public void EveryKindIsAmongTheGoldens() =>
        Assert.Equal(Enum.GetValues<RopeKind>(), Cases.Select(x => Read(x.Data.Item1, x.Data.Item2).Rope.Kind).Distinct().Order());

    [Fact]
    public void TheTableHoldsCosinesAndSinesTimesTheMultiplier()
    {
        foreach (var name in new[] { "llama_plain", "llama_rope_yarn", "phi3_longrope", "llama_rope_dynamic" })
        {
            var (rope, headDim) = Read(name, "config");
            var (frequencies, multiplier) = RopeFrequencies.Compute(rope, headDim, 700);
            using var table = RopeTable.Build(rope, headDim, 600, 700);
            Assert.Equal((600, frequencies.Length, 2 * frequencies.Length, 700), (table.Positions, table.Pairs, table.RotaryDim, table.MaxLength));
            Assert.Equal(multiplier, table.Multiplier);
            for (var p = 0; p < 600; p++)
            {
                for (var i = 0; i < frequencies.Length; i++)
                {
                    Assert.Equal(Math.Cos(p * frequencies[i]) * multiplier, table.Cos[p * table.Pairs + i], 7e-8);
                    Assert.Equal(Math.Sin(p * frequencies[i]) * multiplier, table.Sin[p * table.Pairs + i], 7e-8);
                }
            }
        }
    }

    [Fact]
    public void FarPositionsStayExact()
    {
        var rope = new RopeConfig { MaxPositions = 1 << 17, OriginalMaxPositions = 1 << 17 };
        using var table = RopeTable.Build(rope, 4, 1 << 17);
        for (var p = 100_000; p < 1 << 17; p += 97)
        {
            Assert.Equal(Math.Cos(p), table.Cos[p * 2L], 7e-8);
            Assert.Equal(Math.Sin(p * 0.01), table.Sin[p * 2L + 1], 7e-8);
        }
    }

    [Fact]
    public void ATableOfFixedLengthDoesNotChangeWithTheNumberOfRows()
    {
        var (rope, headDim) = Read("llama_rope_dynamic", "config");
        using var few = RopeTable.Build(rope, headDim, 20, 90);
        using var many = RopeTable.Build(rope, headDim, 90);
        for (var i = 0; i < 20 * few.Pairs; i++)
            Assert.True(few.Cos[i] == many.Cos[i] && few.Sin[i] == many.Sin[i]);
    }

    private static (RopeConfig Rope, int HeadDim) Read(string name, string spelling)
    {
        var config = CheckpointFiles.Configs.GetProperty(name).GetProperty(spelling);
        var headDim = config.TryGetProperty("head_dim", out var given) && given.ValueKind == JsonValueKind.Number ? given.GetInt32()
            : config.TryGetProperty("qk_rope_head_dim", out var part) ? part.GetInt32()
            : config.GetProperty("hidden_size").GetInt32() / config.GetProperty("num_attention_heads").GetInt32();
        var reader = new ConfigReader(config, name);
        var rope = RopeConfig.Read(reader, headDim, config.GetProperty("max_position_embeddings").GetInt32(), 10000);
        reader.ThrowIfMistaken();
        return (rope, headDim);
    }
}
