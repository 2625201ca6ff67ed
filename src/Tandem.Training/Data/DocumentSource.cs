using Tandem.Graph;

namespace Tandem.Training;

/// <summary>Where microbatches come from. Microbatch i is a function of the source and i, so the whole state of a run's data is one integer.</summary>
public interface IBatchSource
{
    /// <summary>Fills an empty batch with microbatch <paramref name="index"/>.</summary>
    void Fill(Batch batch, long index);
}

/// <summary>Documents with masks between them: each microbatch takes documents in a shuffled order until the next would not fit.</summary>
/// <param name="documents">Token ids of each document.</param>
/// <param name="perBatch">Documents of a microbatch.</param>
/// <param name="seed">Seed of the order.</param>
public sealed class DocumentSource(IReadOnlyList<int[]> documents, int perBatch, ulong seed) : IBatchSource
{
    private readonly int[] _labels = new int[documents.Max(d => d.Length)];

    /// <inheritdoc/>
    public void Fill(Batch batch, long index)
    {
        for (int i = 0; i < perBatch; i++)
        {
            long sample = (index * perBatch) + i;
            int[] tokens = documents[(int)Permutation.At(documents.Count, seed, sample)];
            if (batch.NumRows + tokens.Length > batch.MaxTokens) break;
            NextTokens(tokens, _labels);
            batch.AddDocument(tokens, _labels.AsSpan(0, tokens.Length), (int)sample);
        }
    }

    internal static void NextTokens(ReadOnlySpan<int> tokens, Span<int> labels)
    {
        tokens[1..].CopyTo(labels);
        labels[tokens.Length - 1] = -100;
    }
}
