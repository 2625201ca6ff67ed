using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// Unigram language model (Kudo, 2018): of all ways to write a word in tokens the one with the highest sum of scores, found by Viterbi's algorithm in time
/// linear in the word. A character without a token costs the lowest score and a penalty; neighbours of that kind become one unknown token.
/// </summary>
internal sealed class UnigramModel : TokenModel
{
    private const double UnknownPenalty = 10;
    private const int StackUnits = 256;

    private readonly IReadOnlyList<(string Token, double Score)> _pieces;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly Dictionary<long, int> _edges = [];
    private readonly List<int> _nodeIds = [-1];
    private readonly int[]? _byteIds;
    private readonly int? _unknown;
    private readonly double[] _scores;
    private readonly double _unknownScore;
    private readonly bool _byteFallback;

    /// <summary>Makes a model of tokens with scores; ids are places in the list.</summary>
    /// <exception cref="TandemException">A token is there twice, a score is no number, or the unknown id is beyond the list.</exception>
    public UnigramModel(IReadOnlyList<(string Token, double Score)> pieces, int? unknown, bool byteFallback)
    {
        (_pieces, _unknown, _byteFallback) = (pieces, unknown, byteFallback);
        if (unknown >= pieces.Count) throw new TandemException($"model.unk_id: {unknown}, wanted an id below {pieces.Count}");
        for (int id = 0; id < pieces.Count; id++)
        {
            (string token, double score) = pieces[id];
            if (!_ids.TryAdd(token, id)) throw new TandemException($"model.vocab[{id}]: the token '{token}' is there twice");
            if (!double.IsFinite(score)) throw new TandemException($"model.vocab[{id}]: the score {score} of '{token}', wanted a finite number");
            if (token.Length > 0) _nodeIds[NodeOf(token)] = id;
        }

        _lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _scores = [.. pieces.Select(p => p.Score)];
        _unknownScore = _scores.DefaultIfEmpty(0).Min() - UnknownPenalty;
        if (byteFallback) _byteIds = [.. Enumerable.Range(0, 256).Select(b => _ids.GetValueOrDefault(ByteToken(b), -1))];
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, int> Vocabulary => _ids;

    /// <inheritdoc/>
    public override int SurfaceId => _unknown ?? -1;

    /// <summary>The token of a byte.</summary>
    public static string ByteToken(int b) => string.Create(CultureInfo.InvariantCulture, $"<0x{b:X2}>");

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        if (word.IsEmpty) return;
        int n = word.Length + 1;
        double[]? rentedScores = n > StackUnits ? ArrayPool<double>.Shared.Rent(n) : null;
        int[]? rented = n > StackUnits ? ArrayPool<int>.Shared.Rent(2 * n) : null;
        Span<double> scores = rentedScores ?? stackalloc double[StackUnits];
        Span<int> work = rented ?? stackalloc int[2 * StackUnits];
        Span<int> starts = work[..n], pieces = work.Slice(n, n);
        FindBest(word, scores, starts, pieces);
        Emit(word, starts, pieces, ids, ranges);
        if (rentedScores != null) ArrayPool<double>.Shared.Return(rentedScores);
        if (rented != null) ArrayPool<int>.Shared.Return(rented);
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "Unigram");
        if (_unknown is { } unknown) json.WriteNumber("unk_id", unknown);
        else json.WriteNull("unk_id");
        json.WriteStartArray("vocab");
        foreach ((string token, double score) in _pieces)
        {
            json.WriteStartArray();
            json.WriteStringValue(token);
            json.WriteRawValue(UnigramScore.Format(score));
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteBoolean("byte_fallback", _byteFallback);
        json.WriteEndObject();
    }

    private static long Edge(int node, char c) => ((long)node << 16) | c;

    private int NodeOf(string token)
    {
        int node = 0;
        foreach (char c in token)
        {
            if (!_edges.TryGetValue(Edge(node, c), out int child))
            {
                child = _edges[Edge(node, c)] = _nodeIds.Count;
                _nodeIds.Add(-1);
            }

            node = child;
        }

        return node;
    }

    // For each end the best score, and where the last token of that path starts and which it is. Among equal scores the first found stays.
    private void FindBest(ReadOnlySpan<char> word, Span<double> scores, Span<int> starts, Span<int> pieces)
    {
        starts.Fill(-1);
        scores[0] = 0;
        for (int at = 0; at < word.Length;)
        {
            Rune.DecodeFromUtf16(word[at..], out _, out int length);
            bool single = false;
            int node = 0;
            for (int end = at; end < word.Length && _edges.TryGetValue(Edge(node, word[end]), out node);)
            {
                end++;
                if (_nodeIds[node] is not (>= 0 and var id)) continue;
                Offer(scores[at] + _scores[id], at, end, id, scores, starts, pieces);
                single |= end - at == length;
            }

            if (!single)
            {
                if (_unknown is not { } unknown) throw new TandemException($"the model has no token for '{word.Slice(at, length)}' and no unk_id");
                Offer(scores[at] + _unknownScore, at, at + length, unknown, scores, starts, pieces);
            }

            at += length;
        }
    }

    private static void Offer(double score, int start, int end, int id, Span<double> scores, Span<int> starts, Span<int> pieces)
    {
        if (starts[end] < 0 || score > scores[end]) (scores[end], starts[end], pieces[end]) = (score, start, id);
    }

    private void Emit(ReadOnlySpan<char> word, Span<int> starts, Span<int> pieces, List<int> ids, List<ByteRange>? ranges)
    {
        // The path backwards; the start of each token on it then points forwards to its end.
        int next = word.Length;
        for (int end = word.Length; end > 0;)
        {
            int start = starts[end];
            starts[end] = next;
            next = end;
            end = start;
        }

        int bytes = 0, at = 0;
        for (int end = next; at < word.Length;)
        {
            bool unknown = pieces[end] == _unknown;
            while (unknown && end < word.Length && pieces[starts[end]] == _unknown) end = starts[end];
            ReadOnlySpan<char> surface = word[at..end];
            int after = bytes + Encoding.UTF8.GetByteCount(surface);
            if (!unknown) Add(pieces[end], bytes, after, ids, ranges);
            else if (_lookup.TryGetValue(surface, out int whole)) Add(whole, bytes, after, ids, ranges);
            else if (!TryAddBytes(surface, bytes, after, ids, ranges)) Add(_unknown!.Value, bytes, after, ids, ranges);
            (at, bytes, end) = (end, after, starts[end]);
        }
    }

    // All bytes have tokens, or none is taken.
    private bool TryAddBytes(ReadOnlySpan<char> surface, int start, int end, List<int> ids, List<ByteRange>? ranges)
    {
        if (_byteIds == null) return false;
        byte[] bytes = ArrayPool<byte>.Shared.Rent(end - start);
        Span<byte> part = bytes.AsSpan(0, Encoding.UTF8.GetBytes(surface, bytes));
        bool all = true;
        foreach (byte b in part) all &= _byteIds[b] >= 0;
        if (all)
            foreach (byte b in part) Add(_byteIds[b], start, end, ids, ranges);
        ArrayPool<byte>.Shared.Return(bytes);
        return all;
    }

    private static void Add(int id, int start, int end, List<int> ids, List<ByteRange>? ranges)
    {
        ids.Add(id);
        ranges?.Add(new ByteRange(start, end));
    }
}
