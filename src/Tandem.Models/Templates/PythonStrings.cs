using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tandem.Models;

/// <summary>The methods of Python's str.</summary>
internal static class PythonStrings
{
    private static readonly SearchValues<char> LineEnds = SearchValues.Create("\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029");

    public static readonly FrozenDictionary<string, TemplateFunction> Methods = TemplateMethods.Table(
        Map("upper", PythonCase.Upper),
        Map("lower", PythonCase.Lower),
        Map("casefold", x => PythonCase.Lower(x.Replace("\u00DF", "ss", StringComparison.Ordinal))),
        Map("capitalize", PythonCase.Capitalize),
        Map("title", PythonCase.Title),
        Map("swapcase", PythonCase.Swap),
        new("strip", "self chars?", (e, x) => e.Text(Strip(Own(x), x[1], left: true, right: true))) { KeepsOrigin = true },
        new("lstrip", "self chars?", (e, x) => e.Text(Strip(Own(x), x[1], left: true, right: false))) { KeepsOrigin = true },
        new("rstrip", "self chars?", (e, x) => e.Text(Strip(Own(x), x[1], left: false, right: true))) { KeepsOrigin = true },
        new("split", "self sep? maxsplit?", (e, x) => Split(e, x, right: false)),
        new("rsplit", "self sep? maxsplit?", (e, x) => Split(e, x, right: true)),
        new("splitlines", "self keepends?", (e, x) => new ListValue([.. Lines(Self(x), x[1]?.Truth ?? false).Select(l => e.Text(Own(x).Part(l.Start, l.End)))])),
        new("partition", "self sep", (_, x) => Partition(Own(x), TemplateMethods.Text(x[1]!), right: false)),
        new("rpartition", "self sep", (_, x) => Partition(Own(x), TemplateMethods.Text(x[1]!), right: true)),
        new("join", "self iterable", (e, x) => Join(e, Own(x), x[1]!)) { KeepsOrigin = true },
        new("replace", "self old new count?", (e, x) => e.Text(Replace(e, Own(x), TemplateMethods.Text(x[1]!), TemplateMethods.TextValue(x[2]!), x[3] is null ? -1 : TemplateMethods.Integer(x[3]!)))) { KeepsOrigin = true },
        new("startswith", "self prefix start? end?", (_, x) => BoolValue.Of(Any(x, (text, part) => text.StartsWith(part, StringComparison.Ordinal)))),
        new("endswith", "self suffix start? end?", (_, x) => BoolValue.Of(Any(x, (text, part) => text.EndsWith(part, StringComparison.Ordinal)))),
        new("removeprefix", "self prefix", (_, x) => Own(x).Part(TemplateMethods.Text(x[1]!) is var p && Self(x).StartsWith(p, StringComparison.Ordinal) ? p.Length : 0, Self(x).Length)) { KeepsOrigin = true },
        new("removesuffix", "self suffix", (_, x) => Own(x).Part(0, Self(x).Length - (TemplateMethods.Text(x[1]!) is var p && Self(x).EndsWith(p, StringComparison.Ordinal) ? p.Length : 0))) { KeepsOrigin = true },
        new("find", "self sub start? end?", (_, x) => IntValue.Of(Find(x, last: false))),
        new("rfind", "self sub start? end?", (_, x) => IntValue.Of(Find(x, last: true))),
        new("index", "self sub start? end?", (_, x) => IntValue.Of(Find(x, last: false) is var at and >= 0 ? at : throw TemplateFault.Value("substring not found"))),
        new("rindex", "self sub start? end?", (_, x) => IntValue.Of(Find(x, last: true) is var at and >= 0 ? at : throw TemplateFault.Value("substring not found"))),
        new("count", "self sub start? end?", (_, x) => IntValue.Of(Count(x))),
        new("center", "self width fillchar?", (e, x) => e.Text(Center(e, Own(x), TemplateMethods.Integer(x[1]!), Fill(x[2])))) { KeepsOrigin = true },
        new("ljust", "self width fillchar?", (e, x) => e.Text(PythonFormat.Pad(Own(x), '<', TemplateMethods.Integer(x[1]!), Fill(x[2]), e))) { KeepsOrigin = true },
        new("rjust", "self width fillchar?", (e, x) => e.Text(PythonFormat.Pad(Own(x), '>', TemplateMethods.Integer(x[1]!), Fill(x[2]), e))) { KeepsOrigin = true },
        new("zfill", "self width", (e, x) => e.Text(Self(x) is ['+' or '-', ..] signed
            ? signed[0] + PythonFormat.Pad(signed[1..], '>', TemplateMethods.Integer(x[1]!) - 1, "0", e)
            : PythonFormat.Pad(Self(x), '>', TemplateMethods.Integer(x[1]!), "0", e))),
        new("expandtabs", "self tabsize?", (e, x) => e.Text(ExpandTabs(e, Self(x), x[1] is null ? 8 : (int)BigInteger.Clamp(TemplateMethods.Integer(x[1]!), 0, 10_000)))),
        new("translate", "self table", Translate),
        new("encode", "self encoding? errors?", (_, x) => new BytesValue(Encoding.UTF8.GetBytes(Self(x)))),
        new("format", (e, x) => e.Text(PythonFormat.Braces(TemplateMethods.TextValue(x.Positional[0]), x.Positional[1..], x.Find, e))) { KeepsOrigin = true },
        new("format_map", "self mapping", (e, x) => e.Text(PythonFormat.Braces(Own(x), [], key => TemplateOperators.Item(x[1]!, new StringValue(key)), e))) { KeepsOrigin = true },
        Check("isspace", x => x.AsSpan().IndexOfAnyExcept(PythonText.Spaces) < 0),
        Check("isalpha", x => Runes(x, r => Rune.IsLetter(r))),
        Check("isalnum", x => Runes(x, r => Rune.IsLetterOrDigit(r) || Rune.GetUnicodeCategory(r) is UnicodeCategory.OtherNumber or UnicodeCategory.LetterNumber)),
        Check("isdecimal", x => Runes(x, Rune.IsDigit)),
        Check("isdigit", x => Runes(x, r => Rune.IsDigit(r) || (Rune.GetUnicodeCategory(r) == UnicodeCategory.OtherNumber && Rune.GetNumericValue(r) is var n && n >= 0 && n <= 9 && n == Math.Floor(n)))),
        Check("isnumeric", x => Runes(x, r => Rune.IsNumber(r))),
        Check("isidentifier", x => !char.IsDigit(x[0]) && x.All(c => c == '_' || char.IsLetterOrDigit(c))),
        Check("isupper", PythonCase.IsUpper),
        Check("islower", PythonCase.IsLower),
        Check("istitle", x => x.Any(char.IsLetter) && PythonCase.Title(x) == x),
        new("isascii", "self", (_, x) => BoolValue.Of(Ascii.IsValid(Self(x)))),
        new("isprintable", "self", (_, x) => BoolValue.Of(PythonText.Repr(Self(x).Replace("\\", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal)).IndexOf('\\', StringComparison.Ordinal) < 0)));

