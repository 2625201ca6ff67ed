namespace Tandem;

/// <summary>What somebody may have meant by a name that does not exist.</summary>
public static class Spelling
{
    /// <summary>The most similar of the known names; null if none is near: more than a third of its letters and one would have to change.</summary>
    public static string? Nearest(string word, IEnumerable<string> known)
    {
        string? nearest = known.MinBy(k => Distance(k, word));
        return nearest != null && Distance(nearest, word) <= 1 + (nearest.Length / 3) ? nearest : null;
    }

    // Insertions, deletions and replacements between two words (Levenshtein, 1966).
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
