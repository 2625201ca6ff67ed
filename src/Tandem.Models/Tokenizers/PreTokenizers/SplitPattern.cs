using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// A string or a regular expression that a text is searched for, over code points and in linear time. Those of widely used tokenizers are scanners written
/// by hand, which are the fastest; those that need no search are <see cref="SimplePattern"/>s; <see cref="RegexPattern"/> is for all others.
/// </summary>
internal abstract class SplitPattern(string source)
{
    /// <summary>White space up to its last line break; else without its last character when something follows; else all of it.</summary>
    protected const string SpaceTail = @"\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly SplitPattern[] Known =
    [
        Gpt2Pattern.Instance,
        new WordPattern($@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SpaceTail}", 3),
        new WordPattern($@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SpaceTail}", 1),
        new WordPattern($@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{SpaceTail}", 1, marksAreLetters: true),
        new WordPattern(@"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+", 3),
        new NumberPattern(@"\p{N}{1,3}", 3),
        new NumberPattern(@"\p{N}", 1),
        new NumberPattern(@"\p{N}+", int.MaxValue),
        new KanaHanPattern("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
        new DeepSeekPattern($@"[!\""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{{|}}~][A-Za-z]+|[^\r\n\p{{L}}\p{{P}}\p{{S}}]?[\p{{L}}\p{{M}}]+| ?[\p{{P}}\p{{S}}]+[\r\n]*|{SpaceTail}"),
    ];

    /// <summary>The expression as it stands in files.</summary>
    public string Source => source;

    /// <summary>What the pattern cuts off, if that is runs of characters.</summary>
    public virtual RunCut? RunCut => null;

    /// <summary>Length of the match that starts at <paramref name="at"/>, 0 if there is none.</summary>
    public abstract int Match(ReadOnlySpan<char> text, int at);

    /// <summary>Whether a UTF-16 unit is one of those of which every match has at least one.</summary>
    public virtual bool MayMatch(char unit) => true;

    /// <summary>The first place from <paramref name="at"/> on where a match may start; the end if there is none.</summary>
    protected virtual int NextStart(ReadOnlySpan<char> text, int at) => at;

    /// <summary>Appends the pieces of a piece: matches and what lies between them.</summary>
    public virtual void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int at = 0;
        Cut(text.Slice(piece.Start, piece.Length), piece.Start, ref at, pieces, int.MaxValue);
    }

    /// <summary>Appends pieces of a text from <paramref name="at"/> on, the start of the text or the end of a match, up to a number that a cache holds.</summary>
    public virtual void CutNext(ReadOnlySpan<char> text, scoped ref int at, List<Piece> pieces)
    {
        const int Some = 512;
        Cut(text, 0, ref at, pieces, pieces.Count + Some);
    }

    private void Cut(ReadOnlySpan<char> part, int start, scoped ref int from, List<Piece> pieces, int most)
    {
        int gap = from, at = from;
        while (at < part.Length && pieces.Count < most)
        {
            at = NextStart(part, at);
            if (at == part.Length) break;
            int length = Match(part, at);
            if (length == 0)
            {
                CharClasses.At(part, at, out length);
                at += length;
                continue;
            }

            if (gap < at) pieces.Add(new Piece(start + gap, at - gap));
            pieces.Add(new Piece(start + at, length));
            gap = at += length;
        }

        if (gap < at) pieces.Add(new Piece(start + gap, at - gap));
        from = at;
    }

    /// <summary>Appends all matches in a text; none overlaps the one before.</summary>
    public virtual void FindAll(ReadOnlySpan<char> text, List<Piece> matches)
    {
        for (int at = 0; at < text.Length;)
        {
            int length = Match(text, at);
            if (length > 0) matches.Add(new Piece(at, length));
            else CharClasses.At(text, at, out length);
            at += length;
        }
    }

    /// <summary>Reads the <c>pattern</c> of a part: a string or an expression.</summary>
    public static SplitPattern Read(JsonElement part, string place)
    {
        JsonElement pattern = PartJson.Need(part, place, "pattern");
        if (pattern.ValueKind == JsonValueKind.Object && pattern.TryGetProperty("Regex", out JsonElement regex))
            return Find(PartJson.String(regex, $"{place}.pattern.Regex"), $"{place}.pattern.Regex");
        if (pattern.ValueKind != JsonValueKind.Object || !pattern.TryGetProperty("String", out JsonElement text))
            throw new TandemException($"{place}.pattern: {PartJson.Short(pattern)}, wanted a Regex or a String");
        return new LiteralPattern(PartJson.String(text, $"{place}.pattern.String"));
    }

    /// <summary>The scanner of an expression, or the general engine.</summary>
    /// <exception cref="TandemException">The expression is malformed, or has what is not supported.</exception>
    public static SplitPattern Find(string source, string place)
    {
        foreach (SplitPattern pattern in Known)
            if (pattern.Source == source) return pattern;
        RegexNode expression = RegexParser.Parse(source, place);
        return SimplePattern.TryMake(source, expression) ?? (SplitPattern)new RegexPattern(source, expression, place);
    }

    /// <summary>The match of <see cref="SpaceTail"/> at a white space character.</summary>
    protected static int MatchSpace(ReadOnlySpan<char> text, int at)
    {
        int end = at, lastBreak = -1;
        for (; end < text.Length && CharClasses.At(text, end, out _) == CharClass.Space; end++)
            if (text[end] is '\r' or '\n') lastBreak = end;
        if (lastBreak >= 0) return lastBreak + 1 - at;
        return end == text.Length || end - at == 1 ? end - at : end - at - 1;
    }

    /// <summary>End of a run of line breaks.</summary>
    protected static int SkipLineBreaks(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && text[at] is '\r' or '\n') at++;
        return at;
    }
}
