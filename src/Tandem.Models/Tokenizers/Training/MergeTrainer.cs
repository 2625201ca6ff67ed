using System.Runtime.InteropServices;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Learns merges: each step joins the pair with the highest count, among equals the one with the smallest ids, left to right in every word. Counts are
/// kept up to date instead of counted again.
/// </summary>
internal sealed class MergeTrainer
{
    private readonly List<string> _tokens = [];
    private readonly List<int[]> _words = [];
    private readonly List<long> _counts = [];
    private readonly Dictionary<long, Pair> _pairs = [];
    private readonly PriorityQueue<(long Pair, long Count), (long, long)> _heap = new();
    private readonly Dictionary<long, long> _changes = [];
    private readonly string _prefix;

    /// <summary>Starts with words.</summary>
    /// <param name="special">Tokens that get the first ids.</param>
    /// <param name="words">The words with their counts.</param>
    /// <param name="bytes">Whether symbols are bytes, written in the byte alphabet and all there from the start; else they are the characters seen.</param>
    /// <param name="prefix">What symbols inside a word start with; those seen get ids after the characters.</param>
    /// <exception cref="TandemException">Special tokens are empty or repeated.</exception>
    public MergeTrainer(IReadOnlyList<string> special, IReadOnlyList<(string Word, long Count)> words, bool bytes, string prefix = "")
    {
        _prefix = prefix;
        foreach (string token in special)
            if (token.Length == 0 || !Ids.TryAdd(token, _tokens.Count)) throw new TandemException($"special token '{token}' is empty or given twice, wanted different texts");
            else _tokens.Add(token);
        if (bytes)
        {
            foreach (char c in ByteAlphabet.Characters.ToArray().Order()) IdOf(c.ToString());
        }
        else
        {
            foreach (int c in words.SelectMany(w => w.Word.EnumerateRunes()).Select(r => r.Value).Distinct().Order()) IdOf(char.ConvertFromUtf32(c));
            if (prefix.Length > 0)
                foreach (int c in words.SelectMany(w => w.Word.EnumerateRunes().Skip(1)).Select(r => r.Value).Distinct().Order()) IdOf(prefix + char.ConvertFromUtf32(c));
        }

        foreach ((string word, long count) in words)
        {
            AddWord(bytes
                ? [.. Encoding.UTF8.GetBytes(word).Select(b => Ids[ByteAlphabet.Characters[b].ToString()])]
                : [.. word.EnumerateRunes().Select((r, i) => Ids[(i > 0 ? prefix : "") + r])], count);
        }
    }

    /// <summary>Ids of tokens.</summary>
    public Dictionary<string, int> Ids { get; } = new(StringComparer.Ordinal);

    /// <summary>Merges in the order that they were made.</summary>
    public List<(string, string)> Merges { get; } = [];

    /// <summary>Joins pairs until there are <paramref name="vocabSize"/> tokens, or no pair is seen often enough.</summary>
    public void Join(int vocabSize, long minFrequency, int maxTokenLength, CancellationToken cancel)
    {
        int alphabet = _tokens.Count;
        foreach ((long key, Pair pair) in _pairs) Offer(key, pair.Count);
        while (_tokens.Count < vocabSize && _heap.TryDequeue(out (long Pair, long Count) best, out _))
        {
            cancel.ThrowIfCancellationRequested();
            Pair pair = _pairs[best.Pair];
            if (pair.Count != best.Count)
            {
                // Counts that fell are put in order when they come up; those that rose were offered again.
                if (pair.Count < best.Count) Offer(best.Pair, pair.Count);
                continue;
            }

            if (best.Count < minFrequency) break;
            (int left, int right) = ((int)(best.Pair >> 32), (int)best.Pair);
            string rest = _tokens[right];
            string joined = _tokens[left] + (_prefix.Length > 0 && rest.StartsWith(_prefix, StringComparison.Ordinal) ? rest[_prefix.Length..] : rest);
            if (maxTokenLength > 0 && joined.EnumerateRunes().Count() >= maxTokenLength && !(left < alphabet && right < alphabet)) continue;
            int id = IdOf(joined);
            Merges.Add((_tokens[left], rest));
            JoinWords(pair, left, right, id);
        }
    }

    private int IdOf(string token)
    {
        if (Ids.TryGetValue(token, out int id)) return id;
        _tokens.Add(token);
        return Ids[token] = _tokens.Count - 1;
    }

    private void AddWord(int[] symbols, long count)
    {
        for (int i = 0; i + 1 < symbols.Length; i++)
        {
            Pair pair = PairOf(Key(symbols[i], symbols[i + 1]));
            pair.Count += count;
            if (pair.Words.Count == 0 || pair.Words[^1] != _words.Count) pair.Words.Add(_words.Count);
        }

        _words.Add(symbols);
        _counts.Add(count);
    }

    private void JoinWords(Pair pair, int left, int right, int id)
    {
        _changes.Clear();
        int[] words = [.. pair.Words];
        pair.Words.Clear();
        foreach (int w in words)
        {
            int[] old = _words[w];
            if (Joined(old, left, right, id) is not { } joined) continue;
            for (int i = 0; i + 1 < old.Length; i++) Change(old[i], old[i + 1], -_counts[w]);
            for (int i = 0; i + 1 < joined.Length; i++)
            {
                Change(joined[i], joined[i + 1], _counts[w]);
                if (joined[i] != id && joined[i + 1] != id) continue;
                List<int> holders = PairOf(Key(joined[i], joined[i + 1])).Words;
                if (holders.Count == 0 || holders[^1] != w) holders.Add(w);
            }

            _words[w] = joined;
        }

        foreach ((long key, long change) in _changes)
        {
            Pair changed = PairOf(key);
            changed.Count += change;
            if (change > 0) Offer(key, changed.Count);
        }
    }

    private void Change(int left, int right, long by) => CollectionsMarshal.GetValueRefOrAddDefault(_changes, Key(left, right), out _) += by;

    private void Offer(long key, long count)
    {
        if (count > 0) _heap.Enqueue((key, count), (-count, key));
    }

    private Pair PairOf(long key) => CollectionsMarshal.GetValueRefOrAddDefault(_pairs, key, out _) ??= new Pair();

    private static long Key(int left, int right) => ((long)left << 32) | (uint)right;

    private static int[]? Joined(int[] word, int left, int right, int id)
    {
        var joined = new List<int>(word.Length);
        for (int i = 0; i < word.Length; i++)
        {
            bool here = i + 1 < word.Length && word[i] == left && word[i + 1] == right;
            joined.Add(here ? id : word[i]);
            if (here) i++;
        }

        return joined.Count == word.Length ? null : [.. joined];
    }

    /// <summary>Count of a pair and the words that have it, or had it once.</summary>
    private sealed class Pair
    {
        public long Count { get; set; }

        public List<int> Words { get; } = [];
    }
}
