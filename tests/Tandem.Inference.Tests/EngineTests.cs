using CsCheck;
using Tandem.Cpu;
using Tandem.Integration.Tests;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>The engine: no allocation, the same tokens whatever else runs, nothing leaked, mistakes refused.</summary>
public sealed class EngineTests
{
    public static TheoryData<DType> CacheTypes => [DType.F32, DType.BF16, DType.F16];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_hundred_decode_steps_of_eight_requests_allocate_nothing(bool sampled)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 256));
        using var team = new ThreadTeam(2);
        using var engine = new Engine(model, team);
        for (int i = 0; i < 8; i++)
        {
            engine.Submit(TinyModels.Tokens(5 + i, i), new SamplingOptions
            {
                MaxTokens = 200,
                Temperature = sampled ? 0.9f : 0,
                TopK = i % 2 * 20,
                TopP = i % 3 == 0 ? 0.9f : 1,
                MinP = i % 4 * 0.01f,
                RepetitionPenalty = 1 + (i % 3 * 0.1f),
                LogProbs = i % 2 * 5,
                Seed = (ulong)i,
            });
        }

        for (int i = 0; i < 40; i++) engine.Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) engine.Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [MemberData(nameof(CacheTypes))]
    public void Log_probabilities_do_not_depend_on_chunks_or_on_company(DType cacheType)
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 256));
        using var team = new ThreadTeam(2);
        int[] prompt = TinyModels.Tokens(150, 7);
        (float[] prompted, GeneratedToken[] generated) = Run(1000, 0);
        Assert.Equal(prompt.Length - 1, prompted.Length);
        foreach ((int chunk, int others) in new[] { (1, 0), (7, 0), (64, 0), (16, 9) })
        {
            (float[] again, GeneratedToken[] tokens) = Run(chunk, others);
            Assert.Equal(prompted, again);
            Assert.Equal(generated, tokens);
        }

        (float[], GeneratedToken[]) Run(int chunk, int others)
        {
            using var engine = new Engine(model, team, new EngineOptions { PrefillChunk = chunk, CacheType = cacheType, MaxRows = 64 });
            for (int i = 0; i < others; i++) engine.Submit(TinyModels.Tokens(3 + (11 * i), 50 + i), new SamplingOptions { MaxTokens = 30 });
            Request request = engine.Submit(prompt, new SamplingOptions { MaxTokens = 40, Seed = 3, PromptLogProbs = true });
            while (engine.Step())
            {
            }

            Assert.Equal(engine.TotalBlocks, engine.FreeBlocks);
            return (request.PromptLogProbs.ToArray(), [.. request.Generated]);
        }
    }

    [Fact]
    public void Cache_types_round_and_differ_only_a_little()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 256));
        using var team = new ThreadTeam(2);
        float[] exact = PromptLogProbs(DType.F32);
        foreach ((DType type, float bound) in new[] { (DType.F16, 0.02f), (DType.BF16, 0.15f) })
        {
            float[] rounded = PromptLogProbs(type);
            Assert.NotEqual(exact, rounded);
            Assert.All(exact.Zip(rounded), pair => Assert.InRange(pair.Second, pair.First - bound, pair.First + bound));
        }

        float[] PromptLogProbs(DType type)
        {
            using var engine = new Engine(model, team, new EngineOptions { CacheType = type });
            Request request = engine.Submit(TinyModels.Tokens(100, 1), new SamplingOptions { MaxTokens = 1, PromptLogProbs = true });
            while (engine.Step())
            {
            }

            return request.PromptLogProbs.ToArray();
        }
    }

    [Fact]
    public void Random_histories_leak_nothing_and_change_no_token()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 96));
        using var team = new ThreadTeam(1);
        using var alone = new Engine(model, team);

        // Actions: 0 and 1 submit, 2 cancels one, the others step.
        Gen.Int[0, 5].Array[5, 60].Sample(
            actions =>
            {
                using var engine = new Engine(model, team, new EngineOptions { MaxRows = 24, MaxSequences = 5, PrefillChunk = 8, CacheTokens = 32 * 6 });
                var requests = new List<(Request Request, int[] Prompt, SamplingOptions Options)>();
                var cancelled = new HashSet<Request>();
                for (int i = 0; i < actions.Length; i++)
                {
                    if (actions[i] <= 1)
                    {
                        int[] prompt = TinyModels.Tokens(1 + (i * 7 % 50), i);
                        var options = new SamplingOptions { MaxTokens = 1 + (i % 30), Seed = (ulong)i, Temperature = i % 2, TopK = i % 3 * 10, LogProbs = i % 2 * 3, PromptLogProbs = i % 3 == 0 };
                        requests.Add((engine.Submit(prompt, options), prompt, options));
                    }
                    else if (actions[i] == 2 && requests.Count > 0)
                    {
                        Request victim = requests[i % requests.Count].Request;
                        if (victim.Finish == FinishReason.None) cancelled.Add(victim);
                        engine.Cancel(victim);
                    }
                    else
                    {
                        engine.Step();
                    }
                }

                for (int i = 0; engine.Step(); i++) Assert.True(i < 5000, "the engine does not come to an end");
                Assert.False(engine.HasWork);
                Assert.Equal(engine.TotalBlocks, engine.FreeBlocks);
                foreach ((Request request, int[] prompt, SamplingOptions options) in requests)
                {
                    Assert.Equal(cancelled.Contains(request) ? FinishReason.Cancelled : FinishReason.Length, request.Finish);
                    Request twin = alone.Submit(prompt, options);
                    while (alone.Step())
                    {
                    }

                    Assert.Equal(twin.Generated.Take(request.Generated.Count), request.Generated);
                    if (request.Finish != FinishReason.Cancelled) Assert.Equal(twin.Generated.Count, request.Generated.Count);
                    Assert.Equal(twin.PromptLogProbs[..request.PromptLogProbs.Length].ToArray(), request.PromptLogProbs.ToArray());
                    for (int i = 0; i < request.Generated.Count; i++) Assert.Equal(twin.Alternatives(i).ToArray(), request.Alternatives(i).ToArray());
                }
            },
            iter: 40,
            threads: 1);
    }

    [Fact]
    public void Alternatives_hold_the_greedy_token_first()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 64));
        using var team = new ThreadTeam(1);
        using var engine = new Engine(model, team);
        Request request = engine.Submit([1, 2, 3], new SamplingOptions { Temperature = 0, MaxTokens = 10, LogProbs = 4 });
        while (engine.Step())
        {
        }

        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(new TokenLogProb(request.Generated[i].Id, request.Generated[i].LogProb), request.Alternatives(i)[0]);
            Assert.Equal(4, request.Alternatives(i).ToArray().Select(t => t.Id).Distinct().Count());
        }
    }

    [Fact]
    public void End_of_text_ends_waits_for_min_tokens_or_is_ignored()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 64));
        using var team = new ThreadTeam(1);
        int[] free = Ids(new EngineOptions(), new SamplingOptions { Temperature = 0, MaxTokens = 12 }, out FinishReason reason);
        Assert.Equal(FinishReason.Length, reason);
        var options = new EngineOptions { EosTokenIds = [free[3]] };
        int first = Array.IndexOf(free, free[3]);
        Assert.Equal(free[..(first + 1)], Ids(options, new SamplingOptions { Temperature = 0, MaxTokens = 12 }, out reason));
        Assert.Equal(FinishReason.Stop, reason);
        Assert.Equal(free, Ids(options, new SamplingOptions { Temperature = 0, MaxTokens = 12, IgnoreEos = true }, out reason));
        int[] late = Ids(options, new SamplingOptions { Temperature = 0, MaxTokens = 12, MinTokens = 8 }, out _);
        Assert.True(late.Length >= 8);
        Assert.DoesNotContain(free[3], late[..8]);

        int[] Ids(EngineOptions engineOptions, SamplingOptions sampling, out FinishReason finish)
        {
            using var engine = new Engine(model, team, engineOptions);
            Request request = engine.Submit([1, 2, 3], sampling);
            while (engine.Step())
            {
            }

            finish = request.Finish;
            return [.. request.Generated.Select(t => t.Id)];
        }
    }

    [Fact]
    public void Prompts_and_sizes_out_of_range_are_refused()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 64));
        using var team = new ThreadTeam(1);
        using var engine = new Engine(model, team, new EngineOptions { CacheTokens = 33 });
        Refused("no tokens", []);
        Refused("token id 251, wanted 0 to 250", [1, 251]);
        Refused("token id -1", [-1]);
        Refused("64 tokens, wanted fewer than the context of 64", new int[64]);
        Assert.Contains("temperature NaN", Assert.Throws<TandemException>(() => engine.Submit([1], new SamplingOptions { Temperature = float.NaN })).Message, StringComparison.Ordinal);
        Assert.False(engine.HasWork);
        string sizes = Assert.Throws<TandemException>(() => new Engine(model, team, new EngineOptions { MaxRows = 0, CacheTokens = -5, CacheType = DType.I32 })).Message;
        foreach (string part in (string[])["max_rows 0", "cache_tokens -5", "cache_type i32"]) Assert.Contains(part, sizes, StringComparison.Ordinal);
        using var small = new Engine(model, team, new EngineOptions { CacheTokens = 32 });
        Assert.Contains("cache of 32", Assert.Throws<TandemException>(() => small.Submit(new int[40], new SamplingOptions())).Message, StringComparison.Ordinal);

        void Refused(string expected, int[] prompt) =>
            Assert.Contains(expected, Assert.Throws<TandemException>(() => engine.Submit(prompt, new SamplingOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_request_that_fails_stops_no_other()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 64));
        float[] rows = model.Get("model.embed_tokens.weight");
        using var team = new ThreadTeam(2);
        GeneratedToken[] expected = Run(bad: false, out _);
        rows.AsSpan(200 * 64, 64).Fill(float.NaN);
        model.Set("model.embed_tokens.weight", rows);
        Assert.Equal(expected, Run(bad: true, out Request failed));
        Assert.Equal(FinishReason.Error, failed.Finish);
        Assert.Contains("not finite", failed.Error, StringComparison.Ordinal);

        GeneratedToken[] Run(bool bad, out Request other)
        {
            using var engine = new Engine(model, team);
            other = engine.Submit([5, bad ? 200 : 6, 7], new SamplingOptions { MaxTokens = 4 });
            Request good = engine.Submit([1, 2, 3], new SamplingOptions { Temperature = 0, MaxTokens = 8 });
            while (engine.Step())
            {
            }

            Assert.Equal(engine.TotalBlocks, engine.FreeBlocks);
            return [.. good.Generated];
        }
    }

    [Fact]
    public void Memory_of_blocks_that_are_not_used_is_not_committed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "committed pages are read from /proc");
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 64));
        using var team = new ThreadTeam(1);
        long before = Resident();
        using var engine = new Engine(model, team, new EngineOptions { CacheTokens = 1 << 26, Machine = MachineMemory.Of(1L << 40) });
        Assert.True(engine.CacheBytes > 8L << 30, $"{engine.CacheBytes} bytes are no test");
        engine.Submit([1, 2, 3], new SamplingOptions { MaxTokens = 50 });
        while (engine.Step())
        {
        }

        // The queue of free blocks is there for all of them; keys and values only for the two that were used.
        Assert.InRange(Resident() - before, long.MinValue, 200L << 20);
    }

    private static long Resident()
    {
        GC.Collect();
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
