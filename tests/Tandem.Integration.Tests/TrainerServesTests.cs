using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Inference;
using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>
/// Invariant 10: a token's log-probability is the same, bit for bit, in the trainer's forward pass, in one prefill, in chunked prefill, in token-by-token decode,
/// alone and among others, and after preemption.
/// </summary>
public sealed class TrainerServesTests
{
    private const int Length = 150;

    private static readonly int[] Tokens = TinyModels.Tokens(Length, 7);

    [Theory]
    [InlineData("llama", 1, DType.F32)]
    [InlineData("llama", 2, DType.F32)]
    [InlineData("gpt2", 2, DType.F32)]
    [InlineData("llama", 2, DType.F16)]
    [InlineData("llama", 1, DType.BF16)]
    [InlineData("llama", 2, DType.BF16)]
    public void Trainer_prefill_chunks_and_decode_have_the_same_bits(string name, int threads, DType kvType)
    {
        using Model model = TinyModels.Initialized(TinyModels.Named(name, positions: 256));
        using var team = new ThreadTeam(threads);
        float[] trained = TrainerLogProbs(model, team, kvType);
        Assert.Equal(trained, Scored(model, team, kvType, chunk: 256));
        Assert.Equal(trained, Scored(model, team, kvType, chunk: 7));
        Assert.Equal(trained, Scored(model, team, kvType, chunk: 1));
        Assert.Equal(trained, Scored(model, team, kvType, chunk: 64));
        Assert.Equal(kvType == DType.F32, trained.SequenceEqual(TrainerLogProbs(model, team, DType.F32)));
    }

    // With dynamic rope each sequence has the table of its own greatest length.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Alone_and_among_others_and_after_preemption_generates_the_same(bool dynamicRope)
    {
        using Model model = TinyModels.Initialized(dynamicRope ? DynamicRope() : TinyModels.Llama(positions: 256));
        using var team = new ThreadTeam(2);
        int[][] prompts = [.. Enumerable.Range(0, 24).Select(i => TinyModels.Tokens(3 + (i * 5 % 61), 100 + i))];
        GeneratedToken[][] alone = [.. prompts.Select((p, i) => Generate(model, team, new EngineOptions(), [(p, Options(i))])[0])];
        (int[], SamplingOptions)[] all = [.. prompts.Select((p, i) => (p, Options(i)))];
        GeneratedToken[][] together = Generate(model, team, new EngineOptions { MaxRows = 64, PrefillChunk = 16, CacheTokens = 4096 }, all);
        GeneratedToken[][] crowded = Generate(model, team, new EngineOptions { MaxRows = 64, PrefillChunk = 16, CacheTokens = 480 }, all, expectPreemptions: true);
        for (int i = 0; i < prompts.Length; i++)
        {
            Assert.Equal(alone[i], together[i]);
            Assert.Equal(alone[i], crowded[i]);
        }
    }

