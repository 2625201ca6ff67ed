using System.Runtime.InteropServices;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Trains byte-level BPE on GPT-2's words: special tokens first, then the byte alphabet in order of its characters, then merges. Each step joins the pair
/// with the highest count, among equals the one with the smallest ids, left to right in every word. Counts are kept up to date instead of counted again.
/// </summary>
/// <param name="addPrefixSpace">Whether each document gets a space before it if it starts with none.</param>
public sealed class BpeTrainer(bool addPrefixSpace = false)
{
    private const int BlockChars = 1 << 20;

    private readonly Dictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly List<Piece> _pieces = [];

    /// <summary>Counts the words of a document.</summary>
    public void Add(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty) return;
        if (addPrefixSpace && text[0] != ' ')
        {
            AddWords($" {text}");
            return;
        }

        AddWords(text);
    }

    /// <summary>Counts the words of a document of any length, block by block, as if it were given whole.</summary>
    public void Add(TextReader reader)
    {
        char[] block = new char[BlockChars];
        int held = 0;
        bool first = true;
        while (true)
        {
            int read = reader.ReadBlock(block, held, block.Length - held);
            int length = held + read;
            if (length == 0) return;
            int cut = length < block.Length ? length : LastCut(block.AsSpan(0, length));
            if (first) Add(block.AsSpan(0, cut));
            else AddWords(block.AsSpan(0, cut));
            if (length < block.Length) return;
            first = false;
            held = length - cut;
            block.AsSpan(cut, held).CopyTo(block);

            // One word fills the block.
            if (held == block.Length) Array.Resize(ref block, 2 * block.Length);
        }
    }

    /// <summary>Trains on what was counted.</summary>
    /// <param name="vocabSize">Tokens in all; fewer if no pair is left.</param>
    /// <param name="special">Special tokens, which get the first ids.</param>
    /// <param name="minFrequency">Pairs seen less often are not joined.</param>
    /// <param name="maxTokenLength">Tokens of more than one merge have fewer bytes than this; 0 is no limit.</param>
    /// <exception cref="TandemException">The vocabulary has no room for the bytes and the special tokens, or special tokens are empty or repeated.</exception>
    public Tokenizer Train(int vocabSize, IReadOnlyList<string> special, long minFrequency = 0, int maxTokenLength = 0)
    {
        if (vocabSize < special.Count + 256) throw new TandemException($"vocab_size {vocabSize}, wanted at least {special.Count + 256}: 256 bytes and {special.Count} special tokens");
        var run = new Run(special);
        foreach ((string word, long count) in _counts) run.AddWord(word, count);
        run.Join(vocabSize, Math.Max(1, minFrequency), maxTokenLength);
        return new Tokenizer(new ByteLevelBpe(run.Ids, run.Merges), new TokenizerParts
        {
            AddedTokens = [.. special.Select((s, i) => new AddedToken(i, s) { Special = true })],
            PreTokenizer = new ByteLevelPreTokenizer(addPrefixSpace, useRegex: true),
            PostProcessor = new ByteLevelPostProcessor(addPrefixSpace, trimOffsets: true, useRegex: true),
        });
    }

    // The last white space before something else begins a word in any case, so that a text can be cut there without changing its words.
    private static int LastCut(ReadOnlySpan<char> text)
    {
        for (int i = text.Length - 2; i > 0; i--)
            if (char.IsWhiteSpace(text[i]) && !char.IsWhiteSpace(text[i + 1])) return i;
        return 0;
    }

    private void AddWords(ReadOnlySpan<char> text)
    {
        Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> counts = _counts.GetAlternateLookup<ReadOnlySpan<char>>();
        _pieces.Clear();
        Gpt2Pattern.Instance.Cut(text, new Piece(0, text.Length), _pieces);
        foreach (Piece piece in _pieces) CollectionsMarshal.GetValueRefOrAddDefault(counts, text.Slice(piece.Start, piece.Length), out _)++;
    }

    /// <summary>The state of one training.</summary>
    private sealed class Run
    {
        private readonly List<string> _tokens = [];
        private readonly List<int[]> _words = [];
        private readonly List<long> _counts = [];
        private readonly Dictionary<long, Pair> _pairs = [];
        private readonly PriorityQueue<(long Pair, long Count), (long, long)> _heap = new();
        private readonly Dictionary<long, long> _changes = [];

        public Run(IReadOnlyList<string> special)
        {
            foreach (string token in special)
                if (token.Length == 0 || !Ids.TryAdd(token, _tokens.Count)) throw new TandemException($"special token '{token}' is empty or given twice, wanted different texts");
                else _tokens.Add(token);
            foreach (char c in ByteAlphabet.Characters.ToArray().Order())
                if (Ids.TryAdd(c.ToString(), _tokens.Count)) _tokens.Add(c.ToString());
        }

        public Dictionary<string, int> Ids { get; } = new(StringComparer.Ordinal);

        public List<(string, string)> Merges { get; } = [];

        public void AddWord(string word, long count)
        {
            int[] symbols = [.. Encoding.UTF8.GetBytes(word).Select(b => Ids[ByteAlphabet.Characters[b].ToString()])];
            for (int i = 0; i + 1 < symbols.Length; i++)
            {
                Pair pair = PairOf(Key(symbols[i], symbols[i + 1]));
                pair.Count += count;
                if (pair.Words.Count == 0 || pair.Words[^1] != _words.Count) pair.Words.Add(_words.Count);
            }

            _words.Add(symbols);
            _counts.Add(count);
        }

        public void Join(int vocabSize, long minFrequency, int maxTokenLength)
        {
            int alphabet = _tokens.Count;
            foreach ((long key, Pair pair) in _pairs) Offer(key, pair.Count);
            while (_tokens.Count < vocabSize && _heap.TryDequeue(out (long Pair, long Count) best, out _))
            {
                Pair pair = _pairs[best.Pair];
                if (pair.Count != best.Count)
                {
                    // Counts that fell are put in order when they come up; those that rose were offered again.
                    if (pair.Count < best.Count) Offer(best.Pair, pair.Count);
                    continue;
                }

                if (best.Count < minFrequency) break;
                (int left, int right) = ((int)(best.Pair >> 32), (int)best.Pair);
                string joined = _tokens[left] + _tokens[right];
                if (maxTokenLength > 0 && joined.Length >= maxTokenLength && !(left < alphabet && right < alphabet)) continue;
                if (!Ids.TryGetValue(joined, out int id))
                {
                    id = Ids[joined] = _tokens.Count;
                    _tokens.Add(joined);
                }

                Merges.Add((_tokens[left], _tokens[right]));
                JoinWords(pair, left, right, id);
            }
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
    }

    /// <summary>Count of a pair and the words that have it, or had it once.</summary>
    private sealed class Pair
    {
        public long Count { get; set; }

        public List<int> Words { get; } = [];
    }
}
