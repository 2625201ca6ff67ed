using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// SentencePiece's byte-pair encoding (Kudo and Richardson, 2018): of all neighbours that together are a piece those with the highest score are joined, the
/// leftmost among equals. User-defined symbols stay by themselves. Characters without a piece become bytes or unknown.
/// </summary>
internal sealed class SentencePieceBpe : TokenModel
{
    // Symbols that nothing joins: user-defined ones, and characters that occur in no piece.
    private const int Frozen = 1 << 28, Stranger = 1 << 29;

    [ThreadStatic]
    private static List<int>? t_symbols, t_sizes;

    private readonly PieceTable _pieces;
    private readonly PieceTrie _userDefined;
    private readonly Dictionary<int, int> _characters = [];
    private readonly MergeTable _merges;

    /// <summary>Makes a model.</summary>
    /// <exception cref="TandemException">Joins lead to an unused piece, which would have to be taken apart again.</exception>
    public SentencePieceBpe(PieceTable pieces, string place)
    {
        _pieces = pieces;
        _userDefined = new PieceTrie(pieces.Of(PieceType.UserDefined));
        (int Id, string Text)[] parts = [.. pieces.Of(PieceType.Normal, PieceType.Undefined, PieceType.Unused, PieceType.UserDefined).Where(p => p.Text.Length > 0)];
        Dictionary<string, int> symbols = Symbols(parts);

        // Equal scores are equal ranks, so that the leftmost of them goes first.
        var ranks = new Dictionary<float, int>();
        foreach (float score in parts.Select(p => pieces[p.Id].Score + 0f).Distinct().OrderDescending()) ranks[score] = ranks.Count;
        var merges = new List<(int Left, int Right, int Rank, int Id)>();
        HashSet<int> lengths = [.. symbols.Keys.Select(s => s.Length)];
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup = symbols.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach ((int id, string text) in parts)
        {
            for (int cut = 1; cut < text.Length; cut++)
            {
                if (!lengths.Contains(cut) || !lengths.Contains(text.Length - cut)) continue;
                if (!lookup.TryGetValue(text.AsSpan(0, cut), out int left) || !lookup.TryGetValue(text.AsSpan(cut), out int right)) continue;
                if (pieces[id].Type == PieceType.Unused) throw new TandemException($"{place}[{id}]: the unused piece {CheckpointException.Quote(text)} is what others join to, which is not supported; there are unused pieces that nothing leads to");
                merges.Add((left, right, ranks[pieces[id].Score + 0f], id));
            }
        }

        _merges = new MergeTable(merges.Count);
        foreach ((int left, int right, int rank, int id) in merges) _merges.Add(left, right, rank, id);
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, int> Vocabulary => _pieces.Ids;

    /// <inheritdoc/>
    public override int SurfaceId => _pieces.Unknown;

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        List<int> symbols = t_symbols ??= [], sizes = t_sizes ??= [];
        symbols.Clear();
        sizes.Clear();
        for (int at = 0; at < word.Length;)
        {
            if (_userDefined.Longest(word[at..], out int length) is >= 0 and var symbol)
            {
                symbols.Add(Frozen + symbol);
                sizes.Add(Encoding.UTF8.GetByteCount(word.Slice(at, length)));
            }
            else
            {
                Rune.DecodeFromUtf16(word[at..], out Rune rune, out length);
                symbols.Add(_characters.GetValueOrDefault(rune.Value, Stranger));
                sizes.Add(rune.Utf8SequenceLength);
            }

            at += length;
        }

        Span<int> left = CollectionsMarshal.AsSpan(symbols), bytes = CollectionsMarshal.AsSpan(sizes);
        int count = PairMerger.Merge(_merges, left, bytes);
        Emit(word, left[..count], bytes, ids, ranges);
        if (symbols.Capacity > 1 << 16) t_symbols = t_sizes = null;
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => throw new TandemException("model: joining by scores, as SentencePiece does, has no form in tokenizer.json; there merges are listed");

    // The pieces that joins start from and lead to; and characters of pieces that are no pieces themselves, with ids behind the vocabulary.
    private Dictionary<string, int> Symbols((int Id, string Text)[] parts)
    {
        var symbols = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach ((int id, string text) in parts)
            if (_pieces[id].Type != PieceType.UserDefined) symbols.Add(text, id);
        int next = _pieces.Count;
        foreach ((_, string text) in parts)
        {
            foreach (Rune rune in text.EnumerateRunes())
            {
                if (_characters.ContainsKey(rune.Value)) continue;
                string character = rune.ToString();
                if (!symbols.TryGetValue(character, out int symbol)) symbols.Add(character, symbol = next++);
                _characters.Add(rune.Value, symbol);
            }
        }

        return symbols;
    }

    private void Emit(ReadOnlySpan<char> word, ReadOnlySpan<int> symbols, ReadOnlySpan<int> sizes, List<int> ids, List<ByteRange>? ranges)
    {
        int at = 0, start = 0;
        bool afterUnknown = false;
        for (int i = 0; i < symbols.Length; i++)
        {
            int id = symbols[i] is >= Frozen and < Stranger ? symbols[i] - Frozen : symbols[i];
            int end = at;
            for (int left = sizes[i]; left > 0;)
            {
                Rune.DecodeFromUtf16(word[end..], out Rune rune, out int length);
                (end, left) = (end + length, left - rune.Utf8SequenceLength);
            }

            bool unknown = id >= _pieces.Count || _pieces[id].Type == PieceType.Unused;
            if (unknown)
            {
                _pieces.AddUnknown(word[at..end], start, afterUnknown, ids, ranges);
            }
            else
            {
                ids.Add(id);
                ranges?.Add(new ByteRange(start, start + sizes[i]));
            }

            (at, start, afterUnknown) = (end, start + sizes[i], unknown);
        }
    }
}
