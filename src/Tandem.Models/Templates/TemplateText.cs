namespace Tandem.Models;

/// <summary>
/// A text that is being built, and which of its characters came from the input of the template: from messages, tools, documents or arguments. All others are the template's own.
/// </summary>
internal sealed class TemplateText
{
    private const int MostKept = 1 << 20;

    // Texts of renderings are long; their room is kept for the next one of the thread.
    [ThreadStatic]
    private static char[]? t_room;

    private char[] _characters = [];
    private List<TextSpan>? _input;

    /// <summary>A text in the room of the thread's last one; <see cref="Release"/> gives it back.</summary>
    public static TemplateText Rent()
    {
        var text = new TemplateText { _characters = t_room ?? [] };
        t_room = null;
        return text;
    }

    /// <summary>Gives the room back; the text is gone.</summary>
    public void Release()
    {
        if (_characters.Length <= MostKept)
            t_room = _characters;
        _characters = [];
        Clear();
    }

    /// <summary>Characters so far.</summary>
    public int Length { get; private set; }

    /// <summary>What came from the input, in order; null where nothing did.</summary>
    public TextSpan[]? Input
    {
        get
        {
            if (_input is null)
                return null;
            return _input is [{ Start: 0 } only] && only.End == Length ? StringValue.Whole : [.. _input];
        }
    }

    /// <summary>Several texts as one.</summary>
    public static StringValue Join(StringValue first, StringValue second)
    {
        string text = string.Concat(first.Text, second.Text);
        if (first.Input is null && second.Input is null)
            return new StringValue(text);
        if ((first.IsWhole || first.Text.Length == 0) && (second.IsWhole || second.Text.Length == 0))
            return new StringValue(text, input: StringValue.Whole);
        var spans = new List<TextSpan>();
        AddInput(spans, first, 0, first.Text.Length, 0);
        AddInput(spans, second, 0, second.Text.Length, first.Text.Length);
        return new StringValue(text, input: [.. spans]);
    }

    /// <summary>Several texts as one, with the places of generation blocks in it.</summary>
    public static StringValue Join(ReadOnlySpan<StringValue> parts, TextSpan[]? spans)
    {
        var texts = new string[parts.Length];
        List<TextSpan>? input = null;
        int at = 0;
        for (int i = 0; i < texts.Length; i++)
        {
            texts[i] = parts[i].Text;
            if (parts[i].Input is not null)
                AddInput(input ??= [], parts[i], 0, texts[i].Length, at);
            at += texts[i].Length;
        }

        bool whole = input is [{ Start: 0 } only] && only.End == at;
        return new StringValue(string.Concat(texts), spans: spans, input: whole ? StringValue.Whole : input is { Count: > 0 } ? [.. input] : null);
    }

    /// <summary>Which characters of a part came from the input.</summary>
    public static TextSpan[]? InputOf(StringValue text, int start, int end)
    {
        if (text.Input is null || start >= end)
            return null;
        if (text.IsWhole)
            return StringValue.Whole;
        var spans = new List<TextSpan>();
        AddInput(spans, text, start, end, 0);
        return spans.Count == 0 ? null : spans is [var only] && only == new TextSpan(0, end - start) ? StringValue.Whole : [.. spans];
    }

    /// <summary>Appends a text of the template's own, or of the input.</summary>
    public TemplateText Append(ReadOnlySpan<char> text, bool isInput = false)
    {
        if (isInput && text.Length > 0)
            Add(_input ??= [], Length, Length + text.Length);
        text.CopyTo(Room(text.Length));
        Length += text.Length;
        return this;
    }

    /// <summary>Appends a character of the template's own.</summary>
    public TemplateText Append(char c)
    {
        Room(1)[0] = c;
        Length++;
        return this;
    }

    /// <summary>Appends a text with what is known of its characters.</summary>
    public TemplateText Append(StringValue text) => Append(text, 0, text.Text.Length);

    /// <summary>Appends a part of a text with what is known of its characters.</summary>
    public TemplateText Append(StringValue text, int start, int end)
    {
        if (text.Input is not null)
            AddInput(_input ??= [], text, start, end, Length);
        return Append(text.Text.AsSpan(start, end - start));
    }

    /// <summary>Marks all that was appended since as input.</summary>
    public void MarkInput(int start)
    {
        if (start >= Length)
            return;
        (_input ??= []).RemoveAll(x => x.Start >= start);
        Add(_input, start, Length);
    }

    /// <summary>Forgets what was built, to build another.</summary>
    public void Clear()
    {
        Length = 0;
        _input = null;
    }

    /// <summary>What was built.</summary>
    public StringValue ToValue(bool safe = false, TextSpan[]? spans = null) => new(ToString(), safe, spans, Input);

    /// <inheritdoc/>
    public override string ToString() => new(_characters, 0, Length);

    private static void AddInput(List<TextSpan> spans, StringValue text, int start, int end, int at)
    {
        if (text.Input is null || start >= end)
            return;
        if (text.IsWhole)
        {
            Add(spans, at, at + end - start);
            return;
        }

        foreach (TextSpan span in text.Input)
        {
            int from = Math.Max(span.Start, start), to = Math.Min(span.End, end);
            if (from < to)
                Add(spans, at + from - start, at + to - start);
        }
    }

    // Spans that touch are one.
    private static void Add(List<TextSpan> spans, int start, int end)
    {
        if (spans.Count > 0 && spans[^1].End >= start)
            spans[^1] = new TextSpan(Math.Min(spans[^1].Start, start), end);
        else
            spans.Add(new TextSpan(start, end));
    }

    private Span<char> Room(int count)
    {
        if (_characters.Length - Length < count)
            Array.Resize(ref _characters, Math.Max(Math.Max(64, Length + count), (int)Math.Min(2L * _characters.Length, Array.MaxLength)));
        return _characters.AsSpan(Length);
    }
}
