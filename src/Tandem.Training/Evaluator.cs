using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>What an evaluation found.</summary>
/// <param name="Loss">Mean cross entropy in nats over the tokens that were predicted.</param>
/// <param name="BitsPerByte">The same in bits a byte of the text.</param>
/// <param name="Tokens">Tokens that were predicted.</param>
public readonly record struct EvaluationResult(double Loss, double BitsPerByte, long Tokens);

/// <summary>The mean loss of texts, each token predicted once, with the trainer's own forward pass.</summary>
public sealed unsafe class Evaluator : IDisposable
{
    private readonly CpuInstance _instance;
    private readonly Batch _batch;
    private readonly SequenceSource[] _sources;
    private readonly Corpus[] _corpora;
    private readonly int _rows;

    /// <summary>Compiles the evaluation of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="team">The threads.</param>
    /// <param name="corpora">The texts.</param>
    /// <param name="packing">How they are cut; random windows are evaluated as windows side by side.</param>
    /// <param name="rows">Sequences of a batch.</param>
    /// <param name="length">Tokens of a sequence.</param>
    public Evaluator(Model model, ThreadTeam team, IReadOnlyList<Corpus> corpora, Packing packing, int rows, int length)
    {
        if (corpora.Count == 0) throw new TandemException("nothing to evaluate; accepted: data.validation_fraction above 0 or data.validation_files");
        _rows = rows;
        _corpora = [.. corpora];
        _sources = [.. corpora.Select(c => new SequenceSource(c, packing == Packing.Random ? Packing.Windows : packing, length, 0))];
        StepSizes bounds = StepSizes.ForTraining(rows * length, rows * _sources.Max(s => s.MaxDocuments));
        _batch = Batch.ForTraining(bounds);
        _instance = new CpuInstance(Plan.Compile(ModelGraphs.Evaluate(model.Config, new GraphOptions { WeightType = model.WeightType, Backend = CpuBackend.Instance }), bounds, CpuBackend.Instance, team.Workers), team, model.Bindings(_batch));
    }

    /// <summary>Evaluates.</summary>
    /// <param name="maxSequences">Sequences of each text at the most; 0 is all.</param>
    public EvaluationResult Run(long maxSequences = 0)
    {
        double nats = 0, bytes = 0;
        long predicted = 0;
        for (int i = 0; i < _sources.Length; i++)
        {
            SequenceSource source = _sources[i];
            long sequences = maxSequences > 0 ? Math.Min(maxSequences, source.NumSequences) : source.NumSequences, counted = 0;
            for (long next = 0; next < sequences;)
            {
                _batch.Clear();
                for (int r = 0; r < _rows && next < sequences; r++, next++) source.AddSequence(_batch, next, next);
                _instance.Run(Stage.Forward, _batch.View, _batch.Sizes);
                nats += *(double*)_instance.Output(ModelGraphs.Loss);
                foreach (int label in _batch.Labels.Span<int>()[.._batch.NumRows])
                    if (label >= 0) counted++;
            }

            // A token that was not predicted, the first of a text, counts as one of average cost; so the bytes are those of the predicted tokens' share.
            predicted += counted;
            bytes += _corpora[i].TextBytes * ((double)counted / Math.Max(1, _corpora[i].NumTokens));
        }

        double loss = nats / Math.Max(1, predicted);
        return new EvaluationResult(loss, bytes > 0 ? nats / Math.Log(2) / bytes : 0, predicted);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _instance.Dispose();
        _batch.Dispose();
    }
}
