using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>
/// The classes of code points that a number of sets cannot tell apart: as many numbers as needed, found through a table of pages, equal ones of which are shared.
/// </summary>
internal sealed class CharClassMap
{
    private const int PageBits = 8, PageSize = 1 << PageBits;

    private readonly ushort[] _classes;
    private readonly int[] _pages = new int[CodePointSet.End >> PageBits];

    /// <summary>Makes the classes of sets.</summary>
    public CharClassMap(IReadOnlyList<CodePointSet> sets)
    {
        var borders = new SortedDictionary<int, List<int>>();
        for (int i = 0; i < sets.Count; i++)
            foreach (int border in sets[i].Borders)
                (borders.TryGetValue(border, out List<int>? at) ? at : borders[border] = []).Add(i);
        var inside = new bool[sets.Count];
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var members = new List<bool[]>();
        var runs = new List<(int Start, int Number)>();
        if (!borders.ContainsKey(0)) runs.Add((0, NumberOf()));
        foreach ((int border, List<int> changed) in borders)
        {
            foreach (int i in changed) inside[i] = !inside[i];
            if (border < CodePointSet.End) runs.Add((border, NumberOf()));
        }

        Count = members.Count;
        Members = [.. members];
        _classes = Pages(runs);

        int NumberOf()
        {
            string key = string.Concat(inside.Select(b => b ? '1' : '0'));
            if (numbers.TryGetValue(key, out int number)) return number;
            members.Add([.. inside]);
            return numbers[key] = members.Count - 1;
        }
    }

    /// <summary>Number of classes.</summary>
    public int Count { get; }

    /// <summary>For each class, which of the sets have it.</summary>
    public bool[][] Members { get; }

    /// <summary>The class of a code point.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Of(int codePoint) => _classes[_pages[codePoint >> PageBits] + (codePoint & (PageSize - 1))];

    private ushort[] Pages(List<(int Start, int Number)> runs)
    {
        var classes = new List<ushort>();
        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        var page = new ushort[PageSize];
        int run = 0;
        for (int i = 0; i < _pages.Length; i++)
        {
            for (int c = 0; c < PageSize; c++)
            {
                while (run + 1 < runs.Count && runs[run + 1].Start <= (i << PageBits) + c) run++;
                page[c] = (ushort)runs[run].Number;
            }

            string key = MemoryMarshal.Cast<ushort, char>(page.AsSpan()).ToString();
            if (!known.TryGetValue(key, out _pages[i]))
            {
                _pages[i] = known[key] = classes.Count;
                classes.AddRange(page);
            }
        }

        return [.. classes];
    }
}
