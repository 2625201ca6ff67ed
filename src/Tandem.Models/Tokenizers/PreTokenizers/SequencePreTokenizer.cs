namespace Tandem.Models;

/// <summary>Several pre-tokenizers, each cutting the pieces of the one before.</summary>
internal sealed class SequencePreTokenizer(PreTokenizer[] parts) : PreTokenizer
{
    /// <inheritdoc/>
    public override bool TakesBytes => parts.Any(p => p.TakesBytes);

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text, List<Piece> pieces)
    {
        foreach (PreTokenizer part in parts) text = part.Apply(text, pieces);
        return text;
    }

    /// <inheritdoc/>
    protected override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces) => throw new InvalidOperationException("bug: the parts of a sequence cut");
}
