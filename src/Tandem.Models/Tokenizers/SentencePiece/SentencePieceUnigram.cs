using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>How a unigram model adds scores up, which decides between ways that are equal to the last bit.</summary>
internal enum ScoreSums
{
    /// <summary>In single precision, as SentencePiece does; a user-defined symbol scores better than any way through it.</summary>
    Single,

    /// <summary>In double precision, as llama.cpp and Hugging Face do; a user-defined symbol scores 0.</summary>
    Double,
}

/// <summary>
/// SentencePiece's unigram model (Kudo, 2018): the pieces with the highest sum of scores. Control symbols and bytes are never found in a text, and characters
/// without a piece become bytes or, neighbours together, unknown.
/// </summary>
internal sealed class SentencePieceUnigram : TokenModel
{
    private const float UnknownPenalty = 10;
    private const double UserDefinedLess = 0.1;

    private readonly PieceTable _pieces;
    private readonly PieceTrie _trie;
    private readonly double[] _scores;
    private readonly float _unknownScore;
    private readonly bool _single;

    /// <summary>Makes a model.</summary>
    public SentencePieceUnigram(PieceTable pieces, ScoreSums sums)
    {
        (_pieces, _single) = (pieces, sums == ScoreSums.Single);
        _trie = new PieceTrie(pieces.Of(PieceType.Normal, PieceType.UserDefined));
        float[] normal = [.. pieces.Of(PieceType.Normal).Select(p => pieces[p.Id].Score).DefaultIfEmpty(0)];
        float best = normal.Max();
        _unknownScore = normal.Min() - UnknownPenalty;
        _scores = new double[pieces.Count];
        for (int id = 0; id < pieces.Count; id++)
        {
            bool user = pieces[id].Type == PieceType.UserDefined;
            _scores[id] = !user ? pieces[id].Score : _single ? (Encoding.UTF8.GetByteCount(pieces[id].Text) * best) - UserDefinedLess : 0;
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, int> Vocabulary => _pieces.Ids;

    /// <inheritdoc/>
    public override int SurfaceId => _pieces.Unknown;

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        int n = word.Length + 1;
        double[] rentedSums = ArrayPool<double>.Shared.Rent(n);
        int[] rented = ArrayPool<int>.Shared.Rent(2 * n);
        Span<int> starts = rented.AsSpan(0, n), pieces = rented.AsSpan(n, n);
        FindBest(word, rentedSums, starts, pieces);
        Emit(word, starts, pieces, ids, ranges);
        ArrayPool<double>.Shared.Return(rentedSums);
        ArrayPool<int>.Shared.Return(rented);
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => throw new TandemException("model: SentencePiece's unigram with its types of pieces has no form in tokenizer.json; there every token is found in a text");

    // For each end the best sum, and where the last piece on that path starts and which it is. Among equals the first found stays.
    private void FindBest(ReadOnlySpan<char> word, Span<double> sums, Span<int> starts, Span<int> pieces)
    {
        starts.Fill(-1);
        sums[0] = 0;
        for (int at = 0; at < word.Length;)
        {
            Rune.DecodeFromUtf16(word[at..], out _, out int length);
            bool single = false;
            int node = PieceTrie.Root;
            for (int end = at; end < word.Length && _trie.TryStep(ref node, word[end]);)
            {
                end++;
                if (_trie.IdOf(node) is not (>= 0 and var id)) continue;
                Offer(sums[at] + _scores[id], at, end, id, sums, starts, pieces);
                single |= end - at == length;
            }

            if (!single) Offer(sums[at] + _unknownScore, at, at + length, _pieces.Unknown, sums, starts, pieces);
            at += length;
        }
    }

    private void Offer(double sum, int start, int end, int id, Span<double> sums, Span<int> starts, Span<int> pieces)
    {
        if (_single) sum = (float)sum;
        if (starts[end] < 0 || sum > sums[end]) (sums[end], starts[end], pieces[end]) = (sum, start, id);
    }

    private void Emit(ReadOnlySpan<char> word, Span<int> starts, Span<int> pieces, List<int> ids, List<ByteRange>? ranges)
    {
        // The path backwards; the start of each piece on it then points forwards to its end.
        int next = word.Length;
        for (int end = word.Length; end > 0;)
        {
            int start = starts[end];
            starts[end] = next;
            (next, end) = (end, start);
        }

        int at = 0, bytes = 0;
        bool afterUnknown = false;
        for (int end = next; at < word.Length; end = starts[end])
        {
            ReadOnlySpan<char> surface = word[at..end];
            int size = Encoding.UTF8.GetByteCount(surface);
            bool unknown = pieces[end] == _pieces.Unknown;
            if (unknown)
            {
                _pieces.AddUnknown(surface, bytes, afterUnknown, ids, ranges);
            }
            else
            {
                ids.Add(pieces[end]);
                ranges?.Add(new ByteRange(bytes, bytes + size));
            }

            (at, bytes, afterUnknown) = (end, bytes + size, unknown);
        }
    }
}
