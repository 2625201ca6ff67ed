using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>The mean loss of a text in windows side by side, with the trainer's own forward pass.</summary>
public sealed unsafe class Evaluator : IDisposable
{
    private readonly CpuInstance _instance;
    private readonly Batch _batch;
    private readonly int _rows;
    private readonly int _length;

    /// <summary>Compiles the evaluation of a model in batches of <paramref name="rows"/> windows of <paramref name="length"/> tokens.</summary>
    public Evaluator(Model model, ThreadTeam team, int rows, int length)
    {
        (_rows, _length) = (rows, length);
        StepSizes bounds = StepSizes.ForTraining(rows * length, rows);
        _batch = Batch.ForTraining(bounds);
        _instance = new CpuInstance(Plan.Compile(ModelGraphs.Evaluate(model.Config, new GraphOptions { WeightType = model.WeightType, Backend = CpuBackend.Instance }), bounds, CpuBackend.Instance, team.Workers), team, model.Bindings(_batch));
    }

    /// <summary>Mean cross entropy in nats over all tokens but the first.</summary>
    public double Loss(ReadOnlySpan<int> tokens)
    {
        if (tokens.Length < 2) throw new TandemException($"{tokens.Length} tokens to evaluate, wanted at least 2");
        double sum = 0;
        for (int at = 0; at < tokens.Length - 1;)
        {
            _batch.Clear();
            for (int r = 0; r < _rows && at < tokens.Length - 1; r++)
            {
                int count = Math.Min(_length, tokens.Length - 1 - at);
                _batch.AddDocument(tokens.Slice(at, count), tokens.Slice(at + 1, count));
                at += count;
            }

            _instance.Run(Stage.Forward, _batch.View, _batch.Sizes);
            sum += *(double*)_instance.Output(ModelGraphs.Loss);
        }

        return sum / (tokens.Length - 1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _instance.Dispose();
        _batch.Dispose();
    }
}
