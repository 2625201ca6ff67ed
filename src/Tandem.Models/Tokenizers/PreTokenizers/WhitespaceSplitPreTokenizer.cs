namespace Tandem.Models;

/// <summary>Cuts at white space, which is left out; BERT cuts at punctuation too, each of which is a piece.</summary>
internal sealed class WhitespaceSplitPreTokenizer(bool bert) : PreTokenizer
{
    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int gap = piece.Start, end = piece.Start + piece.Length;
        for (int at = piece.Start; at < end;)
        {
            bool space = CharClasses.At(text, at, out int length) == CharClass.Space;
            bool punctuation = bert && !space && CharSet.IsPunctuation(CharSet.CodePointAt(text, at, out _));
            if (space || punctuation)
            {
                if (gap < at) pieces.Add(new Piece(gap, at - gap));
                if (punctuation) pieces.Add(new Piece(at, length));
                gap = at + length;
            }

            at += length;
        }

        if (gap < end) pieces.Add(new Piece(gap, end - gap));
    }
}
