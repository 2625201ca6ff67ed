using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// Byte-pair encoding over bytes (Sennrich et al., 2016; Radford et al., 2019): of all pairs in a word the one with the lowest rank is joined, the leftmost
/// among equals, until none is left. <see cref="TokenPath"/> finds the same without merging.
/// </summary>
internal sealed class ByteLevelBpe : TokenModel
{
    private const int ShortWord = 64, StackBytes = 512;

    private readonly Dictionary<string, int> _ids;
    private readonly MergeTable _table;
    private readonly int[] _byteIds = new int[256];
    private readonly int[] _lengths;
    private readonly TokenPath? _path;

    // For words with bytes that have no token: those are left out before merging, as the reference does it.
    private readonly CharacterBpe? _withoutMissing;

    /// <summary>Makes a model.</summary>
    /// <param name="vocabulary">Ids of the tokens, written in the byte alphabet.</param>
    /// <param name="merges">Pairs in order of rank.</param>
    /// <param name="ignoreMerges">Whether a word that is a token is taken whole, even where no merges lead there.</param>
    /// <exception cref="TandemException">A byte of ordinary text has no token, or a merge names an unknown one.</exception>
    public ByteLevelBpe(Dictionary<string, int> vocabulary, IReadOnlyList<(string Left, string Right)> merges, bool ignoreMerges = false)
    {
        _ids = vocabulary;
        Merges = merges;
        IgnoreMerges = ignoreMerges;
        _lengths = new int[vocabulary.Values.DefaultIfEmpty(-1).Max() + 1];
        foreach ((string token, int id) in vocabulary) _lengths[id] = token.Length;
        for (int b = 0; b < 256; b++) _byteIds[b] = _ids.GetValueOrDefault(ByteAlphabet.Characters[b].ToString(), -1);
        if (FirstMissing(vocabulary) is { } missing) throw new TandemException($"model.vocab: byte {missing} ('{ByteAlphabet.Characters[missing]}') has no token, wanted one for each byte of ordinary text");
        if (Enumerable.Range(0, 256).Any(b => _byteIds[b] < 0 && IsInUtf8(b))) _withoutMissing = new CharacterBpe(vocabulary, merges, new CharacterBpeOptions { IgnoreMerges = ignoreMerges, Bytes = true });
        _table = new MergeTable(merges.Count);
        var pairs = new Merge[merges.Count];
        for (int rank = 0; rank < merges.Count; rank++)
        {
            (string left, string right) = merges[rank];
            pairs[rank] = new Merge(IdOf(left, rank), IdOf(right, rank), rank, IdOf(left + right, rank));
            _table.Add(pairs[rank].Left, pairs[rank].Right, rank, pairs[rank].Id);
        }

        var bytes = new byte[_lengths.Length][];
        Array.Fill(bytes, []);
        foreach ((string token, int id) in vocabulary) bytes[id] = ByteAlphabet.Bytes(token);
        _path = TokenPath.TryCreate(bytes, _byteIds, _table, pairs);
    }

    /// <summary>Ids by token.</summary>
    public override IReadOnlyDictionary<string, int> Vocabulary => _ids;

    /// <summary>Merges in order of rank.</summary>
    public override IReadOnlyList<(string Left, string Right)> Merges { get; }

    /// <summary>Whether a word that is a token is taken whole.</summary>
    public bool IgnoreMerges { get; }

    /// <summary>Whether words are encoded from left to right; else by merging, with the same result.</summary>
    public bool HasPath => _path != null;

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        if (word.IsEmpty) return;
        if (_withoutMissing != null && HasMissing(word))
        {
            _withoutMissing.Encode(word, ids, ranges);
            return;
        }

        int first = ids.Count;
        EncodeBytes(word, ids);

