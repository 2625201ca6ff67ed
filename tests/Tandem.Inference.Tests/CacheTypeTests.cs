using System.Text.Json;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Integration.Tests;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>Quantized caches in the engine: the same bits in any company, chunks and threads and after preemption; how far results move on a real model.</summary>
public sealed class CacheTypeTests
{
    /// <summary>Types of keys and values.</summary>
    public static TheoryData<DType, DType> Types => new()
    {
        { DType.Q8_0, DType.Q8_0 },
        { DType.Q4_1, DType.Q4_1 },
        { DType.Q8_0, DType.Q4_1 },
        { DType.F16, DType.Q8_0 },
    };

    [Theory]
    [MemberData(nameof(Types))]
    public void Tokens_and_log_probabilities_do_not_depend_on_chunks_company_threads_or_preemption(DType key, DType value)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 256));
        int[] prompt = TinyModels.Tokens(150, 7);
        (float[] prompted, GeneratedToken[] generated) = Run(512, 0, 2, 0);
        Assert.Equal(prompt.Length - 1, prompted.Length);
        foreach ((int chunk, int others, int threads, int cacheTokens) in new[] { (1, 0, 1, 0), (16, 6, 2, 0), (512, 63, 2, 0), (16, 6, 1, 448) })
        {
            (float[] again, GeneratedToken[] tokens) = Run(chunk, others, threads, cacheTokens);
            Assert.Equal(prompted, again);
            Assert.Equal(generated, tokens);
        }

        (float[], GeneratedToken[]) Run(int chunk, int others, int threads, int cacheTokens)
        {
            using var team = new ThreadTeam(threads);
            using var engine = new Engine(model, team, new EngineOptions { PrefillChunk = chunk, CacheTypeK = key, CacheTypeV = value, MaxRows = 128, CacheTokens = cacheTokens });

            // Where the cache is small the watched request comes last, so that it is the one that gives way.
            for (int i = 0; i < others; i++) engine.Submit(TinyModels.Tokens(3 + (11 * i % 120), 50 + i), new SamplingOptions { MaxTokens = 60 });
            Request request = engine.Submit(prompt, new SamplingOptions { MaxTokens = 40, Seed = 3, PromptLogProbs = true });
            int computed = 0;
            bool givenWay = false;
            while (engine.Step())
            {
                givenWay |= request.Computed < computed;
                computed = request.Computed;
            }

            Assert.True(cacheTokens == 0 || givenWay, "nothing was preempted");
            return (request.PromptLogProbs.ToArray(), [.. request.Generated]);
        }
    }

    [Fact]
    public void A_type_for_both_and_one_for_each_make_the_same_plan_and_bytes()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 64));
        using var team = new ThreadTeam(1);
        using var both = new Engine(model, team, new EngineOptions { CacheType = DType.Q8_0 });
        using var each = new Engine(model, team, new EngineOptions { CacheTypeK = DType.Q8_0, CacheTypeV = DType.Q8_0 });
        using var mixed = new Engine(model, team, new EngineOptions { CacheType = DType.Q8_0, CacheTypeV = DType.Q4_1 });
        Assert.Equal(new KvTypes(DType.Q8_0, DType.Q4_1), mixed.Options.CacheTypes);
        Assert.Equal(both.CacheBytes, each.CacheBytes);
        Assert.True(mixed.CacheBytes < both.CacheBytes);
        Assert.Contains("cache_type_v q5_0, wanted f32, f16, bf16, q8_0 or q4_1", Assert.Throws<TandemException>(() => new Engine(model, team, new EngineOptions { CacheTypeV = DType.Q5_0 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_are_those_of_types_and_the_usual_short_ones()
    {
        Assert.Equal([DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q8_0, DType.Q4_1, DType.Q4_1, DType.Q4_1], ((string[])["f32", "F16", "bf16", "q8", "q8_0", "q4", "q4_0", "q4_1"]).Select(n => KvTypes.Find(n)!.Value));
        Assert.Null(KvTypes.Find("q5_0"));
        Assert.Null(KvTypes.Find(""));
    }

    /// <summary>Types, and bounds of the mean and the largest difference of a log-probability from those with an f32 cache.</summary>
    public static TheoryData<DType, DType, double, double> Quality => new()
    {
        { DType.F16, DType.F16, 0.002, 0.02 },
        { DType.Q8_0, DType.Q8_0, 0.04, 0.4 },
        { DType.Q8_0, DType.Q4_1, 0.15, 2 },
        { DType.Q4_1, DType.Q4_1, 0.35, 4 },
    };

    [Theory]
    [MemberData(nameof(Quality))]
    public void A_real_models_log_probabilities_stay_near_those_with_an_f32_cache(DType key, DType value, double mean, double largest)
    {
        Assert.SkipUnless(RealModelTests.Shared != null, "shared data (models/smollm2-135m-instruct, goldens/smollm2) is not beside the checkout");
        using JsonDocument goldens = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(RealModelTests.Shared!, "goldens/smollm2/goldens.json")));
        using Model model = Model.Load(Path.Combine(RealModelTests.Shared!, "data/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"), weightType: null);
        using var team = new ThreadTeam();
        int[][] texts = [.. goldens.RootElement.GetProperty("cases").EnumerateArray().Select(c => (int[])[.. Ids(c, "ids"), .. Ids(c, "greedy_ids")])];
        float[] exact = LogProbs(new KvTypes(DType.F32, DType.F32)), rounded = LogProbs(new KvTypes(key, value));
        double[] differences = [.. exact.Zip(rounded, (a, b) => (double)a - b)];
        double meanAbsolute = differences.Average(Math.Abs), bias = differences.Average(), worst = differences.Max(Math.Abs);
        TestContext.Current.TestOutputHelper?.WriteLine(FormattableString.Invariant(
            $"{new KvTypes(key, value)}: {exact.Length} tokens, mean |difference| {meanAbsolute:g3}, loss {bias:+0.#####;-0.#####}, largest {worst:g3}"));
        Assert.InRange(meanAbsolute, 0, mean);
        Assert.InRange(Math.Abs(bias), 0, mean / 2);
        Assert.InRange(worst, 0, largest);

        float[] LogProbs(KvTypes types)
        {
            using var engine = new Engine(model, team, new EngineOptions { MaxLength = 512, MaxSequences = 16, QuantizeRows = false, CacheTypeK = types.Key, CacheTypeV = types.Value });
            Request[] requests = [.. texts.Select(t => engine.Submit(t, new SamplingOptions { MaxTokens = 1, Temperature = 0, PromptLogProbs = true, IgnoreEos = true }))];
            while (engine.Step())
            {
            }

            return [.. requests.SelectMany(r => r.PromptLogProbs.ToArray())];
        }

        static IEnumerable<int> Ids(JsonElement golden, string name) => golden.GetProperty(name).EnumerateArray().Select(x => x.GetInt32());
    }
}
