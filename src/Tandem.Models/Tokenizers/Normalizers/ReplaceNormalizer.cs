namespace Tandem.Models;

/// <summary>Replaces what a pattern matches; the new text stands for the last character of the old.</summary>
internal sealed class ReplaceNormalizer(SplitPattern pattern, string content) : Normalizer
{
    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        var matches = new List<Piece>();
        pattern.FindAll(text.Text, matches);
        if (matches.Count == 0) return text;
        var built = new AlignedTextBuilder(text.Text.Length);
        int done = 0;
        foreach ((int start, int length) in matches)
        {
            built.Append(text.Slice(done, start - done));
            done = start + length;

            // What is put in at an empty match stands for the character before it, or for the first.
            int end = done > 0 || text.Text.IsEmpty ? done : 1;
            int last = end >= 2 && char.IsLowSurrogate(text.Text[end - 1]) && char.IsHighSurrogate(text.Text[end - 2]) ? end - 2 : Math.Max(0, end - 1);
            foreach (char c in content) built.AppendUnit(c, text.Text.IsEmpty ? 0 : text.StartOf(last), text.Text.IsEmpty ? 0 : text.EndOf(end - 1));
        }

        built.Append(text.Slice(done, text.Text.Length - done));
        return built.Build();
    }
}
