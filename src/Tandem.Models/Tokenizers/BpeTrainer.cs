using System.Runtime.InteropServices;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Trains byte-level BPE: special tokens first, then the byte alphabet in order of its characters, then merges. Each step joins the pair with the highest count,
/// among equals the one with the smallest ids, left to right in every word. Counts are kept up to date instead of counted again.
/// </summary>
public sealed class BpeTrainer
{
    private readonly Dictionary<string, long> _words = new(StringComparer.Ordinal);

    /// <summary>Counts the words of a text.</summary>
    public void Add(ReadOnlySpan<char> text)
    {
        Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> words = _words.GetAlternateLookup<ReadOnlySpan<char>>();
        while (!text.IsEmpty)
        {
            int length = Gpt2Words.Next(text);
            CollectionsMarshal.GetValueRefOrAddDefault(words, text[..length], out _)++;
            text = text[length..];
        }
    }

    /// <summary>Trains on what was counted.</summary>
    /// <param name="vocabSize">Tokens in all; fewer if no pair is left.</param>
    /// <param name="special">Special tokens, which get the first ids.</param>
    /// <param name="minFrequency">Pairs seen less often are not joined.</param>
    public Tokenizer Train(int vocabSize, IReadOnlyList<string> special, long minFrequency = 0)
    {
        if (vocabSize < special.Count + 256) throw new TandemException($"vocab_size {vocabSize}, wanted at least {special.Count + 256}: 256 bytes and {special.Count} special tokens");
        var tokens = new List<string>(special);
        tokens.AddRange(ByteAlphabet.Characters.Order().Select(c => c.ToString()));
        Dictionary<string, int> ids = tokens.Select((t, i) => (t, i)).ToDictionary(x => x.t, x => x.i, StringComparer.Ordinal);
        var merges = new List<(string, string)>();
        int[][] words = [.. _words.Keys.Select(w => Encoding.UTF8.GetBytes(w).Select(b => ids[ByteAlphabet.Character(b).ToString()]).ToArray())];
        long[] counts = [.. _words.Values];

        var pairs = new Dictionary<(int, int), (long Count, HashSet<int> Words)>();
        var heap = new PriorityQueue<(int Left, int Right, long Count), (long, int, int)>();
        for (int w = 0; w < words.Length; w++) Count(pairs, words[w], w, counts[w], heap: null);
        foreach (((int left, int right) pair, (long count, _)) in pairs) heap.Enqueue((pair.left, pair.right, count), (-count, pair.left, pair.right));

        while (tokens.Count < vocabSize && heap.TryDequeue(out (int Left, int Right, long Count) best, out _))
        {
            if (!pairs.TryGetValue((best.Left, best.Right), out (long Count, HashSet<int> Words) entry) || entry.Count != best.Count) continue;
            if (best.Count < Math.Max(1, minFrequency)) break;
            string joined = tokens[best.Left] + tokens[best.Right];
            if (!ids.TryGetValue(joined, out int id))
            {
                id = ids[joined] = tokens.Count;
                tokens.Add(joined);
            }

            merges.Add((tokens[best.Left], tokens[best.Right]));
            foreach (int w in entry.Words.ToArray())
            {
                Count(pairs, words[w], w, -counts[w], heap);
                words[w] = Join(words[w], best.Left, best.Right, id);
                Count(pairs, words[w], w, counts[w], heap);
            }

            pairs.Remove((best.Left, best.Right));
        }

        return new Tokenizer(tokens, merges, special.Select((s, i) => (s, i)).ToDictionary(x => x.i, x => x.s));
    }

    private static void Count(Dictionary<(int, int), (long Count, HashSet<int> Words)> pairs, int[] word, int index, long count, PriorityQueue<(int, int, long), (long, int, int)>? heap)
    {
        for (int i = 0; i + 1 < word.Length; i++)
        {
            ref (long Count, HashSet<int> Words) entry = ref CollectionsMarshal.GetValueRefOrAddDefault(pairs, (word[i], word[i + 1]), out _);
            entry.Words ??= [];
            entry.Count += count;
            if (count > 0) entry.Words.Add(index);
            if (heap != null && entry.Count > 0) heap.Enqueue((word[i], word[i + 1], entry.Count), (-entry.Count, word[i], word[i + 1]));
        }
    }

    private static int[] Join(int[] word, int left, int right, int id)
    {
        var joined = new List<int>(word.Length);
        for (int i = 0; i < word.Length; i++)
        {
            if (i + 1 < word.Length && word[i] == left && word[i + 1] == right)
            {
                joined.Add(id);
                i++;
            }
            else
            {
                joined.Add(word[i]);
            }
        }

        return [.. joined];
    }
}
