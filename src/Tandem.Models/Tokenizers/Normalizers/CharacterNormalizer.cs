namespace Tandem.Models;

/// <summary>Changes or takes away each character by itself.</summary>
internal abstract class CharacterNormalizer : Normalizer
{
    /// <summary>What a character becomes that is taken away.</summary>
    protected const int Removed = -1;

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        int same = 0;
        while (same < text.Text.Length && CharSet.CodePointAt(text.Text, same, out int length) is var c && Map(c) == c) same += length;
        if (same == text.Text.Length) return text;
        var built = new AlignedTextBuilder(text.Text.Length);
        built.Append(text.Slice(0, same));
        for (int at = same; at < text.Text.Length;)
        {
            int becomes = Map(CharSet.CodePointAt(text.Text, at, out int length));
            if (becomes != Removed) built.Append(becomes, text.StartOf(at), text.EndOf(at + length - 1));
            at += length;
        }

        return built.Build();
    }

    /// <summary>What a character becomes.</summary>
    protected abstract int Map(int codePoint);
}
