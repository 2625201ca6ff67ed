namespace Tandem.Models;

/// <summary>
/// A piece of text on its way through the pipeline, and which range of the original text each of its UTF-16 units stands for.
/// Without tables unit i stands for unit <c>offset + i</c>.
/// </summary>
internal readonly ref struct AlignedText(ReadOnlySpan<char> text, int offset, ReadOnlySpan<int> starts = default, ReadOnlySpan<int> ends = default)
{
    private readonly ReadOnlySpan<int> _starts = starts;
    private readonly ReadOnlySpan<int> _ends = ends;

    /// <summary>The text as it is now.</summary>
    public ReadOnlySpan<char> Text { get; } = text;

    /// <summary>Whether the units stand for other places than their own.</summary>
    public bool HasTables => !_starts.IsEmpty;

    /// <summary>Start in the original of what unit <paramref name="at"/> stands for.</summary>
    public int StartOf(int at) => HasTables ? _starts[at] : offset + at;

    /// <summary>End in the original of what unit <paramref name="at"/> stands for.</summary>
    public int EndOf(int at) => HasTables ? _ends[at] : offset + at + 1;

    /// <summary>A part of it.</summary>
    public AlignedText Slice(int start, int length) => HasTables
        ? new(Text.Slice(start, length), 0, _starts.Slice(start, length), _ends.Slice(start, length))
        : new(Text.Slice(start, length), offset + start);
}

/// <summary>Builds an <see cref="AlignedText"/> whose units stand for other places than their own.</summary>
internal sealed class AlignedTextBuilder(int capacity)
{
    private char[] _text = new char[capacity];
    private int[] _starts = new int[capacity];
    private int[] _ends = new int[capacity];
    private int _length;

    /// <summary>Units so far.</summary>
    public int Length => _length;

    /// <summary>Appends a code point that stands for the original's range.</summary>
    public void Append(int codePoint, int start, int end)
    {
        if (codePoint >= 0x10000)
        {
            AppendUnit((char)(0xD7C0 + (codePoint >> 10)), start, end);
            AppendUnit((char)(0xDC00 + (codePoint & 0x3FF)), start, end);
        }
        else
        {
            AppendUnit((char)codePoint, start, end);
        }
    }

    /// <summary>Appends a text as it is.</summary>
    public void Append(AlignedText text)
    {
        for (int i = 0; i < text.Text.Length; i++) AppendUnit(text.Text[i], text.StartOf(i), text.EndOf(i));
    }

    /// <summary>What was built.</summary>
    public AlignedText Build() => new(_text.AsSpan(0, _length), 0, _starts.AsSpan(0, _length), _ends.AsSpan(0, _length));

    /// <summary>Appends a UTF-16 unit that stands for the original's range.</summary>
    public void AppendUnit(char c, int start, int end)
    {
        if (_length == _text.Length)
        {
            int wanted = Math.Max(16, 2 * _length);
            Array.Resize(ref _text, wanted);
            Array.Resize(ref _starts, wanted);
            Array.Resize(ref _ends, wanted);
        }

        (_text[_length], _starts[_length], _ends[_length]) = (c, start, end);
        _length++;
    }
}
