namespace Tandem.Models;

/// <summary>
/// Makes the tokenizer of a rank file. Tiktoken joins any neighbours that together are a token, the lowest rank first; the same comes out with one merge a
/// token, that of the two parts which lower ranks alone make of it, and with whole words that are tokens taken as they are.
/// </summary>
internal static class TiktokenTokenizer
{
    /// <summary>Makes the tokenizer.</summary>
    /// <param name="ranks">Tokens by rank; null for a rank that belongs to a special token.</param>
    /// <param name="pattern">The expression that cuts words.</param>
    /// <param name="special">Ids of special tokens.</param>
    /// <param name="place">What the expression is called in messages.</param>
    /// <exception cref="TandemException">A rank has no token, a special token has the id of another, or the expression is not supported.</exception>
    public static Tokenizer Make(byte[]?[] ranks, string pattern, IReadOnlyDictionary<string, int> special, string place)
    {
        var byId = new Dictionary<int, string>();
        foreach ((string text, int id) in special)
        {
            if (id < ranks.Length && ranks[id] != null) throw new TandemException($"the special token '{text}' has the id {id} of a rank, wanted another");
            if (!byId.TryAdd(id, text)) throw new TandemException($"the special tokens '{byId[id]}' and '{text}' have the same id {id}");
        }

        for (int rank = 0; rank < ranks.Length; rank++)
            if (ranks[rank] == null && !byId.ContainsKey(rank)) throw new TandemException($"rank {rank} has neither a line nor a special token, wanted ranks without gaps");
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int rank = 0; rank < ranks.Length; rank++)
            if (ranks[rank] is { } bytes) vocabulary.Add(Mapped(bytes), rank);
        return new Tokenizer(new ByteLevelBpe(vocabulary, Merges(ranks), ignoreMerges: true), new TokenizerParts
        {
            AddedTokens = [.. special.OrderBy(s => s.Value).Select(s => new AddedToken(s.Value, s.Key) { Special = true })],
            PreTokenizer = PatternSequence.Make([TiktokenPattern.Translate(pattern)], place),
        });
    }

    private static List<(string Left, string Right)> Merges(byte[]?[] ranks)
    {
        int[] byteIds = new int[256];
        for (int rank = 0; rank < ranks.Length; rank++)
            if (ranks[rank] is [byte single]) byteIds[single] = rank;
        var merges = new List<(string, string)>(ranks.Length);
        var table = new MergeTable(ranks.Length);
        for (int rank = 0; rank < ranks.Length; rank++)
        {
            if (ranks[rank] is not { Length: > 1 } bytes) continue;
            int[] parts = [.. bytes.Select(b => byteIds[b])];

            // A token that comes out in more than two parts is found as a whole word only.
            if (PairMerger.Merge(table, parts, []) != 2) continue;
            table.Add(parts[0], parts[1], rank, rank);
            merges.Add((Mapped(ranks[parts[0]]!), Mapped(ranks[parts[1]]!)));
        }

        return merges;
    }

    private static string Mapped(byte[] bytes) => string.Create(bytes.Length, bytes, (text, from) =>
    {
        for (int i = 0; i < text.Length; i++) text[i] = ByteAlphabet.Characters[from[i]];
    });
}