    public static string Strip(string text, TemplateValue? chars, bool left, bool right)
    {
        TextSpan rest = Stripped(text, chars, left, right);
        return text[rest.Start..rest.End];
    }

    public static StringValue Strip(StringValue text, TemplateValue? chars, bool left, bool right)
    {
        TextSpan rest = Stripped(text.Text, chars, left, right);
        return text.Part(rest.Start, rest.End);
    }

    /// <summary>What is left of a text that is stripped of white space, or of the characters given.</summary>
    private static TextSpan Stripped(string text, TemplateValue? chars, bool left, bool right)
    {
        int start = 0, end = text.Length;
        if (chars is null or NoneValue)
        {
            while (left && start < end && PythonText.IsSpace(text[start]))
                start++;
            while (right && end > start && PythonText.IsSpace(text[end - 1]))
                end--;
        }
        else
        {
            HashSet<string> set = [.. PythonText.Characters(TemplateMethods.Text(chars))];
            string[] characters = [.. PythonText.Characters(text)];
            (int first, int last) = (0, characters.Length);
            for (; left && first < last && set.Contains(characters[first]); first++)
                start += characters[first].Length;
            for (; right && last > first && set.Contains(characters[last - 1]); last--)
                end -= characters[last - 1].Length;
        }

        return new TextSpan(start, end);
    }

    /// <summary>The lines, as str.splitlines finds them.</summary>
    public static IEnumerable<TextSpan> Lines(string text, bool keepEnds = false)
    {
        for (int at = 0; at < text.Length;)
        {
            int end = text.AsSpan(at).IndexOfAny(LineEnds) is var found && found < 0 ? text.Length : at + found;
            int next = end >= text.Length ? end : text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
            yield return new TextSpan(at, keepEnds ? next : end);
            at = next;
        }
    }

