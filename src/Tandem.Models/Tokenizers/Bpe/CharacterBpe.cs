using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>What a BPE over characters does with them.</summary>
internal sealed record CharacterBpeOptions
{
    /// <summary>The token of a character that has none; null leaves it out.</summary>
    public string? UnkToken { get; init; }

    /// <summary>What the symbols of characters inside a word start with.</summary>
    public string ContinuingSubwordPrefix { get; init; } = "";

    /// <summary>What the symbol of the last character of a word ends with.</summary>
    public string EndOfWordSuffix { get; init; } = "";

    /// <summary>Whether neighbours without a token become one unknown token.</summary>
    public bool FuseUnk { get; init; }

    /// <summary>Whether a character without a token becomes the tokens of its bytes, if all of them have one.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Whether a word that is a token is taken whole.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Whether the characters are those of the byte alphabet that the word's bytes are written in.</summary>
    public bool Bytes { get; init; }
}

/// <summary>Byte-pair encoding over characters, as SentencePiece has it and as CLIP has it over the byte alphabet.</summary>
internal sealed class CharacterBpe : TokenModel
{
    private const char Space = '\u2581';
    private const int StackSize = 64, StackPieces = 256;

    [ThreadStatic]
    private static List<int>? t_symbols, t_lengths;

    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly CharacterBpeOptions _options;
    private readonly MergeTable _table;
    private readonly int[] _byteIds;
    private readonly int _unknown = -1;
    private readonly bool _cutsAtSpaces;

    /// <summary>Makes a model.</summary>
    /// <exception cref="TandemException">A merge or the unknown token is not in the vocabulary.</exception>
    public CharacterBpe(Dictionary<string, int> vocabulary, IReadOnlyList<(string Left, string Right)> merges, CharacterBpeOptions options)
    {
        (_ids, Merges, _options) = (vocabulary, merges, options);
        _lookup = vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        if (options.UnkToken != null && !vocabulary.TryGetValue(options.UnkToken, out _unknown)) throw new TandemException($"model.unk_token: '{options.UnkToken}' is not in the vocabulary");
        _byteIds = [.. Enumerable.Range(0, 256).Select(b => options.ByteFallback ? vocabulary.GetValueOrDefault(UnigramModel.ByteToken(b), -1) : -1)];
        _table = new MergeTable(merges.Count);
        string prefix = options.ContinuingSubwordPrefix;
        for (int rank = 0; rank < merges.Count; rank++)
        {
            (string left, string right) = merges[rank];
            string joined = left + (right.StartsWith(prefix, StringComparison.Ordinal) ? right[prefix.Length..] : right);
            _table.Add(IdOf(left, rank), IdOf(right, rank), rank, IdOf(joined, rank));
        }

        bool plain = !options.Bytes && !options.IgnoreMerges && prefix.Length == 0 && options.EndOfWordSuffix.Length == 0;
        _cutsAtSpaces = plain && vocabulary.ContainsKey(Space.ToString()) && options.UnkToken?.EndsWith(Space) != true && !merges.Any(m => IsInside(m.Left + m.Right));
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, int> Vocabulary => _ids;

    /// <inheritdoc/>
    public override IReadOnlyList<(string Left, string Right)> Merges { get; }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        Merge(_options.Bytes ? Mapped(word) : word, ids, ranges);
    }

    /// <summary>
    /// As the base does, but where no token has SentencePiece's space behind another character, a space after one is a border that nothing joins across:
    /// a text that no pre-tokenizer cut, as Llama 2's, becomes words.
    /// </summary>
    public override void EncodeWords(ReadOnlySpan<char> text, ReadOnlySpan<Piece> words, List<int> ids)
    {
        if (!_cutsAtSpaces)
        {
            base.EncodeWords(text, words, ids);
            return;
        }

        Span<Piece> pieces = stackalloc Piece[StackPieces];
        int count = 0;
        foreach ((int start, int length) in words)
        {
            for (int at = start, end = start + length; at < end;)
            {
                int next = at + 1;
                while (next < end && (text[next] != Space || text[next - 1] == Space)) next++;
                pieces[count++] = new Piece(at, next - at);
                at = next;
                if (count < StackPieces) continue;
                base.EncodeWords(text, pieces, ids);
                count = 0;
            }
        }

        base.EncodeWords(text, pieces[..count], ids);
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteString("unk_token", _options.UnkToken);
        json.WriteString("continuing_subword_prefix", _options.ContinuingSubwordPrefix.Length == 0 ? null : _options.ContinuingSubwordPrefix);
        json.WriteString("end_of_word_suffix", _options.EndOfWordSuffix.Length == 0 ? null : _options.EndOfWordSuffix);
        json.WriteBoolean("fuse_unk", _options.FuseUnk);
        json.WriteBoolean("byte_fallback", _options.ByteFallback);
        json.WriteBoolean("ignore_merges", _options.IgnoreMerges);
        WriteVocabulary(json);
        ByteLevelBpe.WriteMerges(json, Merges);
        json.WriteEndObject();
    }

