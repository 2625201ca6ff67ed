namespace Tandem.Models;

/// <summary>Separates numbers (\p{N}) from the rest, each digit by itself or runs of them.</summary>
internal sealed class DigitsPreTokenizer(bool individual) : PreTokenizer
{
    /// <inheritdoc/>
    protected override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int end = piece.Start + piece.Length;
        for (int at = piece.Start; at < end;)
        {
            int start = at;
            bool number = (CharClasses.At(text, at, out int length) & CharClass.Number) != 0;
            at += length;
            while (at < end && !(individual && number) && (CharClasses.At(text, at, out length) & CharClass.Number) != 0 == number) at += length;
            pieces.Add(new Piece(start, at - start));
        }
    }
}