    public static StringValue Replace(TemplateEvaluator evaluator, StringValue text, string old, StringValue with, BigInteger count)
    {
        string all = text.Text;
        if (old.Length > 0 && !all.Contains(old, StringComparison.Ordinal))
            return text.Part(0, all.Length);
        var result = new TemplateText();
        int at = 0;
        for (BigInteger done = 0; count < 0 || done < count; done++)
        {
            int found = old.Length > 0 ? all.IndexOf(old, at, StringComparison.Ordinal) : at + (done.IsZero ? 0 : 1) is var step && step <= all.Length ? step : -1;
            if (found < 0)
                break;
            result.Append(text, at, found).Append(with);
            evaluator.Budget.Text(result.Length);
            at = found + old.Length;
        }

        return result.Append(text, at, all.Length).ToValue();
    }

    public static StringValue Center(TemplateEvaluator evaluator, StringValue text, BigInteger width, StringValue fill)
    {
        BigInteger missing = width - text.Length;
        if (missing <= 0)
            return text.Part(0, text.Text.Length);
        BigInteger left = (missing / 2) + (missing.IsEven || width.IsEven ? 0 : 1);
        StringValue padded = PythonFormat.Pad(text, '>', text.Length + left, fill, evaluator);
        return PythonFormat.Pad(padded, '<', width, fill, evaluator);
    }

    /// <summary>The words between white space.</summary>
    public static List<TextSpan> Words(string text, BigInteger most, bool right)
    {
        var words = new List<TextSpan>();
        int start = 0, end = text.Length;
        while (true)
        {
            while (start < end && PythonText.IsSpace(text[start]))
                start++;
            while (start < end && PythonText.IsSpace(text[end - 1]) && right)
                end--;
            if (start >= end)
                break;
            if (most >= 0 && words.Count == most)
            {
                words.Add(new TextSpan(start, end));
                break;
            }

            if (right)
            {
                int word = end;
                while (word > start && !PythonText.IsSpace(text[word - 1]))
                    word--;
                words.Add(new TextSpan(word, end));
                end = word;
            }
            else
            {
                int word = start;
                while (word < end && !PythonText.IsSpace(text[word]))
                    word++;
                words.Add(new TextSpan(start, word));
                start = word;
            }
        }

        if (right)
            words.Reverse();
        return words;
    }

    private static string Self(TemplateValue?[] x) => TemplateMethods.Text(x[0]!);

    private static StringValue Own(TemplateValue?[] x) => TemplateMethods.TextValue(x[0]!);

    private static TemplateFunction Map(string name, Func<string, string> map) => new(name, "self", (e, x) => e.Text(Own(x).Mapped(map))) { KeepsOrigin = true };

    private static TemplateFunction Check(string name, Func<string, bool> check) => new(name, "self", (_, x) => BoolValue.Of(Self(x).Length > 0 && check(Self(x))));

