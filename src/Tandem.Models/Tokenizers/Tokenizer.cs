using System.Collections.Concurrent;
using System.Text;

namespace Tandem.Models;

/// <summary>What becomes of a special token's text inside a text that is encoded.</summary>
public enum SpecialTokens
{
    /// <summary>It is text like any other.</summary>
    AsText,

    /// <summary>It becomes the token.</summary>
    Parse,

    /// <summary>It is refused.</summary>
    Forbid,
}

/// <summary>
/// Byte-level BPE (Sennrich et al., 2016; Radford et al., 2019): words of the text as bytes, merged by rank. Immutable and safe for many threads.
/// </summary>
public sealed class Tokenizer
{
    private const int CacheLimit = 1 << 16;

    private readonly string[] _tokens;
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<long, (int Rank, int Id)> _merges = [];
    private readonly int[] _byteIds = new int[256];
    private readonly Dictionary<int, string> _special;
    private readonly ConcurrentDictionary<string, int[]> _cache = new();

    /// <summary>Makes a tokenizer from its vocabulary (characters of the byte alphabet), its merges in order of rank and its special tokens.</summary>
    /// <exception cref="TandemException">Ids have gaps, a byte has no token, or a merge names an unknown token.</exception>
    public Tokenizer(IReadOnlyList<string> tokens, IReadOnlyList<(string Left, string Right)> merges, IReadOnlyDictionary<int, string> special)
    {
        _tokens = [.. tokens];
        _ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < _tokens.Length; i++)
            if (!_ids.TryAdd(_tokens[i], i)) throw new TandemException($"tokenizer: '{_tokens[i]}' is token {_ids[_tokens[i]]} and token {i}, wanted each once");
        _special = new Dictionary<int, string>(special);
        Merges = merges;
        for (int b = 0; b < 256; b++)
        {
            string character = ByteAlphabet.Character((byte)b).ToString();
            _byteIds[b] = _ids.TryGetValue(character, out int id) ? id : throw new TandemException($"tokenizer: byte {b} ('{character}') has no token, wanted all 256");
        }

