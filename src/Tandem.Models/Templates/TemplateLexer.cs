using System.Globalization;
using System.Text;

namespace Tandem.Models;

internal enum TokenKind
{
    Data,
    PrintBegin,
    PrintEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Integer,
    Float,
    String,
    Operator,
    Error,
    End,
}

/// <summary>A piece of the template: its kind, its text (of a string without quotes and escapes), and where it starts.</summary>
internal readonly record struct TemplateToken(TokenKind Kind, string Text, int Position);

/// <summary>The text of a template with its newlines as <c>\n</c>, and the lines that positions in it lie on.</summary>
internal sealed class TemplateSource
{
    public TemplateSource(string source)
    {
        Text = source.Contains('\r', StringComparison.Ordinal) ? source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n') : source;
        if (Text.EndsWith('\n'))
            Text = Text[..^1];
    }

    public string Text { get; }

    public TemplateException Error(string category, string message, int position)
    {
        position = Math.Clamp(position, 0, Text.Length);
        int start = position == 0 ? 0 : Text.LastIndexOf('\n', position - 1) + 1;
        int end = Text.IndexOf('\n', position);
        int line = Text.AsSpan(0, position).Count('\n') + 1;
        return new TemplateException(category, message, line, position - start + 1, Text[start..(end < 0 ? Text.Length : end)]);
    }
}

/// <summary>
/// Splits a template into tokens, with the white space rules of chat templates: one newline after a block or comment tag is dropped, and so is white space
/// between the start of a line and such a tag; <c>-</c> strips all white space on its side and <c>+</c> none.
/// </summary>
internal sealed class TemplateLexer
{
    private static readonly string[] Operators = ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"];

    private readonly List<TemplateToken> _tokens = [];
    private readonly string _text;
    private int _at;

    private TemplateLexer(string text) => _text = text;

    /// <summary>The tokens; an error is a token too, so that what is wrong before it is reported first.</summary>
    public static List<TemplateToken> Tokens(string text)
    {
        var lexer = new TemplateLexer(text);
        try
        {
            lexer.Run();
        }
        catch (TemplateFault fault)
        {
            lexer._tokens.Add(new(TokenKind.Error, fault.Message, lexer._at));
        }

        lexer._tokens.Add(new(TokenKind.End, "", lexer._tokens.Count > 0 ? lexer._tokens[^1].Position : 0));
        return lexer._tokens;
    }

    private static TemplateFault Syntax(string message) => new("TemplateSyntaxError", message);

    private void Run()
    {
        bool lineStart = true;
        while (_at < _text.Length)
        {
            int tag = FindTag(_at);
            if (tag < 0)
            {
                _tokens.Add(new(TokenKind.Data, _text[_at..], _at));
                _at = _text.Length;
                return;
            }

            char kind = _text[tag + 1];
            char sign = tag + 2 < _text.Length && _text[tag + 2] is '-' or '+' ? _text[tag + 2] : '\0';
            AddData(_at, tag, sign, strip: kind != '{', lineStart);
            _at = tag;
            int inside = tag + (sign == '\0' ? 2 : 3);
            switch (kind)
            {
                case '#':
                    SkipComment(inside);
                    break;
                case '%' when RawTag(inside) is int body and >= 0:
                    Raw(body);
                    break;
                default:
                    _tokens.Add(new(kind == '%' ? TokenKind.BlockBegin : TokenKind.PrintBegin, "", tag));
                    _at = inside;
                    Inside(kind == '%');
                    break;
            }

            lineStart = _at > 0 && _text[_at - 1] == '\n';
        }
    }

    private int FindTag(int from)
    {
        while (true)
        {
            int brace = _text.IndexOf('{', from);
            if (brace < 0 || brace + 1 >= _text.Length)
                return -1;
            if (_text[brace + 1] is '{' or '%' or '#')
                return brace;
            from = brace + 1;
        }
    }

    private void AddData(int start, int end, char sign, bool strip, bool lineStart)
    {
        int stop = end;
        if (sign == '-')
        {
            while (stop > start && PythonText.IsSpace(_text[stop - 1]))
                stop--;
        }
        else if (sign != '+' && strip)
        {
            int line = end == start ? start : _text.LastIndexOf('\n', end - 1, end - start) + 1;
            line = Math.Max(line, start);
            bool startsLine = line > start || lineStart;
            if (startsLine && line < end && _text.AsSpan(line, end - line).IndexOfAnyExcept(PythonText.Spaces) < 0)
                stop = line;
        }

        if (stop > start)
            _tokens.Add(new(TokenKind.Data, _text[start..stop], start));
    }

