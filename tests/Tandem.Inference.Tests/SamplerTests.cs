using System.IO.Compression;
using System.Text.Json;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>The distributions that sampling options leave, against independent definitions in f64.</summary>
public sealed unsafe class SamplerTests
{
    private const double Tolerance = 1e-5;

    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "goldens", "sampling");

    [Fact]
    public void Filters_leave_the_golden_distributions()
    {
        int cases = 0;
        foreach (JsonElement golden in Rows("filters.json"))
        {
            JsonElement p = golden.GetProperty("params");
            SamplingOptions? options = golden.GetProperty("op").GetString() switch
            {
                "temperature" => new SamplingOptions { Temperature = p.GetProperty("t").GetSingle() },
                "top_k" => new SamplingOptions { TopK = p.GetProperty("k").GetInt32() },
                "top_p" => new SamplingOptions { TopP = p.GetProperty("p").GetSingle() },
                "min_p" => new SamplingOptions { MinP = p.GetProperty("p").GetSingle() },
                _ => null,
            };
            if (options == null) continue;
            cases++;
            CheckKept(golden, Filtered(Logits(golden), options, [], []));
        }

        Assert.True(cases >= 60, $"only {cases} cases");
    }

    [Fact]
    public void Chains_filter_in_the_golden_order()
    {
        int cases = 0;
        foreach (JsonElement golden in Rows("chains.json"))
        {
            JsonElement p = golden.GetProperty("params");
            if (golden.GetProperty("op").GetString() != "chain_vllm" || p.GetProperty("frequency").GetDouble() != 0 || p.GetProperty("presence").GetDouble() != 0) continue;
            var options = new SamplingOptions
            {
                Temperature = p.GetProperty("temperature").GetSingle(),
                TopK = p.GetProperty("top_k").GetInt32(),
                TopP = p.GetProperty("top_p").GetSingle(),
                MinP = p.GetProperty("min_p").GetSingle(),
                RepetitionPenalty = p.GetProperty("repetition").GetSingle(),
            };
            int[] history = [.. p.GetProperty("prompt").EnumerateArray().Concat(p.GetProperty("output").EnumerateArray()).Select(i => i.GetInt32())];

            // The only biases here are -100: as good as a ban.
            int[] banned = [.. p.GetProperty("bias").EnumerateObject().Select(b => int.Parse(b.Name, System.Globalization.CultureInfo.InvariantCulture))];
            CheckKept(golden, Filtered(Logits(golden), options, history, banned));
            cases++;
        }

        Assert.Equal(6, cases);
    }

    [Fact]
    public void Repetition_penalty_changes_the_golden_logits()
    {
        foreach (JsonElement golden in Rows("penalties.json"))
        {
            float[] logits = Logits(golden);
            double[] expected = [.. logits.Select(l => (double)l)];
            foreach ((JsonElement id, JsonElement value) in golden.GetProperty("changed_ids").EnumerateArray().Zip(golden.GetProperty("transformers").EnumerateArray()))
                expected[id.GetInt32()] = value.GetDouble();
            int[] history = [.. golden.GetProperty("prompt").EnumerateArray().Concat(golden.GetProperty("output").EnumerateArray()).Select(i => i.GetInt32())];
            Dictionary<int, double> kept = Filtered(logits, new SamplingOptions { RepetitionPenalty = golden.GetProperty("repetition").GetSingle() }, history, []);
            double sum = expected.Sum(Math.Exp);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(Math.Exp(expected[i]) / sum, kept[i], Tolerance);
        }
    }

    [Fact]
    public void Greedy_takes_the_largest_and_the_smallest_id_among_equals()
    {
        var sampler = new Sampler(5);
        Assert.Equal(1, sampler.Sample([0, 3, 1, 3, 2], new SamplingOptions { Temperature = 0 }, [], 0));
        Assert.Equal(3, sampler.Sample([0, 3, 1, 3, 2], new SamplingOptions { Temperature = 0 }, [], 0, [1]));
        Assert.Equal(-1, sampler.Sample([float.NegativeInfinity, float.NegativeInfinity, 1, 1, 1], new SamplingOptions { Temperature = 0 }, [], 0, [2, 3, 4]));
    }

    [Fact]
    public void A_row_that_is_not_finite_gives_no_token()
    {
        var sampler = new Sampler(3);
        foreach (float[] row in (float[][])[[1, float.NaN, 2], [1, float.PositiveInfinity, 2], [float.NegativeInfinity, float.NegativeInfinity, float.NegativeInfinity]])
        {
            Assert.Equal(-1, sampler.Sample(row, new SamplingOptions(), [], 0));
            Assert.Equal(-1, sampler.Sample(row, new SamplingOptions { Temperature = 0 }, [], 0));
        }
    }

    [Fact]
    public void Draws_follow_the_distribution()
    {
        float[] logits = [0, 1, 2, -1, 0.5f, float.NegativeInfinity];
        foreach (SamplingOptions options in (SamplingOptions[])[new(), new() { Temperature = 0.5f }, new() { TopK = 3 }, new() { TopP = 0.7f }, new() { MinP = 0.2f }])
        {
            const int Draws = 20_000;
            var sampler = new Sampler(logits.Length);
            Dictionary<int, double> expected = Filtered(logits, options, [], []);
            var counts = new int[logits.Length];
            for (int i = 0; i < Draws; i++) counts[sampler.Sample(logits, options with { Seed = (ulong)i }, [], 7)]++;

            // Pearson's statistic of at most four degrees of freedom exceeds 23.5 once in 10,000 times; the seeds are fixed.
            double chi = expected.Sum(e => Math.Pow(counts[e.Key] - (e.Value * Draws), 2) / (e.Value * Draws));
            Assert.True(chi < 23.5, $"{options}: {chi}");
            Assert.Equal(Draws, expected.Keys.Sum(id => counts[id]));
        }
    }

    [Fact]
    public void Partial_selection_equals_sorting()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            PhiloxStream random = Philox.Stream((ulong)seed, "logits");
            var logits = new float[1 + (seed % 97)];

            // Few different values, so that ties are everywhere.
            for (int i = 0; i < logits.Length; i++) logits[i] = random.UInt32((ulong)i) % 7;
            int k = 1 + (seed % 13);
            double p = 0.05 + (seed % 19 * 0.05);
            int[] sorted = [.. Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i)];
            Assert.Equal(sorted.Take(k).Order(), Filtered(logits, new SamplingOptions { TopK = k }, [], []).Keys);
            double total = logits.Sum(l => Math.Exp(l - 6)), sum = 0;
            int count = 0;
            while (count < sorted.Length && sum < ((float)p * total) - 1e-12) sum += Math.Exp(logits[sorted[count++]] - 6);
            if (Math.Abs(sum - ((float)p * total)) > 1e-9) Assert.Equal(sorted.Take(Math.Max(1, count)).Order(), Filtered(logits, new SamplingOptions { TopP = (float)p }, [], []).Keys);
        }
    }

    [Fact]
    public void Top_gives_the_most_likely_tokens_in_order()
    {
        float[] logits = [1, 4, 2, 4, -3];
        var top = new TokenLogProb[4];
        LogProbs.Top(logits, top);
        Assert.Equal([1, 3, 2, 0], top.Select(t => t.Id));
        foreach (TokenLogProb token in top) Assert.Equal(LogProbs.Of(logits, token.Id), token.LogProb);
    }

    [Fact]
    public void Options_out_of_range_are_refused_all_at_once()
    {
        var options = new SamplingOptions { Temperature = float.NaN, TopK = -1, TopP = 0, MinP = 2, RepetitionPenalty = -1, MaxTokens = 0, MinTokens = 5, LogProbs = 101, Stop = [""] };
        string message = Assert.Throws<TandemException>(options.Validate).Message;
        foreach (string part in (string[])["temperature NaN", "top_k -1", "top_p 0", "min_p 2", "repetition_penalty -1", "max_tokens 0", "min_tokens 5", "logprobs 101", "stop"])
            Assert.Contains(part, message, StringComparison.Ordinal);
    }

    private static void CheckKept(JsonElement golden, Dictionary<int, double> kept)
    {
        JsonElement p = golden.GetProperty("params");
        string name = $"{golden.GetProperty("op")} {p} {golden.GetProperty("logits")}";
        int count = golden.GetProperty("kept_count").GetInt32(), k = p.TryGetProperty("k", out JsonElement named) || p.TryGetProperty("top_k", out named) ? named.GetInt32() : 0;
        int[] ids = golden.GetProperty("kept_ids").ValueKind == JsonValueKind.Array ? Ints(golden.GetProperty("kept_ids")) : [];

        // The golden keeps all that are as likely as the k-th; here the smaller ids are kept, k in all.
        bool cutTies = k > 0 && k < count;
        Assert.True((cutTies ? k : count) == kept.Count, $"{name}: {kept.Count} kept, wanted {count}");
        if (cutTies) Assert.Subset(ids.ToHashSet(), kept.Keys.ToHashSet());
        else if (ids.Length > 0) Assert.Equal(ids, kept.Keys);
        if (golden.TryGetProperty("strictly_above", out JsonElement above)) Assert.InRange(above.GetInt32(), kept.Values.Count(v => v > kept.Values.Min() * (1 + 1e-12)), kept.Count);
        double scale = cutTies ? kept.Values.Max() / golden.GetProperty("top_probs")[0].GetDouble() : 1;
        foreach ((JsonElement id, JsonElement probability) in golden.GetProperty("top_ids").EnumerateArray().Zip(golden.GetProperty("top_probs").EnumerateArray()))
        {
            if (cutTies && !kept.ContainsKey(id.GetInt32())) continue;
            Assert.True(Math.Abs((probability.GetDouble() * scale) - kept[id.GetInt32()]) < Tolerance, $"{name}: token {id} has {kept[id.GetInt32()]}, wanted {probability}");
        }
    }

    private static Dictionary<int, double> Filtered(float[] logits, SamplingOptions options, int[] history, int[] banned)
    {
        var sampler = new Sampler(logits.Length);
        Assert.True(sampler.Filter(logits, options, history, banned));
        double total = sampler.Weights.ToArray().Sum();
        var kept = new Dictionary<int, double>();
        for (int i = 0; i < sampler.Kept.Length; i++)
            if (sampler.Weights[i] > 0) kept.Add(sampler.Kept[i], sampler.Weights[i] / total);
        return kept;
    }

    private static float[] Logits(JsonElement golden)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Folder, "logits.safetensors"));
        StoredTensor tensor = file[golden.GetProperty("logits").GetString()!];
        return new ReadOnlySpan<float>(tensor.Pointer, (int)tensor.Shape.Count).ToArray();
    }

    private static List<JsonElement> Rows(string name)
    {
        using var stream = new GZipStream(File.OpenRead(Path.Combine(Folder, name + ".gz")), CompressionMode.Decompress);
        using JsonDocument document = JsonDocument.Parse(stream);
        return [.. document.RootElement.Clone().EnumerateArray()];
    }

    private static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(i => i.GetInt32())];
}
