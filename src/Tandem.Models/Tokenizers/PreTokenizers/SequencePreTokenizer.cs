namespace Tandem.Models;

/// <summary>Several pre-tokenizers, each cutting the pieces of the one before.</summary>
internal sealed class SequencePreTokenizer : PreTokenizer
{
    private readonly PreTokenizer[] _parts;

    /// <summary>Makes a sequence. Parts behind ByteLevel see the bytes as characters.</summary>
    public SequencePreTokenizer(PreTokenizer[] parts)
    {
        _parts = parts;
        foreach (ByteLevelPreTokenizer part in parts.SkipLast(1).OfType<ByteLevelPreTokenizer>()) part.WriteBytes();
    }

    /// <inheritdoc/>
    public override bool TakesBytes => _parts.Any(p => p.TakesBytes);

    /// <inheritdoc/>
    public override void WriteBytes()
    {
        foreach (PreTokenizer part in _parts) part.WriteBytes();
    }

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text, List<Piece> pieces)
    {
        foreach (PreTokenizer part in _parts) text = part.Apply(text, pieces);
        return text;
    }

    /// <inheritdoc/>
    protected override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces) => throw new InvalidOperationException("bug: the parts of a sequence cut");
}