    private void SkipComment(int inside)
    {
        int end = _text.IndexOf("#}", inside, StringComparison.Ordinal);
        if (end < 0)
            throw Syntax("Missing end of comment tag");
        _at = AfterTag(end, end > inside ? _text[end - 1] : '\0');
    }

    /// <summary>The place behind the tag end at <paramref name="end"/>, by the sign before it.</summary>
    private int AfterTag(int end, char sign)
    {
        int at = end + 2;
        if (sign == '-')
            return SkipSpace(at);
        return sign != '+' && at < _text.Length && _text[at] == '\n' ? at + 1 : at;
    }

    private int SkipSpace(int at)
    {
        while (at < _text.Length && PythonText.IsSpace(_text[at]))
            at++;
        return at;
    }

    /// <summary>If the tag whose inside starts here opens a raw block: where its text starts, otherwise -1.</summary>
    private int RawTag(int inside)
    {
        int at = SkipSpace(inside);
        if (string.CompareOrdinal(_text, at, "raw", 0, 3) != 0)
            return -1;
        at = SkipSpace(at + 3);
        if (string.CompareOrdinal(_text, at, "-%}", 0, 3) == 0)
            return SkipSpace(at + 3);
        return string.CompareOrdinal(_text, at, "%}", 0, 2) == 0 ? at + 2 : -1;
    }

    private void Raw(int body)
    {
        for (int tag = body; ; tag++)
        {
            tag = tag < _text.Length ? _text.IndexOf("{%", tag, StringComparison.Ordinal) : -1;
            if (tag < 0)
                throw Syntax("Missing end of raw directive");
            char sign = tag + 2 < _text.Length && _text[tag + 2] is '-' or '+' ? _text[tag + 2] : '\0';
            int at = SkipSpace(tag + (sign == '\0' ? 2 : 3));
            if (string.CompareOrdinal(_text, at, "endraw", 0, 6) != 0)
                continue;
            at = SkipSpace(at + 6);
            char endSign = at < _text.Length && _text[at] is '-' or '+' ? _text[at++] : '\0';
            if (string.CompareOrdinal(_text, at, "%}", 0, 2) != 0)
                continue;
            AddData(body, tag, sign, strip: true, lineStart: false);
            _at = AfterTag(at, endSign);
            return;
        }
    }

    private void Inside(bool block)
    {
        var brackets = new Stack<char>();
        while (true)
        {
            _at = SkipSpace(_at);
            if (_at >= _text.Length)
                return;
            if (brackets.Count == 0 && TryEnd(block))
                return;
            char c = _text[_at];
            int start = _at;
            if (char.IsAsciiDigit(c))
                Number();
            else if (IsWord(c))
                Word();
            else if (c is '\'' or '"')
                Quoted(c);
            else
                Punctuation(brackets, start);
        }
    }

    private bool TryEnd(bool block)
    {
        int at = _at;
        char sign = _text[at] is '-' || (block && _text[at] is '+') ? _text[at++] : '\0';
        if (string.CompareOrdinal(_text, at, block ? "%}" : "}}", 0, 2) != 0)
            return false;
        _tokens.Add(new(block ? TokenKind.BlockEnd : TokenKind.PrintEnd, "", _at));
        _at = block ? AfterTag(at, sign) : sign == '-' ? SkipSpace(at + 2) : at + 2;
        return true;
    }

    private static bool IsWord(char c) => c == '_' || char.IsLetterOrDigit(c) || char.IsSurrogate(c) || CharUnicodeInfo.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;

    private void Word()
    {
        int start = _at;
        while (_at < _text.Length && IsWord(_text[_at]))
            _at++;
        string name = _text[start.._at];
        if (name.Any(char.IsSurrogate))
        {
            _at = start;
            throw Syntax("Invalid character in identifier");
        }

        _tokens.Add(new(TokenKind.Name, name, start));
    }

    /// <summary>Digits with single underscores between them.</summary>
    private int Digits(int at, Func<char, bool> isDigit)
    {
        while (at < _text.Length && (isDigit(_text[at]) || (_text[at] == '_' && at + 1 < _text.Length && isDigit(_text[at + 1]))))
            at++;
        return at;
    }

