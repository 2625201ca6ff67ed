using Tandem.Cpu;

namespace Tandem.Inference;

/// <summary>
/// Chooses a token from a row of logits: repetition penalty, then temperature, min-p, top-k, top-p in this order, then the draw among what is left, in order of ids.
/// The random number is keyed by seed and position, so that neither batch nor thread matters; ties break by token id. Sets are found by partial
/// selection instead of sorting, in buffers of its own: nothing is allocated for a token. Not thread-safe.
/// </summary>
internal sealed class Sampler(int vocabSize)
{
    private static readonly ulong Stream = Philox.HashName("sample");

    private readonly double[] _scores = new double[vocabSize];
    private readonly double[] _weights = new double[vocabSize];
    private readonly int[] _ids = new int[vocabSize];
    private readonly int[] _seen = new int[vocabSize];
    private int _stamp;
    private int _kept;

    /// <summary>Ids that <see cref="Filter"/> left, ascending.</summary>
    public ReadOnlySpan<int> Kept => _ids.AsSpan(0, _kept);

    /// <summary>Their weights: probabilities up to a factor.</summary>
    public ReadOnlySpan<double> Weights => _weights.AsSpan(0, _kept);

    /// <summary>Chooses.</summary>
    /// <param name="logits">One row.</param>
    /// <param name="options">The request's options.</param>
    /// <param name="history">Prompt and generated tokens, for the penalty.</param>
    /// <param name="position">Position of the token to choose.</param>
    /// <param name="banned">Ids that may not be chosen.</param>
    /// <returns>The id, or -1 if the row has a NaN, or no finite maximum.</returns>
    public int Sample(ReadOnlySpan<float> logits, SamplingOptions options, ReadOnlySpan<int> history, int position, ReadOnlySpan<int> banned = default)
    {
        if (options.Temperature == 0) return Best(logits, options, history, banned);
        if (!Filter(logits, options, history, banned)) return -1;
        double total = 0, sum = 0;
        foreach (double weight in Weights) total += weight;
        PhiloxStream random = Philox.Stream(options.Seed, Stream, (ulong)position);
        double target = ((((ulong)random.UInt32(0) << 32) | random.UInt32(1)) >> 11) * (1.0 / (1UL << 53)) * total;
        for (int i = 0; i < _kept; i++)
        {
            sum += _weights[i];
            if (sum > target) return _ids[i];
        }

        return _ids[_kept - 1];
    }

    /// <summary>Leaves <see cref="Kept"/> and <see cref="Weights"/>: what the draw is among.</summary>
    /// <returns>False if the row has a NaN, or no finite maximum.</returns>
    public bool Filter(ReadOnlySpan<float> logits, SamplingOptions options, ReadOnlySpan<int> history, ReadOnlySpan<int> banned = default)
    {
        int best = Prepare(logits, options, history, banned);
        if (best < 0) return false;
        double max = _scores[best], least = options.MinP > 0 ? Math.Log(options.MinP) - 1e-6 : double.NegativeInfinity;
        _kept = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            double score = (_scores[i] - max) / options.Temperature;
            if (!(score > least) || (options.MinP > 0 && Math.Exp(score) < options.MinP)) continue;
            _ids[_kept] = i;
            _scores[_kept++] = score;
        }

        bool whole = true;
        if (options.TopK > 0 && options.TopK < _kept)
        {
            _kept = SelectCount(options.TopK);
            whole = false;
        }

        if (options.TopP < 1)
        {
            double total = 0;
            for (int i = 0; i < _kept; i++) total += _weights[i] = Math.Exp(_scores[i]);
            _kept = SelectMass(options.TopP * total);
            whole = false;
        }

        // Selection leaves them in an order of its own.
        if (!whole) Array.Sort(_ids, _scores, 0, _kept);
        for (int i = 0; i < _kept; i++) _weights[i] = Math.Exp(_scores[i]);
        return true;
    }

    private unsafe int Best(ReadOnlySpan<float> logits, SamplingOptions options, ReadOnlySpan<int> history, ReadOnlySpan<int> banned)
    {
        if (options.RepetitionPenalty != 1 || banned.Length > 0) return Prepare(logits, options, history, banned);
        fixed (float* row = logits) return CpuMath.ArgMax(row, logits.Length);
    }

    // Fills the scores from the logits; gives the id of the largest, the smallest id among equals.
    private int Prepare(ReadOnlySpan<float> logits, SamplingOptions options, ReadOnlySpan<int> history, ReadOnlySpan<int> banned)
    {
        for (int i = 0; i < logits.Length; i++) _scores[i] = logits[i];
        if (options.RepetitionPenalty != 1) Penalize(history, options.RepetitionPenalty);
        foreach (int id in banned) _scores[id] = double.NegativeInfinity;
        int best = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            if (double.IsNaN(_scores[i])) return -1;
            if (_scores[i] > _scores[best]) best = i;
        }

        return double.IsFinite(_scores[best]) ? best : -1;
    }

    private void Penalize(ReadOnlySpan<int> history, float penalty)
    {
        // A stamp a call instead of clearing.
        _stamp++;
        foreach (int id in history)
        {
            if (_seen[id] == _stamp) continue;
            _seen[id] = _stamp;
            _scores[id] = _scores[id] > 0 ? _scores[id] / penalty : _scores[id] * penalty;
        }
    }

    // Moves the best `count` to the front (quickselect).
    private int SelectCount(int count)
    {
        for (int low = 0, high = _kept; high - low > 1;)
        {
            int pivot = Partition(low, high);
            if (pivot == count || pivot + 1 == count) break;
            if (pivot > count) high = pivot;
            else low = pivot + 1;
        }

        return count;
    }

    // Moves the shortest run of best ones whose weights reach `mass` to the front and gives its length.
    private int SelectMass(double mass)
    {
        double above = 0;
        int low = 0, high = _kept;
        while (high - low > 1)
        {
            int pivot = Partition(low, high);
            double before = above;
            for (int i = low; i < pivot; i++) before += _weights[i];
            if (before >= mass)
            {
                high = pivot;
                continue;
            }

            above = before + _weights[pivot];
            low = pivot + 1;
            if (above >= mass) return low;
        }

        return Math.Max(1, high);
    }

    // Puts what comes before the median of three to its left and the rest to its right; gives its place.
    private int Partition(int low, int high)
    {
        int middle = low + ((high - low) / 2), last = high - 1;
        if (Before(middle, low)) Swap(middle, low);
        if (Before(last, low)) Swap(last, low);
        if (Before(middle, last)) Swap(middle, last);
        int place = low;
        for (int i = low; i < last; i++)
        {
            if (!Before(i, last)) continue;
            Swap(i, place++);
        }

        Swap(place, last);
        return place;
    }

    private bool Before(int a, int b) => _scores[a] > _scores[b] || (_scores[a] == _scores[b] && _ids[a] < _ids[b]);

    private void Swap(int a, int b)
    {
        (_scores[a], _scores[b]) = (_scores[b], _scores[a]);
        (_ids[a], _ids[b]) = (_ids[b], _ids[a]);
        (_weights[a], _weights[b]) = (_weights[b], _weights[a]);
    }
}
