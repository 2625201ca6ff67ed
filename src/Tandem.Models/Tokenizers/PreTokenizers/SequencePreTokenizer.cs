namespace Tandem.Models;

/// <summary>Several pre-tokenizers, each cutting the pieces of the one before.</summary>
internal sealed class SequencePreTokenizer : PreTokenizer
{
    private readonly PreTokenizer[] _parts;

    /// <summary>Makes a sequence. Parts behind ByteLevel see the bytes as characters.</summary>
    public SequencePreTokenizer(PreTokenizer[] parts)
    {
        _parts = parts;
        foreach (ByteLevelPreTokenizer part in parts.SkipLast(1).OfType<ByteLevelPreTokenizer>()) part.WritesBytes = true;
    }

    /// <inheritdoc/>
    public override bool TakesBytes => _parts.Any(p => p.TakesBytes);

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text, List<Piece> pieces)
    {
        foreach (PreTokenizer part in _parts) text = part.Apply(text, pieces);
        return text;
    }

    /// <inheritdoc/>
    public override AlignedText CutNext(AlignedText text, scoped ref int at, List<Piece> pieces)
    {
        if (_parts.Length == 0) return base.CutNext(text, ref at, pieces);
        text = _parts[0].CutNext(text, ref at, pieces);
        for (int i = 1; i < _parts.Length; i++) text = _parts[i].Apply(text, pieces);
        return text;
    }

    /// <inheritdoc/>
    protected override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces) => throw new InvalidOperationException("bug: the parts of a sequence cut");
}
