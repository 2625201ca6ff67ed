using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// WordPiece (Wu et al., 2016) as BERT reads it: from the left the longest token each time, tokens inside a word with a prefix. A word that does not come
/// out, or is longer than a bound, is unknown as a whole.
/// </summary>
internal sealed class WordPieceModel : TokenModel
{
    private const int StackUnits = 256;

    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly string _unkToken;
    private readonly string _prefix;
    private readonly int _maxCharacters;
    private readonly int _unknown;
    private readonly int _longest;

    /// <summary>Makes a model.</summary>
    /// <exception cref="TandemException">The unknown token is not in the vocabulary.</exception>
    public WordPieceModel(Dictionary<string, int> vocabulary, string unkToken, string prefix, int maxCharacters)
    {
        _ids = vocabulary;
        _lookup = vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        (_unkToken, _prefix, _maxCharacters) = (unkToken, prefix, maxCharacters);
        if (!vocabulary.TryGetValue(unkToken, out _unknown)) throw new TandemException($"model.unk_token: '{unkToken}' is not in the vocabulary");
        _longest = vocabulary.Keys.Max(t => t.Length);
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, int> Vocabulary => _ids;

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        int firstId = ids.Count, firstRange = ranges?.Count ?? 0;
        if (CharactersIn(word) <= _maxCharacters && TryEncode(word, ids, ranges)) return;
        CollectionsMarshal.SetCount(ids, firstId);
        ids.Add(_unknown);
        if (ranges == null) return;
        CollectionsMarshal.SetCount(ranges, firstRange);
        ranges.Add(new ByteRange(0, Encoding.UTF8.GetByteCount(word)));
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "WordPiece");
        json.WriteString("unk_token", _unkToken);
        json.WriteString("continuing_subword_prefix", _prefix);
        json.WriteNumber("max_input_chars_per_word", _maxCharacters);
        WriteVocabulary(json);
        json.WriteEndObject();
    }

    private bool TryEncode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        // No candidate is longer than the longest token, so that a word costs its length times that.
        Span<char> candidate = _longest > StackUnits ? new char[_longest] : stackalloc char[StackUnits];
        int bytes = 0;
        for (int at = 0; at < word.Length;)
        {
            int before = at == 0 ? 0 : _prefix.Length, length = Math.Min(word.Length - at, _longest - before), id = 0;
            if (length <= 0) return false;
            _prefix.AsSpan(0, before).CopyTo(candidate);
            word.Slice(at, length).CopyTo(candidate[before..]);
            while (length > 0 && !_lookup.TryGetValue(candidate[..(before + length)], out id)) length--;
            if (length == 0) return false;
            ids.Add(id);
            int end = bytes + Encoding.UTF8.GetByteCount(word.Slice(at, length));
            ranges?.Add(new ByteRange(bytes, end));
            (at, bytes) = (at + length, end);
        }

        return true;
    }

    private static int CharactersIn(ReadOnlySpan<char> word)
    {
        int count = 0;
        foreach (Rune _ in word.EnumerateRunes()) count++;
        return count;
    }
}
