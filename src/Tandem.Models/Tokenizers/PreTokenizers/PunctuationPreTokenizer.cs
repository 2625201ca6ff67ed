namespace Tandem.Models;

/// <summary>Cuts at punctuation: ASCII punctuation and symbols, and what Unicode calls punctuation.</summary>
internal sealed class PunctuationPreTokenizer(SplitBehavior behavior) : PreTokenizer
{
    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        var splitter = new PieceSplitter(behavior, pieces);
        int gap = piece.Start, end = piece.Start + piece.Length;
        for (int at = piece.Start; at < end;)
        {
            bool match = CharSet.IsPunctuation(CharSet.CodePointAt(text, at, out int length));
            if (match)
            {
                splitter.Add(gap, at - gap, match: false);
                splitter.Add(at, length, match: true);
                gap = at + length;
            }

            at += length;
        }

        splitter.Add(gap, end - gap, match: false);
    }
}
