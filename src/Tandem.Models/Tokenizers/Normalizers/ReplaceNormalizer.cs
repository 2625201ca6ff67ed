namespace Tandem.Models;

/// <summary>Replaces what a pattern matches; the new text stands for the last character of the old.</summary>
internal sealed class ReplaceNormalizer(SplitPattern pattern, string content) : Normalizer
{
    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        AlignedTextBuilder? built = null;
        int done = 0;
        for (int at = 0; at < text.Text.Length;)
        {
            int length = pattern.Match(text.Text, at);
            if (length == 0)
            {
                CharClasses.At(text.Text, at, out length);
                at += length;
                continue;
            }

            built ??= new AlignedTextBuilder(text.Text.Length);
            built.Append(text.Slice(done, at - done));
            done = at += length;
            int last = at >= 2 && char.IsLowSurrogate(text.Text[at - 1]) ? at - 2 : at - 1;
            foreach (char c in content) built.AppendUnit(c, text.StartOf(last), text.EndOf(at - 1));
        }

        if (built == null) return text;
        built.Append(text.Slice(done, text.Text.Length - done));
        return built.Build();
    }
}
