namespace Tandem.Models;

/// <summary>Several normalizers one after another.</summary>
internal sealed class SequenceNormalizer(Normalizer[] parts) : Normalizer
{
    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        foreach (Normalizer part in parts) text = part.Apply(text);
        return text;
    }
}
