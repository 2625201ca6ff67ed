using System.Text.Json;

namespace Tandem.Models;

/// <summary>Cuts where a pattern matches or, inverted, where it does not.</summary>
internal sealed class SplitPreTokenizer(SplitPattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    [ThreadStatic]
    private static List<Piece>? t_matches;

    /// <inheritdoc/>
    public override Func<char, bool>? Cutters => behavior == SplitBehavior.Isolated ? pattern.MayMatch : null;

    /// <inheritdoc/>
    public override IReadOnlyList<RunCut>? RunCuts => behavior == SplitBehavior.Isolated && pattern.RunCut is { } cut ? [cut] : null;

    /// <inheritdoc/>
    public override AlignedText CutNext(AlignedText text, scoped ref int at, List<Piece> pieces)
    {
        if (behavior != SplitBehavior.Isolated) return base.CutNext(text, ref at, pieces);
        pattern.CutNext(text.Text, ref at, pieces);
        return text;
    }

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        if (behavior == SplitBehavior.Isolated)
        {
            pattern.Cut(text, piece, pieces);
            return;
        }

        ReadOnlySpan<char> part = text.Slice(piece.Start, piece.Length);
        List<Piece> matches = t_matches ??= [];
        matches.Clear();
        pattern.FindAll(part, matches);
        var splitter = new PieceSplitter(behavior, pieces);
        int gap = 0;
        foreach ((int at, int length) in matches)
        {
            splitter.Add(piece.Start + gap, at - gap, invert);
            if (length == 0) splitter.Break();
            else splitter.Add(piece.Start + at, length, !invert);
            gap = at + length;
        }

        splitter.Add(piece.Start + gap, part.Length - gap, invert);
    }

    /// <summary>Reads the part.</summary>
    public static SplitPreTokenizer Parse(JsonElement part, string place)
    {
        SplitBehavior behavior = PieceSplitter.Parse(part, place);
        return new SplitPreTokenizer(SplitPattern.Read(part, place), behavior, PartJson.Bool(part, place, "invert", false));
    }
}