    [Fact]
    public void Equal_rope_tables_give_the_trainers_bits_and_others_do_not()
    {
        using Model model = TinyModels.Initialized(DynamicRope());
        using var team = new ThreadTeam(2);
        int[] tokens = TinyModels.Tokens(100, 7);
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 100, MaxDocuments = 1 });
        trainer.Batch.AddDocument(tokens, TinyModels.NextTokens(tokens));
        trainer.Accumulate();
        float[] trained = [.. trainer.TokenLosses[..99].ToArray().Select(x => -x)];
        Assert.Equal(trained, Served(256));
        Assert.NotEqual(trained, Served(200));

        // While another sequence with a shorter table runs.
        float[] Served(int length)
        {
            using var engine = new Engine(model, team, new EngineOptions { MaxRows = 64, PrefillChunk = 48, CacheTokens = 1024 });
            engine.Submit(tokens.AsSpan(0, 30), new SamplingOptions { MaxTokens = 20, Temperature = 0 });
            Request request = engine.Submit(tokens, new SamplingOptions { MaxTokens = length - tokens.Length, Temperature = 0, PromptLogProbs = true });
            while (engine.Step())
            {
            }

            return request.PromptLogProbs.ToArray();
        }
    }

    private static ModelConfig DynamicRope() => TinyModels.Llama(positions: 256) with
    {
        Rope = new RopeConfig { Kind = RopeKind.Dynamic, Factor = 2, MaxPositions = 32, OriginalMaxPositions = 32 },
    };

    private static SamplingOptions Options(int i) => new() { MaxTokens = 40, Seed = (ulong)i, Temperature = i % 2 == 0 ? 0 : 0.8f, TopK = i % 3 == 0 ? 20 : 0, TopP = 0.95f };

    private static GeneratedToken[][] Generate(Model model, ThreadTeam team, EngineOptions options, (int[] Prompt, SamplingOptions Options)[] requests, bool expectPreemptions = false)
    {
        using var engine = new Engine(model, team, options);
        int free = engine.FreeBlocks;
        Request[] submitted = [.. requests.Select(r => engine.Submit(r.Prompt, r.Options))];
        while (engine.Step())
        {
        }

        Assert.All(submitted, r => Assert.Equal(FinishReason.Length, r.Finish));
        Assert.Equal(free, engine.FreeBlocks);
        Assert.Equal(expectPreemptions, submitted.Any(r => r.Preemptions > 0));
        return [.. submitted.Select(r => r.Generated.ToArray())];
    }

    private static unsafe float[] TrainerLogProbs(Model model, ThreadTeam team, DType kvType)
    {
        using var trainer = new Trainer(model, team, new TrainerOptions { MaxTokens = 400, MaxDocuments = 4, KeyValueType = kvType });

        // Among other documents, so that neither row numbers nor tiles are those of the document alone.
        trainer.Batch.AddDocument(TinyModels.Tokens(77, 1), TinyModels.NextTokens(TinyModels.Tokens(77, 1)));
        trainer.Batch.AddDocument(Tokens, TinyModels.NextTokens(Tokens));
        trainer.Batch.AddDocument(TinyModels.Tokens(100, 2), TinyModels.NextTokens(TinyModels.Tokens(100, 2)));
        trainer.Accumulate();
        return [.. trainer.TokenLosses.Slice(77, Length - 1).ToArray().Select(x => -x)];
    }

    // The prompt in chunks through the serving graph with a cache, the logits of every row asked for.
    private static unsafe float[] Scored(Model model, ThreadTeam team, DType kvType, int chunk)
    {
        const int Blocks = 16;
        ModelGraph graph = ModelGraphs.Serve(model.Config, new KvPlacement(kvType, Blocks));
        Plan plan = Plan.Compile(graph, new StepSizes(256, 256, 0, 4), CpuBackend.Instance, team.Workers);
        using var batch = new Batch(256, 4, 64);
        using var instance = new CpuInstance(plan, team, model.Bindings(batch));
        new Span<byte>(instance[DecoderInputs.KvCache(0)], (int)graph.Find(DecoderInputs.KvCache(0)).Type.RowBytes).Fill(0xff);
        int[] table = [11, 2, 9, 4, 7];
        var result = new List<float>();
        for (int at = 0; at < Length; at += chunk)
        {
            int rows = Math.Min(chunk, Length - at);
            batch.Clear();
            batch.AddRows(Tokens.AsSpan(at, rows), at, table);
            for (int i = rows; i > 0; i--) batch.Sample(i);
            instance.Run(Stage.Forward, batch.View, batch.Sizes);
            float* logits = (float*)instance.Output(ModelGraphs.Logits);
            for (int i = 0; i < rows && at + i + 1 < Length; i++)
                result.Add(LogProbs.Of(new ReadOnlySpan<float>(logits + (i * 251), 251), Tokens[at + i + 1]));
        }

        return [.. result];
    }
}
