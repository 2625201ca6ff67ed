namespace Tandem.Models;

/// <summary>Runs of word characters, and runs of what is neither word nor white space; white space is left out.</summary>
internal sealed class WhitespacePreTokenizer : PreTokenizer
{
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
        return CharSet.IsWord(CharSet.CodePointAt(text, at, out _)) ? Kind.Word : Kind.Other;
    }
}
