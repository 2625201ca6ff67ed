using System.Text.Json;

namespace Tandem.Models;

/// <summary>What becomes of the matches of a pattern.</summary>
internal enum SplitBehavior
{
    /// <summary>They are left out.</summary>
    Removed,

    /// <summary>They are pieces.</summary>
    Isolated,

    /// <summary>They join the piece before.</summary>
    MergedWithPrevious,

    /// <summary>They join the piece behind.</summary>
    MergedWithNext,

    /// <summary>Those that follow each other are one piece.</summary>
    Contiguous,
}

/// <summary>Adds matches and what lies between them to a list of pieces.</summary>
internal ref struct PieceSplitter(SplitBehavior behavior, List<Piece> pieces)
{
    private readonly int _first = pieces.Count;
    private bool _afterMatch;
    private bool _apart;

    /// <summary>Adds the next part of the text.</summary>
    public void Add(int start, int length, bool match)
    {
        if (length == 0) return;
        bool any = pieces.Count > _first && !_apart, afterMatch = _afterMatch;
        _afterMatch = match;
        _apart = false;
        bool join = behavior switch
        {
            SplitBehavior.MergedWithPrevious => any && match && !afterMatch,
            SplitBehavior.MergedWithNext => any && afterMatch && !match,
            SplitBehavior.Contiguous => any && afterMatch == match,
            _ => false,
        };
        if (behavior == SplitBehavior.Removed && match) return;
        if (join) pieces[^1] = pieces[^1] with { Length = pieces[^1].Length + length };
        else pieces.Add(new Piece(start, length));
    }

    /// <summary>An empty match: what follows does not join what was before.</summary>
    public void Break() => _apart = true;

    /// <summary>Reads the behavior of a part.</summary>
    public static SplitBehavior Parse(JsonElement part, string place, SplitBehavior? missing = null)
    {
        if (missing is { } known && !part.TryGetProperty("behavior", out _)) return known;
        string name = PartJson.String(PartJson.Need(part, place, "behavior"), $"{place}.behavior");
        return Array.IndexOf(Enum.GetNames<SplitBehavior>(), name) is >= 0 and var index ? (SplitBehavior)index
            : throw PartJson.Unsupported($"{place}.behavior", name, string.Join(", ", Enum.GetNames<SplitBehavior>()));
    }
}
