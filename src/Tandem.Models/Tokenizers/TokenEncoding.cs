using System.Text;

namespace Tandem.Models;

/// <summary>The unit that offsets are counted in.</summary>
public enum OffsetUnit
{
    /// <summary>UTF-16 units, as .NET indexes strings.</summary>
    Utf16,

    /// <summary>Bytes of the text as UTF-8.</summary>
    Utf8,

    /// <summary>Unicode code points.</summary>
    CodePoint,
}

/// <summary>A token of an encoded text.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Text">The token as in the vocabulary; for an added token the text that it was found as.</param>
/// <param name="Start">Where in the original text it starts, in UTF-16 units.</param>
/// <param name="End">Where it ends. Tokens of one character share the character's range.</param>
/// <param name="Sequence">0 for the text, 1 for the second of a pair, -1 for what a template added, -2 for padding.</param>
/// <param name="TypeId">The segment number that a template gives it.</param>
public readonly record struct EncodedToken(int Id, string Text, int Start, int End, int Sequence, int TypeId);

/// <summary>An encoded text with the places of its tokens.</summary>
public sealed class TokenEncoding
{
    internal const int PadSequence = -2;

    private readonly string[] _texts;

    internal TokenEncoding(IReadOnlyList<EncodedToken> tokens, params string[] texts)
    {
        Tokens = tokens;
        _texts = texts;
    }

    /// <summary>The tokens.</summary>
    public IReadOnlyList<EncodedToken> Tokens { get; }

    /// <summary>Their ids.</summary>
    public int[] Ids => [.. Tokens.Select(t => t.Id)];

    /// <summary>1 for each token, 0 for padding.</summary>
    public int[] AttentionMask => [.. Tokens.Select(t => t.Sequence == PadSequence ? 0 : 1)];

    /// <summary>1 for what a template or padding added, 0 for the text's own.</summary>
    public int[] SpecialTokensMask => [.. Tokens.Select(t => t.Sequence < 0 ? 1 : 0)];

    /// <summary>The segment number of each token.</summary>
    public int[] TypeIds => [.. Tokens.Select(t => t.TypeId)];

    /// <summary>What truncation cut off, in parts that are each complete with special tokens and padding.</summary>
    public IReadOnlyList<TokenEncoding> Overflowing { get; private init; } = [];

    /// <summary>Range of each token in its text, in another unit.</summary>
    public (int Start, int End)[] Offsets(OffsetUnit unit)
    {
        int[][] units = [.. _texts.Select(t => Positions(t, unit))];
        return [.. Tokens.Select(t => t.Sequence < 0 ? (0, 0) : (units[t.Sequence][t.Start], units[t.Sequence][t.End]))];
    }

    internal TokenEncoding With(IReadOnlyList<EncodedToken> tokens, IReadOnlyList<TokenEncoding> overflowing) => new(tokens, _texts) { Overflowing = overflowing };

    // Position in the unit of each UTF-16 unit; the second half of a pair stands where the pair ends.
    private static int[] Positions(string text, OffsetUnit unit)
    {
        var positions = new int[text.Length + 1];
        for (int at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(at), out Rune rune, out int length);
            int size = unit switch { OffsetUnit.Utf16 => length, OffsetUnit.Utf8 => rune.Utf8SequenceLength, _ => 1 };
            for (int i = 1; i <= length; i++) positions[at + i] = positions[at] + size;
            at += length;
        }

        return positions;
    }
}
