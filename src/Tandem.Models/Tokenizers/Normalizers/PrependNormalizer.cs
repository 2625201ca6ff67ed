namespace Tandem.Models;

/// <summary>Puts a text in front of what is not empty; it stands for the first character.</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        if (text.Text.IsEmpty || prefix.Length == 0) return text;
        CharClasses.At(text.Text, 0, out int length);
        var built = new AlignedTextBuilder(prefix.Length + text.Text.Length);
        foreach (char c in prefix) built.AppendUnit(c, text.StartOf(0), text.EndOf(length - 1));
        built.Append(text);
        return built.Build();
    }
}
