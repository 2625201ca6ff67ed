namespace Tandem.Models;

/// <content>Batches for models that take sequences of one length.</content>
public sealed partial class Tokenizer
{
    /// <summary>What the tokenizer's file says about cutting, for <see cref="EncodeForModel"/>; nothing else applies it.</summary>
    public Truncation? Truncation => Parts.Truncation;

    /// <summary>What the tokenizer's file says about padding, for <see cref="EncodeForModel"/>; nothing else applies it.</summary>
    public Padding? Padding => Parts.Padding;

    /// <summary>Encodes texts or pairs, cuts what is too long, puts special tokens around and pads, in this order.</summary>
    /// <param name="texts">The texts; the second of each is null where there is no pair.</param>
    /// <param name="truncation">How they are cut, or null; what is cut off is in <see cref="TokenEncoding.Overflowing"/>.</param>
    /// <param name="padding">How they are padded, or null.</param>
    /// <param name="addSpecial">Whether the post-processor puts its special tokens around.</param>
    /// <param name="special">What becomes of the text of special tokens.</param>
    /// <exception cref="TandemException">A text cannot be cut as it should be, or has a special token that is forbidden.</exception>
    public TokenEncoding[] EncodeForModel(
        IReadOnlyList<(string Text, string? Pair)> texts, Truncation? truncation, Padding? padding, bool addSpecial = true, SpecialTokens special = SpecialTokens.AsText)
    {
        TokenEncoding[] encodings = [.. texts.Select(t => EncodeCut(t.Text, t.Pair, truncation, addSpecial, special))];
        if (padding == null || encodings.Length == 0) return encodings;
        int length = padding.LengthFor(encodings.Max(e => e.Tokens.Count));
        return [.. encodings.Select(e => padding.Apply(e, length))];
    }

    /// <summary>
    /// As <see cref="Decode(IEnumerable{int}, bool)"/>, without the spaces before punctuation and English contractions: what transformers does with
    /// <c>clean_up_tokenization_spaces</c>. BPE writes spaces as they were, so its text stays as it is.
    /// </summary>
    public string DecodeCleaned(IEnumerable<int> ids, bool skipSpecial = true)
    {
        string text = Decode(ids, skipSpecial);
        return Model is ByteLevelBpe or CharacterBpe ? text : WordPieceDecoder.CleanSpaces(text);
    }

    private TokenEncoding EncodeCut(string text, string? pair, Truncation? truncation, bool addSpecial, SpecialTokens special)
    {
        EncodedToken[] first = [.. EncodeWithOffsets(text, special: special).Tokens];
        EncodedToken[]? second = pair == null ? null : [.. EncodeWithOffsets(pair, special: special).Tokens.Select(t => t with { Sequence = 1 })];
        TemplatePart[] template = (pair == null ? Parts.PostProcessor?.Single : Parts.PostProcessor?.Pair) ?? [new(0, 0, []), new(1, 0, [])];
        int added = addSpecial ? template.Sum(p => p.Ids.Length) : 0;
        (int firstLength, int secondLength) = truncation?.Lengths(first.Length, second?.Length, truncation.MaxLength - added) ?? (first.Length, second?.Length ?? 0);
        List<EncodedToken[]>[] cut = [truncation?.Cut(first, firstLength) ?? [first], second == null ? [[]] : truncation?.Cut(second, secondLength) ?? [second]];
        List<EncodedToken[]> all = [[]];
        foreach (TemplatePart part in template)
        {
            if (part.Sequence >= 0) all = Joined(all, [.. cut[part.Sequence].Select(c => (EncodedToken[])[.. c.Select(t => t with { TypeId = part.TypeId })])]);
            else if (addSpecial) all = Joined(all, [[.. part.Ids.Select(id => new EncodedToken(id, TokenText(id), 0, 0, -1, part.TypeId))]]);
        }

        string[] sources = pair == null ? [text] : [text, pair];
        return new TokenEncoding(all[0], sources).With(all[0], [.. all.Skip(1).Select(o => new TokenEncoding(o, sources))]);
    }

    // Two lists of a sequence and what overflows, one behind the other: the sequences, then every other combination, in the reference's order.
    private static List<EncodedToken[]> Joined(List<EncodedToken[]> left, List<EncodedToken[]> right)
    {
        var joined = new List<EncodedToken[]> { (EncodedToken[])[.. left[0], .. right[0]] };
        foreach (EncodedToken[] over in left.Skip(1))
            foreach (EncodedToken[] other in right) joined.Add([.. over, .. other]);
        foreach (EncodedToken[] other in right.Skip(1)) joined.Add([.. left[0], .. other]);
        return joined;
    }
}