        for (int rank = 0; rank < merges.Count; rank++)
        {
            (string left, string right) = merges[rank];
            _merges.TryAdd(Key(IdOfMerge(left, rank), IdOfMerge(right, rank)), (rank, IdOfMerge(left + right, rank)));
        }
    }

    /// <summary>Number of tokens.</summary>
    public int VocabSize => _tokens.Length;

    /// <summary>Merges in order of rank.</summary>
    public IReadOnlyList<(string Left, string Right)> Merges { get; }

    /// <summary>Special tokens by id.</summary>
    public IReadOnlyDictionary<int, string> Special => _special;

    /// <summary>A token as it stands in the vocabulary.</summary>
    public string TokenText(int id) => _tokens[id];

    /// <summary>Id of a token of the vocabulary, or null.</summary>
    public int? Find(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    /// <summary>Token ids of a text.</summary>
    public int[] Encode(string text, SpecialTokens special = SpecialTokens.AsText)
    {
        var ids = new List<int>();
        Encode(text, ids, special);
        return [.. ids];
    }

    /// <summary>Appends the token ids of a text.</summary>
    /// <exception cref="TandemException">The text has a special token and those are forbidden.</exception>
    public void Encode(ReadOnlySpan<char> text, List<int> ids, SpecialTokens special = SpecialTokens.AsText)
    {
        while (special != SpecialTokens.AsText && FirstSpecial(text) is { At: >= 0 } found)
        {
            if (special == SpecialTokens.Forbid) throw new TandemException($"the text has the special token '{_special[found.Id]}' at {found.At}, which is not allowed here");
            EncodeText(text[..found.At], ids);
            ids.Add(found.Id);
            text = text[(found.At + _special[found.Id].Length)..];
        }

        EncodeText(text, ids);
    }

    /// <summary>The text of tokens; bytes that are no UTF-8 become U+FFFD.</summary>
    public string Decode(IEnumerable<int> ids, bool skipSpecial = true)
    {
        var decoder = new TokenDecoder(this, skipSpecial);
        var text = new StringBuilder();
        foreach (int id in ids) text.Append(decoder.Append(id));
        return text.Append(decoder.Flush()).ToString();
    }

    /// <summary>Appends the bytes of a token.</summary>
    internal void AppendBytes(int id, List<byte> bytes)
    {
        if ((uint)id >= (uint)_tokens.Length) throw new TandemException($"token id {id} is not in the vocabulary, wanted 0 to {_tokens.Length - 1}");
        if (_special.TryGetValue(id, out string? special))
        {
            bytes.AddRange(Encoding.UTF8.GetBytes(special));
            return;
        }

        foreach (char c in _tokens[id])
        {
            if (ByteAlphabet.TryByte(c, out byte b)) bytes.Add(b);
            else bytes.AddRange(Encoding.UTF8.GetBytes(c.ToString()));
        }
    }

    private int IdOfMerge(string token, int rank) =>
        _ids.TryGetValue(token, out int id) ? id : throw new TandemException($"tokenizer: merge {rank} needs the token '{token}', which the vocabulary does not have");

    private (int At, int Id) FirstSpecial(ReadOnlySpan<char> text)
    {
        (int At, int Id) first = (-1, -1);
        foreach ((int id, string special) in _special)
        {
            int at = text.IndexOf(special, StringComparison.Ordinal);
            bool longer = at == first.At && first.Id >= 0 && special.Length > _special[first.Id].Length;
            if (at >= 0 && (first.At < 0 || at < first.At || longer)) first = (at, id);
        }

        return first;
    }

    private void EncodeText(ReadOnlySpan<char> text, List<int> ids)
    {
        while (!text.IsEmpty)
        {
            int length = Gpt2Words.Next(text);
            ids.AddRange(EncodeWord(text[..length]));
            text = text[length..];
        }
    }

    private int[] EncodeWord(ReadOnlySpan<char> word)
    {
        if (word.Length > 64) return Merge(word);
        if (_cache.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(word, out int[]? cached)) return cached;
        int[] ids = Merge(word);
        if (_cache.Count < CacheLimit) _cache.TryAdd(word.ToString(), ids);
        return ids;
    }

    // A linked list of symbols and a heap of possible merges, so that a long word costs n log n; the lowest rank first, then the leftmost.
    private int[] Merge(ReadOnlySpan<char> word)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(word.ToArray());
        int n = bytes.Length;
        int[] id = new int[n], next = new int[n], previous = new int[n];
        for (int i = 0; i < n; i++)
        {
            id[i] = _byteIds[bytes[i]];
            next[i] = i + 1 < n ? i + 1 : -1;
            previous[i] = i - 1;
        }

        var heap = new PriorityQueue<(int At, int Left, int Right), (int Rank, int At)>();
        void Offer(int at)
        {
            if (at >= 0 && next[at] >= 0 && _merges.TryGetValue(Key(id[at], id[next[at]]), out (int Rank, int Id) merge))
                heap.Enqueue((at, id[at], id[next[at]]), (merge.Rank, at));
        }

        for (int i = 0; i < n; i++) Offer(i);
        while (heap.TryDequeue(out (int At, int Left, int Right) m, out _))
        {
            int right = id[m.At] < 0 ? -1 : next[m.At];
            if (right < 0 || id[m.At] != m.Left || id[right] != m.Right) continue;
            id[m.At] = _merges[Key(m.Left, m.Right)].Id;
            id[right] = -1;
            next[m.At] = next[right];
            if (next[right] >= 0) previous[next[right]] = m.At;
            Offer(previous[m.At]);
            Offer(m.At);
        }

        return [.. id.Where(i => i >= 0)];
    }

    private static long Key(int left, int right) => ((long)left << 32) | (uint)right;
}
