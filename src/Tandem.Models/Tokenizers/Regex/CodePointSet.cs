namespace Tandem.Models;

/// <summary>An immutable set of code points; halves of surrogate pairs count as code points.</summary>
internal sealed class CodePointSet
{
    /// <summary>One more than the highest code point.</summary>
    public const int End = 0x110000;

    // Ascending borders: in from an even one, out from an odd one.
    private readonly int[] _borders;

    private CodePointSet(int[] borders) => _borders = borders;

    /// <summary>Nothing.</summary>
    public static CodePointSet Empty { get; } = new([]);

    /// <summary>Every code point.</summary>
    public static CodePointSet All { get; } = new([0, End]);

    /// <summary>Where the set begins and ends, in turn, ascending.</summary>
    public ReadOnlySpan<int> Borders => _borders;

    /// <summary>Whether nothing is in it.</summary>
    public bool IsEmpty => _borders.Length == 0;

    /// <summary>A range.</summary>
    public static CodePointSet Range(int first, int last) => new([first, last + 1]);

    /// <summary>One code point.</summary>
    public static CodePointSet One(int codePoint) => Range(codePoint, codePoint);

    /// <summary>The union of ranges in any order.</summary>
    public static CodePointSet Of(IEnumerable<(int First, int Last)> ranges)
    {
        var borders = new List<int>();
        foreach ((int first, int last) in ranges.OrderBy(r => r.First))
        {
            if (borders.Count > 0 && first <= borders[^1])
            {
                borders[^1] = Math.Max(borders[^1], last + 1);
                continue;
            }

            borders.Add(first);
            borders.Add(last + 1);
        }

        return new CodePointSet([.. borders]);
    }

    /// <summary>Whether a code point is in it.</summary>
    public bool Has(int codePoint)
    {
        int at = Array.BinarySearch(_borders, codePoint);
        return ((at >= 0 ? at : ~at - 1) & 1) == 0;
    }

    /// <summary>All that is not in it.</summary>
    public CodePointSet Not() => Merge(All, (a, b) => b && !a);

    /// <summary>What is in either.</summary>
    public CodePointSet Or(CodePointSet other) => IsEmpty ? other : other.IsEmpty ? this : Merge(other, (a, b) => a || b);

    /// <summary>What is in both.</summary>
    public CodePointSet And(CodePointSet other) => Merge(other, (a, b) => a && b);

    /// <summary>Its ranges, ascending.</summary>
    public IEnumerable<(int First, int Last)> Ranges()
    {
        for (int i = 0; i < _borders.Length; i += 2) yield return (_borders[i], _borders[i + 1] - 1);
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is CodePointSet other && _borders.AsSpan().SequenceEqual(other._borders);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (int border in _borders) hash.Add(border);
        return hash.ToHashCode();
    }

    private CodePointSet Merge(CodePointSet other, Func<bool, bool, bool> both)
    {
        var borders = new List<int>();
        int i = 0, j = 0;
        bool inside = false;
        while (i < _borders.Length || j < other._borders.Length)
        {
            int at = Math.Min(i < _borders.Length ? _borders[i] : End, j < other._borders.Length ? other._borders[j] : End);
            if (i < _borders.Length && _borders[i] == at) i++;
            if (j < other._borders.Length && other._borders[j] == at) j++;
            bool now = both((i & 1) == 1, (j & 1) == 1);
            if (now != inside) borders.Add(at);
            inside = now;
        }

        return new CodePointSet([.. borders]);
    }
}
