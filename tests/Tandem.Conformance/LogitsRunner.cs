using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Conformance;

/// <summary>
/// Logits of all positions of whole sequences in one step, through the serving graph with its key/value cache. Where the rope table depends on a sequence's length,
/// or the sequences are longer than the model's own table, the table is built here for the length asked for.
/// </summary>
internal sealed unsafe class LogitsRunner : IDisposable
{
    private readonly ModelConfig _config;
    private readonly Batch _batch;
    private readonly CpuInstance _instance;
    private readonly bool _ownTable;
    private int _tableLength;

    /// <summary>Compiles the graph for steps of up to <paramref name="maxRows"/> rows in up to <paramref name="maxSequences"/> sequences.</summary>
    /// <param name="model">The model.</param>
    /// <param name="team">Threads.</param>
    /// <param name="maxRows">Rows of a step.</param>
    /// <param name="maxSequences">Sequences of a step.</param>
    /// <param name="expose">Nodes whose results can be read after a step with <see cref="Exposed"/>; the graph then stays unfused.</param>
    public LogitsRunner(Model model, ThreadTeam team, int maxRows, int maxSequences, IEnumerable<string>? expose = null)
    {
        _ownTable = model.Config.Rope is { } rope && (rope.DependsOnLength || model.Config.MaxPositions < maxRows);
        _config = _ownTable ? model.Config with { MaxPositions = Math.Max(maxRows, model.Config.MaxPositions) } : model.Config;
        int blocks = (maxRows / BatchView.BlockTokens) + maxSequences + 1;
        ModelGraph graph = ModelGraphs.Serve(_config, new KvPlacement(DType.F32, blocks), new GraphOptions
        {
            WeightType = model.WeightType,
            Expose = [.. expose ?? []],
            Backend = expose == null ? CpuBackend.Instance : null,
        });
        var plan = Plan.Compile(graph, new StepSizes(maxRows, maxRows, 0, maxSequences), CpuBackend.Instance, team.Workers);
        _batch = new Batch(maxRows, maxSequences, blocks);
        Dictionary<string, NativeBuffer> bindings = model.Bindings(_batch);
        if (_ownTable) bindings.Remove(DecoderInputs.RopeTable);
        _instance = new CpuInstance(plan, team, bindings);
    }

    /// <summary>Logits of each sequence, [length, vocabulary].</summary>
    /// <param name="sequences">The sequences, computed together.</param>
    /// <param name="ropeLength">The length that rope tables are for; 0 is that of the longest sequence.</param>
    public float[][] Run(int[][] sequences, int ropeLength = 0)
    {
        if (_ownTable) BuildTable(ropeLength > 0 ? ropeLength : sequences.Max(s => s.Length));
        _batch.Clear();
        int block = 0;
        foreach (int[] sequence in sequences)
        {
            int blocks = (sequence.Length + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
            _batch.AddRows(sequence, 0, [.. Enumerable.Range(block, blocks)]);
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

    private void BuildTable(int length)
    {
        if (length == _tableLength) return;
        using RopeTable table = RopeTable.Build(_config.Rope!, _config.HeadDim, _config.MaxPositions, length);
        int count = 2 * table.Positions * table.Pairs;
        new ReadOnlySpan<float>(table.Cos, count).CopyTo(new Span<float>(_instance[DecoderInputs.RopeTable], count));
        _tableLength = length;
    }
}
