using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Conformance;

/// <summary>
/// Logits of all positions of whole sequences in one step, through the serving graph with its key/value cache. Where the rope table depends on a sequence's length,
/// or the sequences are longer than the model's own table, each sequence gets a table for its length here.
/// </summary>
internal sealed unsafe class LogitsRunner : IDisposable
{
    private readonly ModelConfig _config;
    private readonly Batch _batch;
    private readonly CpuInstance _instance;
    private readonly RopeTables? _tables;

    /// <summary>Compiles the graph for steps of up to <paramref name="maxRows"/> rows in up to <paramref name="maxSequences"/> sequences.</summary>
    /// <param name="model">The model.</param>
    /// <param name="team">Threads.</param>
    /// <param name="maxRows">Rows of a step.</param>
    /// <param name="maxSequences">Sequences of a step.</param>
    /// <param name="expose">Nodes whose results can be read after a step with <see cref="Exposed"/>; the graph then stays unfused.</param>
    /// <param name="quantizeRows">Whether rows are quantized to 8 bits where they meet block-quantized weights.</param>
    public LogitsRunner(Model model, ThreadTeam team, int maxRows, int maxSequences, IEnumerable<string>? expose = null, bool quantizeRows = false)
    {
        bool ownTables = model.Config.Rope is { } rope && (rope.DependsOnLength || model.Config.MaxPositions < maxRows);
        _config = ownTables ? model.Config with { MaxPositions = Math.Max(maxRows, model.Config.MaxPositions) } : model.Config;
        int blocks = (maxRows / BatchView.BlockTokens) + maxSequences + 1;
        ModelGraph graph = ModelGraphs.Serve(_config, new KvPlacement(DType.F32, blocks, ownTables ? maxSequences : 1), new GraphOptions
        {
            WeightType = model.WeightType,
            WeightTypes = model.WeightTypes,
            QuantizeRows = quantizeRows,
            Expose = [.. expose ?? []],
            Backend = expose == null ? CpuBackend.Instance : null,
        });
        var plan = Plan.Compile(graph, new StepSizes(maxRows, maxRows, 0, maxSequences), CpuBackend.Instance, team.Workers);
        _batch = new Batch(maxRows, maxSequences, blocks);
        Dictionary<string, NativeBuffer> bindings = model.Bindings(_batch);
        if (ownTables) bindings.Remove(DecoderInputs.RopeTable);
        _instance = new CpuInstance(plan, team, bindings);
        if (ownTables) _tables = new RopeTables(_config, maxSequences, _instance[DecoderInputs.RopeTable]);
    }

    /// <summary>Logits of each sequence, [length, vocabulary].</summary>
    /// <param name="sequences">The sequences, computed together.</param>
    public float[][] Run(int[][] sequences)
    {
        int[] firstRows = [.. sequences.Select(s => _tables?.Take(s.Length) ?? 0)];
        foreach (int row in firstRows) _tables?.Return(row);
        _batch.Clear();
        int block = 0;
        foreach ((int[] sequence, int firstRow) in sequences.Zip(firstRows))
        {
            int blocks = (sequence.Length + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
            _batch.AddRows(sequence, 0, [.. Enumerable.Range(block, blocks)], firstRopeRow: firstRow);
            block += blocks;
            for (int i = sequence.Length; i > 0; i--) _batch.Sample(i);
        }

        _instance.Run(Stage.Forward, _batch.View, _batch.Sizes);
        float* logits = (float*)_instance.Output(ModelGraphs.Logits);
        var result = new float[sequences.Length][];
        for (int s = 0; s < sequences.Length; s++)
        {
            int count = sequences[s].Length * _config.VocabSize;
            result[s] = new ReadOnlySpan<float>(logits, count).ToArray();
            logits += count;
        }

        return result;
    }

    /// <summary>What an exposed node gave for all rows of the last step.</summary>
    public float[] Exposed(string node)
    {
        int width = (int)_instance.Plan.Graph.Outputs[node].Type.Width;
        return new ReadOnlySpan<float>(_instance.Output(node), _batch.NumRows * width).ToArray();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _instance.Dispose();
        _batch.Dispose();
    }
}
