namespace Tandem.Models;

/// <summary>
/// The characters of a new text, each with its change: 0 for a character in place of one, 1 for one more, -n for one in place of n + 1.
/// One more stands for the character before it; one that replaces several stands for the first.
/// </summary>
internal sealed class TextChanges(int capacity)
{
    private readonly List<(int CodePoint, int Change)> _items = new(capacity);

    /// <summary>Adds a character.</summary>
    public void Add(int codePoint, int change) => _items.Add((codePoint, change));

    /// <summary>The last character stands in place of more.</summary>
    public void TakeMore(int count)
    {
        if (_items.Count > 0) _items[^1] = _items[^1] with { Change = _items[^1].Change - count };
    }

    /// <summary>The new text, placed by the old one.</summary>
    public AlignedText Build(AlignedText text)
    {
        var built = new AlignedTextBuilder(text.Text.Length);
        int next = 0, previous = 0;
        foreach ((int codePoint, int change) in _items)
        {
            int source = change > 0 || next == text.Text.Length ? previous : next;
            CharClasses.At(text.Text, source, out int length);
            built.Append(codePoint, text.StartOf(source), text.EndOf(source + length - 1));
            for (int i = change > 0 ? 1 : change; i <= 0 && next < text.Text.Length; i++)
            {
                CharClasses.At(text.Text, next, out length);
                (previous, next) = (next, next + length);
            }
        }

        return built.Build();
    }
}