        // A token is as many bytes as it has characters.
        int at = 0;
        for (int i = first; i < ids.Count && ranges != null; i++) ranges.Add(new ByteRange(at, at += _lengths[ids[i]]));
    }

    /// <summary>How many tokens are tried to encode a word from left to right.</summary>
    public long Steps(string word) => (_path ?? throw new InvalidOperationException("bug: words are encoded by merging")).Encode(Encoding.UTF8.GetBytes(word), []);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "BPE");
        foreach (string none in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"]) json.WriteNull(none);
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", IgnoreMerges);
        WriteVocabulary(json);
        WriteMerges(json, Merges);
        json.WriteEndObject();
    }

    /// <summary>Writes merges in order of rank.</summary>
    public static void WriteMerges(Utf8JsonWriter json, IReadOnlyList<(string Left, string Right)> merges)
    {
        json.WriteStartArray("merges");
        foreach ((string left, string right) in merges)
        {
            json.WriteStartArray();
            json.WriteStringValue(left);
            json.WriteStringValue(right);
            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    /// <summary>The first byte without a token, where printable ASCII or a line break is among those: else the vocabulary was made of text that lacked rare bytes.</summary>
    public static int? FirstMissing(IReadOnlyDictionary<string, int> vocabulary)
    {
        int[] missing = [.. Enumerable.Range(0, 256).Where(b => IsInUtf8(b) && !vocabulary.ContainsKey(ByteAlphabet.Characters[b].ToString()))];
        return missing.Any(b => b is '\n' or (>= ' ' and <= '~')) ? missing[0] : null;
    }

    private static bool IsInUtf8(int b) => b is not (0xC0 or 0xC1 or >= 0xF5);

    private int IdOf(string token, int rank) =>
        _ids.TryGetValue(token, out int id) ? id : throw new TandemException($"model.merges[{rank}]: the token '{token}' is not in the vocabulary");

    private bool HasMissing(ReadOnlySpan<char> word)
    {
        Span<byte> bytes = stackalloc byte[4];
        foreach (Rune rune in word.EnumerateRunes())
        {
            foreach (byte b in bytes[..rune.EncodeToUtf8(bytes)])
                if (_byteIds[b] < 0) return true;
        }

        return false;
    }

    private void EncodeBytes(ReadOnlySpan<char> word, List<int> ids)
    {
        // Twice through a long word costs less than thrice its size in memory.
        int capacity = word.Length <= ShortWord ? 3 * word.Length : Encoding.UTF8.GetByteCount(word);
        byte[]? rented = capacity > StackBytes ? ArrayPool<byte>.Shared.Rent(capacity) : null;
        Span<byte> bytes = rented == null ? stackalloc byte[StackBytes] : rented;
        bytes = bytes[..Encoding.UTF8.GetBytes(word, bytes)];
        if (IgnoreMerges && Whole(bytes) is { } whole) ids.Add(whole);
        else if (_path != null) _path.Encode(bytes, ids);
        else if (bytes.Length <= ShortWord) MergeShort(bytes, ids);
        else MergeLong(bytes, ids);
        if (rented != null) ArrayPool<byte>.Shared.Return(rented);
    }

    private int? Whole(ReadOnlySpan<byte> bytes)
    {
        char[] characters = ArrayPool<char>.Shared.Rent(bytes.Length);
        for (int i = 0; i < bytes.Length; i++) characters[i] = ByteAlphabet.Characters[bytes[i]];
        bool found = _ids.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(characters.AsSpan(0, bytes.Length), out int id);
        ArrayPool<char>.Shared.Return(characters);
        return found ? id : null;
    }

    // Few symbols: looking through all ranks beats a heap.
    private void MergeShort(ReadOnlySpan<byte> bytes, List<int> ids)
    {
        Span<int> symbols = stackalloc int[ShortWord], ranks = stackalloc int[ShortWord], joined = stackalloc int[ShortWord];
        int count = bytes.Length;
        for (int i = 0; i < count; i++) symbols[i] = _byteIds[bytes[i]];
        for (int i = 0; i + 1 < count; i++) ranks[i] = _table.Rank(symbols[i], symbols[i + 1], out joined[i]);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i < count - 1; i++)
                if (ranks[i] < ranks[best]) best = i;
            if (ranks[best] == int.MaxValue) break;
            symbols[best] = joined[best];
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            if (best + 2 < count)
            {
                ranks[(best + 2)..(count - 1)].CopyTo(ranks[(best + 1)..]);
                joined[(best + 2)..(count - 1)].CopyTo(joined[(best + 1)..]);
            }

            count--;
            if (best + 1 < count) ranks[best] = _table.Rank(symbols[best], symbols[best + 1], out joined[best]);
            if (best > 0) ranks[best - 1] = _table.Rank(symbols[best - 1], symbols[best], out joined[best - 1]);
        }

        ids.AddRange(symbols[..count]);
    }

    private void MergeLong(ReadOnlySpan<byte> bytes, List<int> ids)
    {
        int[] work = ArrayPool<int>.Shared.Rent(bytes.Length);
        Span<int> symbols = work.AsSpan(0, bytes.Length);
        for (int i = 0; i < bytes.Length; i++) symbols[i] = _byteIds[bytes[i]];
        ids.AddRange(symbols[..PairMerger.Merge(_table, symbols, [])]);
        ArrayPool<int>.Shared.Return(work);
    }
}
