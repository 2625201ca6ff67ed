using Tandem.Graph;

namespace Tandem.Training;

/// <summary>
/// Sequences of several sources in given proportions. Which source sample i comes from is a function of i alone; after any number of samples what a source has had differs from
/// its exact share by at most as many samples as there are sources. A source that is used up before others starts its next epoch.
/// </summary>
public sealed class Blend : IBatchSource
{
    private const int ShareBits = 32;

    private readonly SequenceSource[] _sources;
    private readonly ulong[] _shares;
    private readonly int _perBatch;

    /// <summary>Blends sources.</summary>
    /// <param name="sources">The sources.</param>
    /// <param name="weights">Proportions of their sequences, in any unit; null blends by their numbers of sequences.</param>
    /// <param name="perBatch">Sequences of a microbatch.</param>
    /// <exception cref="TandemException">A weight is not positive, or there is not one a source.</exception>
    public Blend(IReadOnlyList<SequenceSource> sources, IReadOnlyList<double>? weights, int perBatch)
    {
        weights ??= [.. sources.Select(s => (double)s.NumSequences)];
        if (sources.Count == 0 || weights.Count != sources.Count) throw new TandemException($"{weights.Count} weights for {sources.Count} sources, wanted one a source");
        if (weights.Any(w => !(w > 0 && double.IsFinite(w)))) throw new TandemException($"weights {string.Join(", ", weights.Select(w => w.ToString(System.Globalization.CultureInfo.InvariantCulture)))}, wanted numbers above 0");
        _sources = [.. sources];
        _perBatch = perBatch;
        MaxDocuments = perBatch * sources.Max(s => s.MaxDocuments);

        // Source s gets its share of what those before it leave: a chain of two-way splits, each exact in integers.
        _shares = new ulong[sources.Count];
        for (int s = 0; s < _shares.Length; s++) _shares[s] = Math.Max(1, (ulong)Math.Round(weights[s] / weights.Skip(s).Sum() * (1UL << ShareBits)));
        _shares[^1] = 1UL << ShareBits;
    }

    /// <summary>Documents of a microbatch at the most.</summary>
    public int MaxDocuments { get; }

    /// <summary>Which source sample <paramref name="sample"/> comes from, and its number there.</summary>
    public (int Source, long Sample) Place(long sample)
    {
        for (int s = 0; ; s++)
        {
            long before = Count(sample, _shares[s]);
            if (Count(sample + 1, _shares[s]) > before) return (s, before);
            sample -= before;
        }
    }

    /// <inheritdoc/>
    public void Fill(Batch batch, long index)
    {
        for (int i = 0; i < _perBatch; i++) AddSample(batch, (index * _perBatch) + i);
    }

    /// <summary>Adds one sample to a batch.</summary>
    public void AddSample(Batch batch, long sample)
    {
        (int source, long own) = Place(sample);
        _sources[source].AddSample(batch, own, sample);
    }

    // Samples of the first of two parts among the first n of both: n times the share, rounded to nearest.
    private static long Count(long n, ulong share) => (long)((((UInt128)(ulong)n * share) + (1UL << (ShareBits - 1))) >> ShareBits);
}
