using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tandem.Models;

/// <summary>Python's two ways to format: the <c>%</c> operator and <c>str.format</c>.</summary>
internal static class PythonFormat
{
    /// <summary>What pads where nothing else is asked for.</summary>
    public static readonly StringValue Space = new(" ");

    private const int MaxWidth = 100_000;

    /// <summary>A format specification: fill, alignment, sign, alternate form, width, grouping, precision and type.</summary>
    private readonly record struct Spec(string Fill, char Align, char Sign, bool Alternate, int Width, char Group, int? Precision, char Type);

    /// <summary><c>format % values</c>.</summary>
    public static StringValue Percent(StringValue formatText, TemplateValue values, TemplateEvaluator evaluator)
    {
        string format = formatText.Text;
        TemplateValue[] items = values is TupleValue tuple ? tuple.Items : [values];
        int used = 0;
        bool named = false;
        var text = new TemplateText();
        TemplateValue Next() => used < items.Length ? items[used++] : throw TemplateFault.Type("not enough arguments for format string");
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }

            i++;
            TemplateValue? value = null;
            if (i < format.Length && format[i] == '(')
            {
                int close = format.IndexOf(')', i);
                if (close < 0)
                    throw TemplateFault.Value("incomplete format key");
                if (values is not DictValue dict)
                    throw values is UndefinedValue undefined ? undefined.Fault() : TemplateFault.Type("format requires a mapping");
                var key = new StringValue(format[(i + 1)..close]);
                value = dict.Items.GetValueOrDefault(key) ?? throw new TemplateFault("KeyError", PythonText.Repr(key.Text));
                named = true;
                i = close + 1;
            }

            string flags = "";
            for (; i < format.Length && "-+ #0".Contains(format[i], StringComparison.Ordinal); i++)
                flags += format[i];
            int? width = Count(format, ref i, Next);
            int? precision = i < format.Length && format[i] == '.' ? Count(format, ref i, Next, skip: 1) ?? 0 : null;
            while (i < format.Length && format[i] is 'l' or 'h' or 'L')
                i++;
            if (i >= format.Length)
                throw TemplateFault.Value("incomplete format");
            if (format[i] == '%')
            {
                text.Append('%');
                continue;
            }