    private static bool IsInside(string token)
    {
        for (int i = 1; i < token.Length; i++)
            if (token[i] == Space && token[i - 1] != Space) return true;
        return false;
    }

    private static string Mapped(ReadOnlySpan<char> word)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(word)];
        Encoding.UTF8.GetBytes(word, bytes);
        return string.Create(bytes.Length, bytes, (text, from) =>
        {
            for (int i = 0; i < text.Length; i++) text[i] = ByteAlphabet.Characters[from[i]];
        });
    }

    private int IdOf(string token, int rank) =>
        _ids.TryGetValue(token, out int id) ? id : throw new TandemException($"model.merges[{rank}]: the token '{token}' is not in the vocabulary");

    private void Merge(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        if (_options.IgnoreMerges && _lookup.TryGetValue(word, out int whole))
        {
            ids.Add(whole);
            ranges?.Add(new ByteRange(0, _options.Bytes ? word.Length : Encoding.UTF8.GetByteCount(word)));
            return;
        }

        List<int> symbols = t_symbols ??= [], lengths = t_lengths ??= [];
        symbols.Clear();
        lengths.Clear();
        ToSymbols(word, symbols, lengths);
        Span<int> left = CollectionsMarshal.AsSpan(symbols), sizes = CollectionsMarshal.AsSpan(lengths);
        int count = PairMerger.Merge(_table, left, sizes);
        ids.AddRange(left[..count]);
        int at = 0;
        for (int i = 0; i < count && ranges != null; i++) ranges.Add(new ByteRange(at, at += sizes[i]));
        if (symbols.Capacity > 1 << 16) t_symbols = t_lengths = null;
    }

    // The symbols that the word starts from. An unknown symbol waits for the next known one, so that byte tokens come before it: as the reference does it.
    private void ToSymbols(ReadOnlySpan<char> word, List<int> symbols, List<int> lengths)
    {
        string prefix = _options.ContinuingSubwordPrefix, suffix = _options.EndOfWordSuffix;
        int longest = prefix.Length + 2 + suffix.Length;
        Span<char> symbol = longest > StackSize ? new char[longest] : stackalloc char[StackSize];
        int waiting = 0;
        for (int at = 0; at < word.Length;)
        {
            Rune.DecodeFromUtf16(word[at..], out Rune rune, out int used);
            int length = 0;
            if (at > 0) length = Append(symbol, length, prefix);
            length += rune.EncodeToUtf16(symbol[length..]);
            at += used;
            if (at == word.Length) length = Append(symbol, length, suffix);
            int size = _options.Bytes ? 1 : rune.Utf8SequenceLength;
            if (_lookup.TryGetValue(symbol[..length], out int id))
            {
                TakeUnknown(ref waiting, symbols, lengths);
                symbols.Add(id);
                lengths.Add(size);
            }
            else if (!TryAddBytes(symbol[..length], symbols, lengths) && _unknown >= 0)
            {
                if (!_options.FuseUnk) TakeUnknown(ref waiting, symbols, lengths);
                waiting += size;
            }
        }

        TakeUnknown(ref waiting, symbols, lengths);
    }

    private void TakeUnknown(ref int waiting, List<int> symbols, List<int> lengths)
    {
        if (waiting == 0) return;
        symbols.Add(_unknown);
        lengths.Add(waiting);
        waiting = 0;
    }

    private bool TryAddBytes(ReadOnlySpan<char> symbol, List<int> symbols, List<int> lengths)
    {
        if (!_options.ByteFallback) return false;
        int first = symbols.Count;
        int size = Encoding.UTF8.GetByteCount(symbol);
        Span<byte> bytes = size > StackSize ? new byte[size] : stackalloc byte[StackSize];
        bytes = bytes[..Encoding.UTF8.GetBytes(symbol, bytes)];
        foreach (byte b in bytes)
        {
            if (_byteIds[b] < 0)
            {
                CollectionsMarshal.SetCount(symbols, first);
                CollectionsMarshal.SetCount(lengths, first);
                return false;
            }

            symbols.Add(_byteIds[b]);
            lengths.Add(1);
        }

        return true;
    }

    private static int Append(Span<char> symbol, int at, string text)
    {
        text.CopyTo(symbol[at..]);
        return at + text.Length;
    }
}