    private void Number()
    {
        int start = _at;
        bool afterDot = start > 0 && _text[start - 1] == '.';
        char next = start + 1 < _text.Length ? char.ToLowerInvariant(_text[start + 1]) : '\0';
        if (_text[start] == '0' && next is 'x' or 'o' or 'b')
        {
            int end = Digits(start + 2, next == 'x' ? char.IsAsciiHexDigit : next == 'o' ? c => c is >= '0' and <= '7' : c => c is '0' or '1');
            if (end > start + 2)
            {
                Add(TokenKind.Integer, start, end);
                return;
            }
        }

        int whole = Digits(start, char.IsAsciiDigit);
        int at = whole;
        if (!afterDot)
        {
            if (at + 1 < _text.Length && _text[at] == '.' && char.IsAsciiDigit(_text[at + 1]))
                at = Digits(at + 1, char.IsAsciiDigit);
            if (at < _text.Length && _text[at] is 'e' or 'E')
            {
                int exponent = at + 1 < _text.Length && _text[at + 1] is '+' or '-' ? at + 2 : at + 1;
                if (exponent < _text.Length && char.IsAsciiDigit(_text[exponent]))
                    at = Digits(exponent, char.IsAsciiDigit);
            }
        }

        // A leading zero ends an integer: 012 is 0 and then 12.
        if (at == whole && _text[start] == '0')
            at = Digits(start, c => c == '0');
        Add(at == whole || at < whole ? TokenKind.Integer : TokenKind.Float, start, at);
    }

    private void Add(TokenKind kind, int start, int end)
    {
        _tokens.Add(new(kind, _text[start..end].Replace("_", "", StringComparison.Ordinal), start));
        _at = end;
    }

    private void Quoted(char quote)
    {
        int end = _at + 1;
        while (end < _text.Length && _text[end] != quote)
            end += _text[end] == '\\' ? 2 : 1;
        if (end >= _text.Length)
            throw Syntax($"unexpected char {PythonText.Repr(quote.ToString())} at {_at}");
        _tokens.Add(new(TokenKind.String, Unescape(_text.AsSpan(_at + 1, end - _at - 1)), _at));
        _at = end + 1;
    }

    private static string Unescape(ReadOnlySpan<char> text)
    {
        if (!text.Contains('\\'))
            return text.ToString();
        var result = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 >= text.Length)
            {
                result.Append(text[i]);
                continue;
            }

            char c = text[++i];
            switch (c)
            {
                case '\n': break;
                case 'n': result.Append('\n'); break;
                case 't': result.Append('\t'); break;
                case 'r': result.Append('\r'); break;
                case 'a': result.Append('\a'); break;
                case 'b': result.Append('\b'); break;
                case 'f': result.Append('\f'); break;
                case 'v': result.Append('\v'); break;
                case '\\' or '\'' or '"': result.Append(c); break;
                case >= '0' and <= '7':
                    int octal = 0, digits = 0;
                    for (; digits < 3 && i + digits < text.Length && text[i + digits] is >= '0' and <= '7'; digits++)
                        octal = (octal * 8) + (text[i + digits] - '0');
                    i += digits - 1;
                    result.Append((char)octal);
                    break;
                case 'x' or 'u' or 'U':
                    int length = c == 'x' ? 2 : c == 'u' ? 4 : 8;
                    if (i + length >= text.Length || !uint.TryParse(text.Slice(i + 1, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code) || code > 0x10FFFF)
                        throw Syntax($"truncated or impossible \\{c} escape");
                    i += length;
                    result.Append(code > 0xFFFF ? char.ConvertFromUtf32((int)code) : ((char)code).ToString());
                    break;
                case 'N':
                    throw Syntax("characters by name (\\N) are not supported; write \\u and the code");
                default:
                    result.Append('\\').Append(c);
                    break;
            }
        }

        return result.ToString();
    }

    private void Punctuation(Stack<char> brackets, int start)
    {
        string? op = Operators.FirstOrDefault(x => string.CompareOrdinal(_text, start, x, 0, x.Length) == 0);
        if (op is null)
            throw Syntax($"unexpected char {PythonText.Repr(_text[start].ToString())} at {start}");
        if (op is "(" or "[" or "{")
        {
            brackets.Push(op[0] == '(' ? ')' : op[0] == '[' ? ']' : '}');
        }
        else if (op is ")" or "]" or "}")
        {
            if (!brackets.TryPop(out char expected))
                throw Syntax($"unexpected '{op}'");
            if (expected != op[0])
                throw Syntax($"unexpected '{op}', expected '{expected}'");
        }

        _tokens.Add(new(TokenKind.Operator, op, start));
        _at = start + op.Length;
    }
}