            text.Append(One(format[i], flags, width ?? 0, precision, value ?? Next(), evaluator));
            evaluator.Budget.Text(text.Length);
        }

        if (!named && used < items.Length && values is not DictValue and not ListValue)
            throw TemplateFault.Type("not all arguments converted during string formatting");
        return Formatted(text, formatText);
    }

    /// <summary><c>format.format(...)</c>; attributes are looked up as templates do.</summary>
    public static StringValue Braces(StringValue formatText, IReadOnlyList<TemplateValue> positional, Func<string, TemplateValue?> named, TemplateEvaluator evaluator, int depth = 0)
    {
        string format = formatText.Text;
        if (depth > 2)
            throw TemplateFault.Value("Max string recursion exceeded");
        var text = new TemplateText();
        int automatic = 0;
        for (int i = 0; i < format.Length; i++)
        {
            char c = format[i];
            if (c is '{' or '}' && i + 1 < format.Length && format[i + 1] == c)
            {
                text.Append(c);
                i++;
            }
            else if (c == '}')
            {
                throw TemplateFault.Value("Single '}' encountered in format string");
            }
            else if (c == '{')
            {
                int end = i + 1;
                for (int open = 1; ; end++)
                {
                    if (end >= format.Length)
                        throw TemplateFault.Value("expected '}' before end of string");
                    open += format[end] == '{' ? 1 : format[end] == '}' ? -1 : 0;
                    if (open == 0)
                        break;
                }

                text.Append(Field(formatText.Made(format[(i + 1)..end]), positional, named, ref automatic, evaluator, depth));
                evaluator.Budget.Text(text.Length);
                i = end;
            }
            else
            {
                text.Append(c);
            }
        }

        return Formatted(text, formatText);
    }

    /// <summary>A number with that many decimals, a tie going to the even digit.</summary>
    public static string Fixed(double value, int decimals)
    {
        if (!double.IsFinite(value))
            return PythonText.Float(value);
        string text = value.ToString("F" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        string exact = value.ToString("F" + (decimals + 60).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        string rest = exact[(exact.IndexOf('.', StringComparison.Ordinal) + 1 + decimals)..];
        if (rest[0] == '5' && rest.AsSpan(1).IndexOfAnyExcept('0') < 0)
        {
            // A tie: the digit before it decides, and cutting is rounding down.
            string cut = exact[..^60].TrimEnd('.');
            int last = cut[^1] - '0';
            if (last % 2 == 0)
                text = cut;
        }

        return double.IsNegative(value) && !text.StartsWith('-') ? "-" + text : text;
    }

    /// <summary>Pads a text on the left, the right or both sides, counting code points.</summary>
    public static string Pad(string text, char align, BigInteger width, string fill, TemplateEvaluator evaluator) =>
        Pad(new StringValue(text), align, width, new StringValue(fill), evaluator).Text;

    /// <summary>Pads a text on the left, the right or both sides, counting code points.</summary>
    public static StringValue Pad(StringValue text, char align, BigInteger width, StringValue fill, TemplateEvaluator evaluator)
    {
        BigInteger missing = width - text.Length;
        if (missing <= 0)
            return text.Part(0, text.Text.Length);
        evaluator.Budget.Text((long)BigInteger.Min(missing * fill.Text.Length, long.MaxValue));
        int count = (int)missing;
        int left = align switch { '<' => 0, '>' => count, _ => count / 2 };
        var padded = new TemplateText();
        for (int i = 0; i < left; i++)
            padded.Append(fill);
        padded.Append(text);
        for (int i = left; i < count; i++)
            padded.Append(fill);
        return padded.ToValue();
    }

    // A format that came from the input makes all of its result input.
    private static StringValue Formatted(TemplateText text, StringValue format)
    {
        if (format.Input is not null)
            text.MarkInput(0);
        return text.ToValue();
    }

    private static int? Count(string format, ref int at, Func<TemplateValue> next, int skip = 0)
    {
        at += skip;
        if (at < format.Length && format[at] == '*')
        {
            at++;
            return (int)BigInteger.Clamp(TemplateMethods.Integer(next()), 0, MaxWidth);
        }

        int start = at;
        while (at < format.Length && char.IsAsciiDigit(format[at]))
            at++;
        if (at == start)
            return null;
        return int.TryParse(format.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count <= MaxWidth
            ? count
            : throw TemplateFault.Value($"width and precision are at most {MaxWidth}");
    }

    private static StringValue One(char type, string flags, int width, int? precision, TemplateValue value, TemplateEvaluator evaluator)
    {
        char align = flags.Contains('-', StringComparison.Ordinal) ? '<' : '>';
        char sign = flags.Contains('+', StringComparison.Ordinal) ? '+' : flags.Contains(' ', StringComparison.Ordinal) ? ' ' : '-';
        bool zero = flags.Contains('0', StringComparison.Ordinal) && align == '>';
        switch (type)
        {
            case 's' or 'r' or 'a':
                StringValue text = type == 's' ? PythonText.StrValue(value, evaluator.Budget) : PythonText.ReprValue(value, evaluator.Budget);
                return Pad(precision is { } p && p < text.Length ? text.Part(0, PythonText.Offset(text.Text, p)) : text, align, width, Space, evaluator);
            case 'c':
                // Numbers carry no origin: the character that one makes could be the input's.
                return Pad(value is StringValue { Length: 1 } s ? s : new StringValue(char.ConvertFromUtf32((int)BigInteger.Clamp(TemplateMethods.Integer(value), 0, 0xD7FF)), input: StringValue.Whole), align, width, Space, evaluator);
            case 'd' or 'i' or 'u' or 'x' or 'X' or 'o' or 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                if (value is UndefinedValue undefined)
                    throw undefined.Fault();
                if (TemplateOperators.Number(value) is not { } number)
                    throw TemplateFault.Type($"%{type} format: a {(type is 'd' or 'i' or 'u' ? "real number" : type is 'x' or 'X' or 'o' ? "integer" : "real number")} is required, not {value.TypeName}");
                if (type is 'd' or 'i' or 'u' && number.Float is { } f)
                    number = (double.IsFinite(f) ? new BigInteger(f) : throw TemplateFault.Overflow("cannot convert float infinity or NaN to integer"), null);
                var spec = new Spec(zero ? "0" : " ", zero ? '=' : align, sign, flags.Contains('#', StringComparison.Ordinal), width, '\0', precision, type is 'i' or 'u' ? 'd' : type);
                return new StringValue(FormatNumber(number, spec, evaluator));
            default:
                throw TemplateFault.Value($"unsupported format character '{type}' (0x{(int)type:x})");
        }
    }

    private static StringValue Field(StringValue fieldText, IReadOnlyList<TemplateValue> positional, Func<string, TemplateValue?> named, ref int automatic, TemplateEvaluator evaluator, int depth)
    {
        string field = fieldText.Text;
        int colon = field.IndexOf(':', StringComparison.Ordinal);
        string spec = colon < 0 ? "" : field[(colon + 1)..];
        string name = colon < 0 ? field : field[..colon];
        char conversion = name.Length > 1 && name[^2] == '!' ? name[^1] : '\0';
        if (conversion != '\0')
            name = name[..^2];
        int end = name.AsSpan().IndexOfAny('.', '[') is var at && at < 0 ? name.Length : at;
        string head = name[..end];
        TemplateValue value = head.Length == 0 ? Positional(automatic++, positional)
            : int.TryParse(head, NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? Positional(index, positional)
            : named(head) ?? throw new TemplateFault("KeyError", PythonText.Repr(head));
        while (end < name.Length)
        {
            bool item = name[end] == '[';
            int stop = item ? name.IndexOf(']', end) : name.AsSpan(end + 1).IndexOfAny('.', '[') is var next && next < 0 ? name.Length : end + 1 + next;
            if (stop < 0)
                throw TemplateFault.Value("Missing ']' in format string");
            string part = name[(end + 1)..stop];
            value = !item ? evaluator.Attribute(value, new StringValue(part))
                : evaluator.Item(value, int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? IntValue.Of(number) : new StringValue(part));
            end = item ? stop + 1 : stop;
        }

        if (conversion != '\0')
            value = conversion == 's' ? PythonText.StrValue(value, evaluator.Budget) : PythonText.ReprValue(value, evaluator.Budget);
        return Format(value, Braces(fieldText.Made(spec), positional, named, evaluator, depth + 1), evaluator);
    }

    private static TemplateValue Positional(int index, IReadOnlyList<TemplateValue> values) =>
        index < values.Count ? values[index] : throw new TemplateFault("IndexError", $"Replacement index {index} out of range for positional args tuple");

    /// <summary>One value by a specification such as <c>&gt;8.2f</c>.</summary>
    private static StringValue Format(TemplateValue value, StringValue specification, TemplateEvaluator evaluator)
    {
        if (specification.Text.Length == 0)
            return PythonText.StrValue(value, evaluator.Budget);
        Spec spec = Parse(specification.Text);
        if (value is not StringValue && TemplateOperators.Number(value) is { } number && (value is not BoolValue || spec.Type != '\0'))
            return specification.Made(FormatNumber(number, spec, evaluator));
        if (value is not StringValue text)
            throw TemplateFault.Type($"unsupported format string passed to {value.TypeName}.__format__");
        if (spec.Type is not ('s' or '\0'))
            throw TemplateFault.Value($"Unknown format code '{spec.Type}' for object of type 'str'");
        StringValue cut = spec.Precision is { } p && p < text.Length ? text.Part(0, PythonText.Offset(text.Text, p)) : text;
        return Pad(cut, spec.Align == '\0' ? '<' : spec.Align, spec.Width, specification.Made(spec.Fill), evaluator);
    }

    private static Spec Parse(string text)
    {
        int at = 0;
        string fill = " ";
        char align = '\0';
        int first = text.Length > 1 && char.IsSurrogatePair(text[0], text[1]) ? 2 : 1;
        if (text.Length > first && text[first] is '<' or '>' or '=' or '^')
        {
            (fill, align) = (text[..first], text[first]);
            at = first + 1;
        }
        else if (text[0] is '<' or '>' or '=' or '^')
        {
            align = text[0];
            at = 1;
        }

        char sign = at < text.Length && text[at] is '+' or '-' or ' ' ? text[at++] : '-';
        bool alternate = at < text.Length && text[at] == '#';
        at += alternate ? 1 : 0;
        if (at < text.Length && text[at] == '0' && align == '\0')
            (fill, align) = ("0", '=');
        int width = Count(text, ref at, () => throw TemplateFault.Value("Invalid format specifier")) ?? 0;
        char group = at < text.Length && text[at] is ',' or '_' ? text[at++] : '\0';
        int? precision = null;
        if (at < text.Length && text[at] == '.')
            precision = Count(text, ref at, () => throw TemplateFault.Value("Invalid format specifier"), skip: 1) ?? throw TemplateFault.Value("Format specifier missing precision");
        char type = at < text.Length ? text[at++] : '\0';
        return at < text.Length ? throw TemplateFault.Value("Invalid format specifier") : new Spec(fill, align, sign, alternate, width, group, precision, type);
    }

    private static string FormatNumber((BigInteger Integer, double? Float) number, Spec spec, TemplateEvaluator evaluator)
    {
        bool negative = number.Float is { } f ? double.IsNegative(f) && !double.IsNaN(f) : number.Integer < 0;
        string digits = Digits(number, spec).TrimStart('-');
        if (spec.Group != '\0')
        {
            int whole = digits.AsSpan().IndexOfAnyExceptInRange('0', '9') is var end && end < 0 ? digits.Length : end;
            for (int i = whole - 3; i > 0; i -= 3)
                digits = digits.Insert(i, spec.Group.ToString());
        }

        string sign = negative ? "-" : spec.Sign == '-' ? "" : spec.Sign.ToString();
        if (spec.Align == '=')
            return sign + Pad(digits, '>', spec.Width - sign.Length, spec.Fill, evaluator);
        return Pad(sign + digits, spec.Align == '\0' ? '>' : spec.Align, spec.Width, spec.Fill, evaluator);
    }

    private static string Digits((BigInteger Integer, double? Float) number, Spec spec)
    {
        bool upper = char.IsUpper(spec.Type);
        switch (spec.Type)
        {
            case 'd' or 'n' or '\0' when number.Float is null:
                string plain = BigInteger.Abs(number.Integer).ToString(CultureInfo.InvariantCulture);
                return spec.Precision is { } p ? plain.PadLeft(p, '0') : plain;
            case 'x' or 'X' or 'o' or 'b' when number.Float is null:
                string based = InBase(BigInteger.Abs(number.Integer), spec.Type is 'o' ? 8 : spec.Type is 'b' ? 2 : 16);
                based = (spec.Alternate ? "0" + char.ToLowerInvariant(spec.Type) : "") + based;
                return upper ? based.ToUpperInvariant() : based;
            case 'x' or 'X' or 'o' or 'b' or 'd':
                throw TemplateFault.Value($"Unknown format code '{spec.Type}' for object of type 'float'");
        }

        double value = Math.Abs(number.Float ?? TemplateOperators.ToDouble(number.Integer));
        string text = char.ToLowerInvariant(spec.Type) switch
        {
            'f' => Fixed(value, spec.Precision ?? 6),
            '%' => Fixed(value * 100, spec.Precision ?? 6) + "%",
            'e' => Exponent(value, spec.Precision ?? 6),
            'g' or 'n' => General(value, spec.Precision ?? 6, spec.Alternate),
            '\0' => spec.Precision is { } p ? General(value, p, false) : PythonText.Float(value),
            _ => throw TemplateFault.Value($"Unknown format code '{spec.Type}' for object of type '{(number.Float is null ? "int" : "float")}'"),
        };
        return upper ? text.ToUpperInvariant() : text;
    }

    private static string InBase(BigInteger value, int radix)
    {
        if (value.IsZero)
            return "0";
        var digits = new StringBuilder();
        for (; !value.IsZero; value /= radix)
            digits.Insert(0, "0123456789abcdef"[(int)(value % radix)]);
        return digits.ToString();
    }

    private static string Exponent(double value, int decimals)
    {
        if (!double.IsFinite(value))
            return PythonText.Float(value);
        string text = value.ToString("E" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        int e = text.IndexOf('E', StringComparison.Ordinal);
        int exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return $"{text[..e]}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    private static string General(double value, int precision, bool keepZeros)
    {
        if (!double.IsFinite(value))
            return PythonText.Float(value);
        precision = Math.Max(precision, 1);
        string scientific = Exponent(value, precision - 1);
        int e = scientific.IndexOf('e', StringComparison.Ordinal);
        int exponent = value == 0 ? 0 : int.Parse(scientific.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent >= -4 && exponent < precision)
            return Trim(Fixed(value, precision - 1 - exponent));
        return Trim(scientific[..e]) + scientific[e..];

        string Trim(string text) => keepZeros || !text.Contains('.', StringComparison.Ordinal) ? text : text.TrimEnd('0').TrimEnd('.');
    }
}