    private static bool Runes(string text, Func<Rune, bool> check)
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!check(rune))
                return false;
        }

        return true;
    }

    private static StringValue Fill(TemplateValue? fill)
    {
        if (fill is null)
            return PythonFormat.Space;
        return fill is StringValue { Length: 1 } one ? one : throw TemplateFault.Type("The fill character must be exactly one character long");
    }

    private static ListValue Split(TemplateEvaluator evaluator, TemplateValue?[] x, bool right)
    {
        StringValue own = Own(x);
        string text = own.Text;
        BigInteger most = x[2] is null ? -1 : TemplateMethods.Integer(x[2]!);
        List<TextSpan> parts;
        if (x[1] is null or NoneValue)
        {
            parts = Words(text, most, right);
        }
        else
        {
            string separator = TemplateMethods.Text(x[1]!);
            if (separator.Length == 0)
                throw TemplateFault.Value("empty separator");
            parts = Parts(text, separator, most, right);
        }

        evaluator.Budget.Charge(parts.Count + (text.Length >> 4));
        return new ListValue([.. parts.Select(p => own.Part(p.Start, p.End))]);
    }

    private static List<TextSpan> Parts(string text, string separator, BigInteger most, bool right)
    {
        var parts = new List<TextSpan>();
        int start = 0, end = text.Length;
        while (most < 0 || parts.Count < most)
        {
            int found = right ? text.AsSpan(0, end).LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, start, StringComparison.Ordinal);
            if (found < 0)
                break;
            parts.Add(right ? new TextSpan(found + separator.Length, end) : new TextSpan(start, found));
            (start, end) = right ? (0, found) : (found + separator.Length, end);
        }

        parts.Add(new TextSpan(start, end));
        if (right)
            parts.Reverse();
        return parts;
    }

    private static TupleValue Partition(StringValue text, string separator, bool right)
    {
        if (separator.Length == 0)
            throw TemplateFault.Value("empty separator");
        int length = text.Text.Length;
        int at = right ? text.Text.LastIndexOf(separator, StringComparison.Ordinal) : text.Text.IndexOf(separator, StringComparison.Ordinal);
        int end = at < 0 ? (right ? 0 : length) : at + separator.Length;
        at = at < 0 ? end : at;
        return new TupleValue([text.Part(0, at), text.Part(at, end), text.Part(end, length)]);
    }

    private static StringValue Join(TemplateEvaluator evaluator, StringValue separator, TemplateValue items)
    {
        var text = new TemplateText();
        int index = 0;
        if (items is IntValue or FloatValue or BoolValue or NoneValue)
            throw TemplateFault.Type("can only join an iterable");
        foreach (TemplateValue item in TemplateOperators.Iterate(items))
        {
            if (item is not StringValue part)
                throw TemplateFault.Type($"sequence item {index}: expected str instance, {item.TypeName} found");
            if (index++ > 0)
                text.Append(separator);
            text.Append(separator.Safe ? part.Made(TemplateFilters.Escape(part)) : part);
            evaluator.Budget.Charge(1);
            evaluator.Budget.Text(text.Length);
        }

        return text.ToValue();
    }

    /// <summary>The part of the text between start and end, which count code points, and where it starts; null when start lies behind the end.</summary>
    private static (string Part, int From)? Window(TemplateValue?[] x)
    {
        string text = Self(x);
        if (x[2] is null or NoneValue && x[3] is null or NoneValue)
            return (text, 0);
        BigInteger length = PythonText.CodePoints(text);
        BigInteger from = At(x[2], 0), to = BigInteger.Min(At(x[3], length), length);
        return from > length || from > to ? null : (text[PythonText.Offset(text, (int)from)..PythonText.Offset(text, (int)to)], (int)from);

        BigInteger At(TemplateValue? value, BigInteger fallback)
        {
            if (value is null or NoneValue)
                return fallback;
            BigInteger at = TemplateMethods.Integer(value);
            return at < 0 ? BigInteger.Max(at + length, 0) : at;
        }
    }

    private static bool Any(TemplateValue?[] x, Func<string, string, bool> check)
    {
        if (Window(x) is not { } window)
            return false;
        TemplateValue[] parts = x[1] is TupleValue tuple ? tuple.Items : [x[1]!];
        return parts.Any(p => check(window.Part, TemplateMethods.Text(p)));
    }

    private static int Find(TemplateValue?[] x, bool last)
    {
        string part = TemplateMethods.Text(x[1]!);
        if (Window(x) is not { } window)
            return -1;
        int at = last ? (part.Length == 0 ? window.Part.Length : window.Part.LastIndexOf(part, StringComparison.Ordinal)) : window.Part.IndexOf(part, StringComparison.Ordinal);
        return at < 0 ? -1 : window.From + PythonText.CodePoints(window.Part.AsSpan(0, at));
    }

    private static int Count(TemplateValue?[] x)
    {
        string part = TemplateMethods.Text(x[1]!);
        if (Window(x) is not { } window)
            return 0;
        return part.Length == 0 ? PythonText.CodePoints(window.Part) + 1 : window.Part.AsSpan().Count(part);
    }

    private static string ExpandTabs(TemplateEvaluator evaluator, string text, int size)
    {
        var result = new StringBuilder();
        int column = 0;
        foreach (char c in text)
        {
            if (c == '\t')
            {
                int spaces = size == 0 ? 0 : size - (column % size);
                result.Append(' ', spaces);
                column += spaces;
                evaluator.Budget.Text(result.Length);
            }
            else
            {
                result.Append(c);
                column = c is '\n' or '\r' ? 0 : column + (char.IsLowSurrogate(c) ? 0 : 1);
            }
        }

        return result.ToString();
    }

    private static StringValue Translate(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        var result = new StringBuilder();
        foreach (string character in PythonText.Characters(Self(x)))
        {
            int code = character.Length == 2 ? char.ConvertToUtf32(character, 0) : character[0];
            result.Append(TemplateOperators.Item(x[1]!, IntValue.Of(code)) switch
            {
                null => character,
                NoneValue => "",
                StringValue text => text.Text,
                { } number => char.ConvertFromUtf32((int)BigInteger.Clamp(TemplateMethods.Integer(number), 0, 0xD7FF)),
            });
            evaluator.Budget.Text(result.Length);
        }

        return new StringValue(result.ToString());
    }
}
