namespace Tandem.Models;

/// <summary>Separates numbers (\p{N}) from the rest, each digit by itself or runs of them.</summary>
internal sealed class DigitsPreTokenizer(bool individual) : PreTokenizer
{
    /// <inheritdoc/>
    public override Func<char, bool> Cutters => c => CharClasses.MayBe(c, CharClass.Number);

    /// <inheritdoc/>
    public override IReadOnlyList<RunCut> RunCuts => [new RunCut(CodePointSet.Empty, UnicodeSets.Find("N")!, individual ? RunKind.Single : RunKind.Whole)];

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int end = piece.Start + piece.Length;
        for (int at = piece.Start; at < end;)
        {
            int start = at;
            bool number = CharClasses.At(text, at, out int length) == CharClass.Number;
            if (!number) at = CharClasses.Skip(text[..end], at, CharClass.Number);
            else at = individual ? at + length : CharClasses.RunEnd(text[..end], at, CharClass.Number);
            pieces.Add(new Piece(start, at - start));
        }
    }
}
