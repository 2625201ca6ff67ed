using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>The tokens of a Unigram model in training, and all ways to write the words in them.</summary>
internal sealed class UnigramLattice
{
    // Expected counts are summed by these parts of the words, whatever the threads, and the parts in their order.
    private const int Parts = 32;

    // Tokens expected less often are taken away.
    private const double LeastCount = 0.5;

    private readonly (string Word, long Count)[] _words;
    private readonly int _longest;
    private readonly ParallelOptions _threads;
    private readonly HashSet<string> _characters = new(StringComparer.Ordinal);
    private Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private string[] _tokens;
    private double[] _scores;

    /// <summary>Starts with all characters, those of <paramref name="alphabet"/> too, and the substrings that cover most of the text.</summary>
    public UnigramLattice((string Word, long Count)[] words, IEnumerable<string> alphabet, int longest, long seeds, int threads)
    {
        (_words, _longest) = (words, Math.Max(2, longest));
        _threads = new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount };
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach ((string word, long count) in words)
        {
            for (int start = 0; start < word.Length; start += CharacterLength(word, start))
            {
                int character = CharacterLength(word, start);
                _characters.Add(word.Substring(start, character));
                for (int end = start + character; end <= Math.Min(word.Length, start + _longest); end += CharacterLength(word, end))
                {
                    CollectionsMarshal.GetValueRefOrAddDefault(lookup, word.AsSpan(start, end - start), out _) += count;
                    if (end == word.Length) break;
                }
            }
        }

