namespace Tandem.Models;

/// <summary>Runs of word characters, and runs of what is neither word nor white space; white space is left out.</summary>
internal sealed class WhitespacePreTokenizer : PreTokenizer
{
    private static readonly CharSet Words = MakeWords();

    private enum Kind
    {
        Space,
        Word,
        Other,
    }

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int end = piece.Start + piece.Length, start = piece.Start;
        Kind running = Kind.Space;
        for (int at = piece.Start; at < end;)
        {
            Kind kind = KindAt(text, at, out int length);
            if (kind != running)
            {
                if (running != Kind.Space) pieces.Add(new Piece(start, at - start));
                (running, start) = (kind, at);
            }

            at += length;
        }

        if (running != Kind.Space) pieces.Add(new Piece(start, end - start));
    }

    private static Kind KindAt(ReadOnlySpan<char> text, int at, out int length)
    {
        if (CharClasses.At(text, at, out length) == CharClass.Space) return Kind.Space;
        return Words.Has(CharSet.CodePointAt(text, at, out _)) ? Kind.Word : Kind.Other;
    }

    // \w of UTS 18: no other numbers, but joiners and the letters among symbols.
    private static CharSet MakeWords()
    {
        var words = new CharSet();
        foreach (string category in (string[])["L", "M", "Nd", "Nl", "Pc"]) words.TryAddCategory(category, others: false);
        foreach ((int first, int last) in ((int, int)[])[(0x200C, 0x200D), (0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)]) words.Add(first, last);
        return words;
    }
}
