using System.Text;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Byte-pair encoding as it is defined: again and again the pair with the lowest rank, the leftmost among equals, by looking through all. The reference of the fast ways.</summary>
internal sealed class PlainBpe(IReadOnlyDictionary<string, int> vocabulary, IReadOnlyList<(string Left, string Right)> merges)
{
    private readonly Dictionary<(string, string), int> _ranks = Ranks(merges);

    /// <summary>Ids of a word.</summary>
    public int[] Encode(string word)
    {
        List<string> symbols = [.. Encoding.UTF8.GetBytes(word).Select(b => ByteAlphabet.Characters[b].ToString())];
        while (true)
        {
            int best = -1, bestRank = int.MaxValue;
            for (int i = 0; i + 1 < symbols.Count; i++)
                if (_ranks.TryGetValue((symbols[i], symbols[i + 1]), out int rank) && rank < bestRank) (best, bestRank) = (i, rank);
            if (best < 0) return [.. symbols.Select(s => vocabulary[s])];
            symbols[best] += symbols[best + 1];
            symbols.RemoveAt(best + 1);
        }
    }

    private static Dictionary<(string, string), int> Ranks(IReadOnlyList<(string, string)> merges)
    {
        var ranks = new Dictionary<(string, string), int>();
        for (int rank = 0; rank < merges.Count; rank++) ranks.TryAdd(merges[rank], rank);
        return ranks;
    }
}
