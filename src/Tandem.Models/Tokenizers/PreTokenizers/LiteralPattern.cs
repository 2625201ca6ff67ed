namespace Tandem.Models;

/// <summary>A string that stands for itself.</summary>
internal sealed class LiteralPattern(string text) : SplitPattern(text)
{
    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at) => text[at..].StartsWith(Source, StringComparison.Ordinal) ? Source.Length : 0;
}
