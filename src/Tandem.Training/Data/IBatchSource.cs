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

/// <summary>Windows of a long text at random places: what models without documents are trained on.</summary>
/// <param name="tokens">The text.</param>
/// <param name="rows">Windows of a microbatch.</param>
/// <param name="length">Tokens of a window.</param>
/// <param name="seed">Seed of the places.</param>
public sealed class WindowSource(int[] tokens, int rows, int length, ulong seed) : IBatchSource
{
    private readonly PhiloxStream _places = tokens.Length > length ? Philox.Stream(seed, "windows") : throw new TandemException($"the text has {tokens.Length} tokens, wanted more than a window of {length}");

    /// <inheritdoc/>
    public void Fill(Batch batch, long index)
    {
        for (int i = 0; i < rows; i++)
        {
            long sample = (index * rows) + i;
            int start = (int)(((ulong)_places.UInt32((ulong)sample) * (ulong)(tokens.Length - length)) >> 32);
            batch.AddDocument(tokens.AsSpan(start, length), tokens.AsSpan(start + 1, length), (int)sample);
        }
    }
}

/// <summary>A shuffle of 0 .. n-1, another one each time round, computed place by place.</summary>
public static class Permutation
{
    /// <summary>What stands at <paramref name="index"/>; indices from n on continue with further shuffles.</summary>
    public static long At(long n, ulong seed, long index)
    {
        int half = 1;
        while (1L << (2 * half) < n) half++;
        PhiloxStream keys = Philox.Stream(seed, "permutation", (ulong)(index / n));
        long x = index % n, mask = (1L << half) - 1;

        // A Feistel network permutes a power of four; walking on from values outside stays a permutation.
        do
        {
            for (ulong round = 0; round < 6; round++)
            {
                long left = x >> half, right = x & mask;
                x = (right << half) | (left ^ (keys.UInt32((round << 32) | (ulong)right) & mask));
            }
        }
        while (x >= n);
        return x;
    }
}
