using System.Globalization;

namespace Tandem.Models;

/// <summary>What is equal when case does not matter.</summary>
internal static class CaseFolding
{
    private static readonly Dictionary<int, int> Lowest = [];
    private static readonly Dictionary<int, List<int>> EqualTo = [];
    private static readonly Dictionary<int, int[]> Multiple = [];

    static CaseFolding()
    {
        foreach (string word in Words(CaseFoldData.Simple))
        {
            string[] sides = word.Split(':'), run = sides[0].Split('/'), ends = run[0].Split('-');
            int first = Hex(ends[0]), step = run.Length > 1 ? 2 : 1;
            for (int c = first; c <= Hex(ends[^1]); c += step) Add(c, Hex(sides[1]) + c - first);
        }

        foreach (string word in Words(CaseFoldData.Multiple))
        {
            string[] sides = word.Split('=');
            Multiple.Add(Hex(sides[0]), [.. sides[1].Split('+').Select(c => Lower(Hex(c)))]);
        }
    }

    /// <summary>A code point and all that are equal to it.</summary>
    public static CodePointSet Of(int codePoint) =>
        EqualTo.TryGetValue(Lower(codePoint), out List<int>? equal) ? CodePointSet.Of(equal.Select(c => (c, c))) : CodePointSet.One(codePoint);

    /// <summary>A set and all that is equal to one of its members.</summary>
    public static CodePointSet Of(CodePointSet set)
    {
        var more = new List<(int, int)>();
        foreach (List<int> equal in EqualTo.Values)
            if (equal.Exists(set.Has)) more.AddRange(equal.Select(c => (c, c)));
        return set.Or(CodePointSet.Of(more));
    }

    /// <summary>The code point that stands for all that are equal.</summary>
    public static int Lower(int codePoint) => Lowest.GetValueOrDefault(codePoint, codePoint);

    /// <summary>The code points that one is equal to; itself for most.</summary>
    public static int[] Full(int codePoint) => Multiple.GetValueOrDefault(codePoint) ?? [Lower(codePoint)];

    /// <summary>The code points that are equal to the whole of a text, given as those that stand for all.</summary>
    public static CodePointSet Joined(ReadOnlySpan<int> text)
    {
        CodePointSet joined = CodePointSet.Empty;
        foreach ((int codePoint, int[] several) in Multiple)
            if (text.SequenceEqual(several)) joined = joined.Or(CodePointSet.One(codePoint));
        return joined;
    }

    private static void Add(int codePoint, int lowest)
    {
        Lowest[codePoint] = lowest;
        if (!EqualTo.TryGetValue(lowest, out List<int>? equal)) EqualTo[lowest] = equal = [lowest];
        equal.Add(codePoint);
    }

    private static string[] Words(string data) => data.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);

    private static int Hex(string digits) => int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
