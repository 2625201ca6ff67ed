using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Inference;
using Tandem.Models;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>With integer products too a sequence's numbers do not depend on chunks, on company or on threads, to the bit.</summary>
public sealed unsafe class QuantizedBatchTests
{
    public static TheoryData<DType> Types => [.. DTypes.All.Where(t => QuantizeRows.TypeFor(t) != null)];

    [Theory]
    [MemberData(nameof(Types))]
    public void Log_probabilities_do_not_depend_on_chunks_company_or_threads(DType type)
    {
        using Model model = Quantized(type);
        int[] prompt = TinyModels.Tokens(70, 7);
        (float[] prompted, GeneratedToken[] generated) = Run(chunk: 512, others: 0, threads: 1);
        Assert.Equal(prompt.Length - 1, prompted.Length);
        foreach ((int chunk, int others, int threads) in new[] { (1, 0, 2), (16, 6, 1), (512, 63, 2) })
        {
            (float[] again, GeneratedToken[] tokens) = Run(chunk, others, threads);
            Assert.Equal(prompted, again);
            Assert.Equal(generated, tokens);
        }

        (float[], GeneratedToken[]) Run(int chunk, int others, int threads)
        {
            using var team = new ThreadTeam(threads);
            using var engine = new Engine(model, team, new EngineOptions { MaxRows = 512, PrefillChunk = chunk, CacheTokens = 64 * 128 });
            Request[] company = [.. Enumerable.Range(0, others).Select(i => engine.Submit(TinyModels.Tokens(3 + (i % 5), 100 + i), new SamplingOptions { MaxTokens = 6, Temperature = 0, IgnoreEos = true }))];
            Request request = engine.Submit(prompt, new SamplingOptions { MaxTokens = 8, Temperature = 0, IgnoreEos = true, PromptLogProbs = true });
            while (request.Finish == FinishReason.None) engine.Step();
            Assert.All(company, r => Assert.NotEmpty(r.Generated));
            return ([.. request.PromptLogProbs], [.. request.Generated]);
        }
    }

    // All matrices but the embedding in blocks of the type.
    private static Model Quantized(DType type)
    {
        ModelConfig config = TinyModels.Llama(positions: 96) with { HiddenSize = 256, HeadDim = 32, IntermediateSize = 512 };
        List<(string Name, TensorType Type)> weights = [.. ModelGraphs.Evaluate(config).Parameters.Select(p => (p.Name, p.Type))];
        var types = weights.Where(w => w.Type.Dims.Length == 2 && !w.Name.Contains("embed", StringComparison.Ordinal)).ToDictionary(w => w.Name, _ => type);
        Assert.Equal(15, types.Count);
        var model = new Model(config, weightTypes: types);
        using var batch = new Batch(1, 1, 1);
        Dictionary<string, NativeBuffer> memory = model.Bindings(batch);
        foreach ((string name, TensorType weight) in weights)
        {
            var values = new float[weight.Width];
            if (weight.Dims.Length == 2) Philox.Stream(5, name).FillNormal(values, 0, 0, 0.08f);
            else values.AsSpan().Fill(1);
            if (types.ContainsKey(name)) Pack(type, values, weight.Dims[0], weight.Dims[1], memory[name].Pointer);
            else model.Set(name, values);
        }

        return model;
    }

    private static void Pack(DType type, float[] values, int numRows, int columns, byte* panels)
    {
        var blocks = new byte[type.Bytes(values.Length)];
        Blocks.Encode(type, values, [], blocks);
        int numBlocks = columns / type.BlockElements();
        fixed (byte* source = blocks)
        {
            for (int row = 0; row < numRows; row += BlockPanels.Rows)
            {
                var rows = new nint[Math.Min(BlockPanels.Rows, numRows - row)];
                for (int i = 0; i < rows.Length; i++) rows[i] = (nint)(source + ((row + i) * type.Bytes(columns)));
                BlockPanels.Pack(type, rows, numBlocks, panels + ((long)row / BlockPanels.Rows * numBlocks * BlockPanels.GroupBytes(type)));
            }
        }
    }
}