        foreach (string character in alphabet.SelectMany(a => a.EnumerateRunes()).Select(r => r.ToString()).Distinct())
            if (_characters.Add(character)) counts[character] = 1;
        var chosen = counts.Where(c => c.Value > 1 && !_characters.Contains(c.Key)).OrderByDescending(c => c.Value * c.Key.Length).ThenBy(c => c.Key, StringComparer.Ordinal)
            .Take((int)seeds).Concat(counts.Where(c => _characters.Contains(c.Key)).OrderBy(c => c.Key, StringComparer.Ordinal)).ToList();
        double sum = Math.Log(chosen.Sum(c => (double)c.Value * c.Key.Length));
        _tokens = [.. chosen.Select(c => c.Key)];
        _scores = [.. chosen.Select(c => Math.Log((double)c.Value * c.Key.Length) - sum)];
        Number();
    }

    /// <summary>Number of different characters; they are never taken away.</summary>
    public int NumCharacters => _characters.Count;

    /// <summary>Number of tokens.</summary>
    public int Count => _tokens.Length;

    /// <summary>One round of expectation maximization: the expected counts of the tokens over all ways to write the words, then their scores (Bayesian, with digamma).</summary>
    public void Maximize()
    {
        double[] expected = Summed((word, count, sums) => Expect(word, count, sums));
        var kept = new List<int>();
        for (int i = 0; i < _tokens.Length; i++)
            if (expected[i] >= LeastCount || _characters.Contains(_tokens[i])) kept.Add(i);
        double sum = 0;
        foreach (int i in kept) sum += Math.Max(expected[i], LeastCount);
        double all = Digamma(sum);
        Keep(kept, i => Digamma(Math.Max(expected[i], LeastCount)) - all);
    }

    /// <summary>Takes away the tokens without which the best ways to write the words lose least, down to a number.</summary>
    public void Prune(int wanted)
    {
        // How often each is on a best way, and what is in its place without it.
        double[] used = Summed((word, count, sums) =>
        {
            foreach (int id in Best(word, without: -1)) sums[id] += count;
        });
        double total = used.Sum();
        var losses = new double[_tokens.Length];
        Parallel.For(0, _tokens.Length, _threads, i =>
        {
            if (_characters.Contains(_tokens[i])) losses[i] = double.PositiveInfinity;
            else if (used[i] > 0) losses[i] = used[i] / total * (_scores[i] - Best(_tokens[i], without: i).Sum(id => _scores[id]));
        });
        int[] order = [.. Enumerable.Range(0, _tokens.Length).OrderByDescending(i => losses[i]).ThenBy(i => _tokens[i], StringComparer.Ordinal).Take(wanted)];
        Array.Sort(order);
        Keep([.. order], i => _scores[i]);
    }

    /// <summary>All characters and the tokens with the highest scores, by falling score.</summary>
    public (string Token, double Score)[] Best(int wanted, HashSet<string> taken)
    {
        int[] order = [.. Enumerable.Range(0, _tokens.Length).Where(i => !taken.Contains(_tokens[i])).OrderByDescending(i => _characters.Contains(_tokens[i])).ThenByDescending(i => _scores[i]).ThenBy(i => _tokens[i], StringComparer.Ordinal).Take(wanted)];
        return [.. order.Select(i => (_tokens[i], _scores[i])).OrderByDescending(t => t.Item2).ThenBy(t => t.Item1, StringComparer.Ordinal)];
    }

    private static int CharacterLength(string word, int at) => at + 1 < word.Length && char.IsHighSurrogate(word[at]) && char.IsLowSurrogate(word[at + 1]) ? 2 : 1;

    private void Keep(List<int> kept, Func<int, double> score)
    {
        double[] scores = [.. kept.Select(score)];
        _tokens = [.. kept.Select(i => _tokens[i])];
        _scores = scores;
        Number();
    }

    private void Number() => _ids = _tokens.Select((t, i) => (t, i)).ToDictionary(t => t.t, t => t.i, StringComparer.Ordinal);

    private double[] Summed(Action<string, long, double[]> add)
    {
        var sums = new double[_tokens.Length];
        int size = (_words.Length + Parts - 1) / Parts, atOnce = _threads.MaxDegreeOfParallelism;
        for (int first = 0; first < Parts; first += atOnce)
        {
            var parts = new double[Math.Min(atOnce, Parts - first)][];
            Parallel.For(0, parts.Length, _threads, p =>
            {
                parts[p] = new double[_tokens.Length];
                int start = (first + p) * size;
                for (int w = start; w < Math.Min(_words.Length, start + size); w++) add(_words[w].Word, _words[w].Count, parts[p]);
            });
            foreach (double[] part in parts)
                for (int i = 0; i < sums.Length; i++) sums[i] += part[i];
        }

        return sums;
    }

    // Forwards the probability of all ways up to a place, backwards of all from it; a token's share is both and its own over the whole.
    private void Expect(string word, long count, double[] sums)
    {
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var edges = new List<(int Start, int End, int Id)>();
        var forward = new double[word.Length + 1];
        var backward = new double[word.Length + 1];
        Array.Fill(forward, double.NegativeInfinity);
        Array.Fill(backward, double.NegativeInfinity);
        (forward[0], backward[^1]) = (0, 0);
        for (int start = 0; start < word.Length; start += CharacterLength(word, start))
        {
            for (int end = start + 1; end <= Math.Min(word.Length, start + _longest); end++)
            {
                if (!lookup.TryGetValue(word.AsSpan(start, end - start), out int id)) continue;
                edges.Add((start, end, id));
                forward[end] = LogSum(forward[end], forward[start] + _scores[id]);
            }
        }

        for (int i = edges.Count - 1; i >= 0; i--) backward[edges[i].Start] = LogSum(backward[edges[i].Start], backward[edges[i].End] + _scores[edges[i].Id]);
        foreach ((int start, int end, int id) in edges) sums[id] += count * Math.Exp(forward[start] + _scores[id] + backward[end] - forward[^1]);
    }

    private List<int> Best(string word, int without)
    {
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var best = new (double Score, int Start, int Id)[word.Length + 1];
        Array.Fill(best, (double.NegativeInfinity, 0, -1));
        best[0] = (0, 0, -1);
        for (int start = 0; start < word.Length; start += CharacterLength(word, start))
        {
            for (int end = start + 1; end <= Math.Min(word.Length, start + _longest); end++)
            {
                if (!lookup.TryGetValue(word.AsSpan(start, end - start), out int id) || id == without) continue;
                double score = best[start].Score + _scores[id];
                if (score > best[end].Score) best[end] = (score, start, id);
            }
        }

        var path = new List<int>();
        for (int at = word.Length; at > 0; at = best[at].Start) path.Add(best[at].Id);
        return path;
    }

    private static double LogSum(double a, double b)
    {
        if (double.IsNegativeInfinity(a)) return b;
        double high = Math.Max(a, b);
        return high + Math.Log(1 + Math.Exp(Math.Min(a, b) - high));
    }

    // Asymptotic series (Abramowitz and Stegun, 6.3.18) after the recurrence up to 7.
    private static double Digamma(double x)
    {
        double result = 0;
        for (; x < 7; x++) result -= 1 / x;
        x -= 0.5;
        double square = 1 / (x * x);
        return result + Math.Log(x) + (square / 24) - (7 * square * square / 960) + (31 * square * square * square / 8064);
    }
}
