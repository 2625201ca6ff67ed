using System.Buffers;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tandem.Models;

/// <summary>How Python prints values (str and repr) and what it calls white space.</summary>
internal static class PythonText
{
    /// <summary>The characters that Python's str.isspace is true for.</summary>
    public static readonly SearchValues<char> Spaces =
        SearchValues.Create([.. Enumerable.Range(0, 0x10000).Select(x => (char)x).Where(x => char.IsWhiteSpace(x) || x is >= '\x1c' and <= '\x1f')]);

    private const int MaxDepth = 200;

    public static bool IsSpace(char c) => c <= ' ' ? c is ' ' or (>= '\t' and <= '\r') or (>= '\x1c' and <= '\x1f') : c >= '\x85' && char.IsWhiteSpace(c);

    public static int CodePoints(ReadOnlySpan<char> text)
    {
        int count = text.Length;
        for (int i = 0; i + 1 < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && char.IsLowSurrogate(text[i + 1]))
            {
                count--;
                i++;
            }
        }

        return count;
    }

    /// <summary>The place in UTF-16 of a code point.</summary>
    public static int Offset(string text, int codePoint)
    {
        int at = 0;
        for (; codePoint > 0 && at < text.Length; codePoint--)
            at += at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;
        return at;
    }

    /// <summary>The code points, each as a text of its own.</summary>
    public static IEnumerable<string> Characters(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                yield return text.Substring(i++, 2);
            else
                yield return text[i].ToString();
        }
    }

    /// <summary>What printing a value writes.</summary>
    public static string Str(TemplateValue value, TemplateBudget budget) => StrValue(value, budget).Text;

    /// <summary>What printing a value writes, and where its characters came from.</summary>
    public static StringValue StrValue(TemplateValue value, TemplateBudget budget)
    {
        switch (value)
        {
            case StringValue s:
                return s;
            case UndefinedValue u:
                u.Use();
                return StringValue.Empty;
            default:
                return ReprValue(value, budget);
        }
    }

    public static string Repr(TemplateValue value, TemplateBudget budget) => ReprValue(value, budget).Text;

    /// <summary>The value as it would be written in Python, and where the characters came from.</summary>
    public static StringValue ReprValue(TemplateValue value, TemplateBudget budget)
    {
        var result = new TemplateText();
        Write(result, value, budget, 0);
        return result.ToValue();
    }

    /// <summary>A text in quotes, chosen by its content, with what cannot be printed as escapes.</summary>
    public static string Repr(string text)
    {
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var result = new StringBuilder(text.Length + 2).Append(quote);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == quote || c == '\\')
                result.Append('\\').Append(c);
            else if (c is >= ' ' and < '\x7f')
                result.Append(c);
            else if (c is '\n' or '\r' or '\t')
                result.Append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
            else if (i + 1 < text.Length && char.IsSurrogatePair(c, text[i + 1]))
                AppendCode(result, char.ConvertToUtf32(c, text[++i]));
            else
                AppendCode(result, c);
        }

        return result.Append(quote).ToString();
    }

    public static string Float(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        string round = value.ToString("R", CultureInfo.InvariantCulture);
        string sign = round.StartsWith('-') ? "-" : "";
        int e = round.IndexOf('E', StringComparison.Ordinal);
        string mantissa = round[sign.Length..(e < 0 ? round.Length : e)];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal) is var dot && dot < 0 ? mantissa.Length : dot;
        string all = mantissa.Replace(".", "", StringComparison.Ordinal);
        string digits = all.TrimStart('0');
        int exponent = point - (all.Length - digits.Length) - 1 + (e < 0 ? 0 : int.Parse(round.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
        digits = digits.TrimEnd('0');
        if (digits.Length == 0)
            return sign + "0.0";
        if (exponent is < -4 or >= 16)
        {
            string first = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
            return $"{sign}{first}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }

        if (exponent < 0)
            return sign + "0." + new string('0', -exponent - 1) + digits;
        return digits.Length <= exponent + 1
            ? sign + digits.PadRight(exponent + 1, '0') + ".0"
            : sign + digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }

    private static void AppendCode(StringBuilder result, int code)
    {
        UnicodeCategory category = code is >= 0xD800 and < 0xE000 ? UnicodeCategory.Surrogate : CharUnicodeInfo.GetUnicodeCategory(code);
        bool printable = category is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
        if (printable)
            result.Append(char.ConvertFromUtf32(code));
        else if (code <= 0xFF)
            result.Append(CultureInfo.InvariantCulture, $"\\x{code:x2}");
        else if (code <= 0xFFFF)
            result.Append(CultureInfo.InvariantCulture, $"\\u{code:x4}");
        else
            result.Append(CultureInfo.InvariantCulture, $"\\U{code:x8}");
    }

    private static void Write(TemplateText to, TemplateValue value, TemplateBudget budget, int depth)
    {
        budget.Charge(1);
        if (to.Length > budget.MaxLength)
            budget.Text(to.Length);
        if (depth > MaxDepth)
            throw TemplateFault.Recursion("a value nested too deeply to print");
        switch (value)
        {
            case NoneValue: to.Append("None"); break;
            case BoolValue b: to.Append(b.Value ? "True" : "False"); break;
            case IntValue i: to.Append(i.Value.ToString(CultureInfo.InvariantCulture)); break;
            case FloatValue f: to.Append(Float(f.Value)); break;
            case StringValue { Safe: true } s: to.Append("Markup(").Append(Repr(s.Text), s.Input is not null).Append(')'); break;
            case StringValue s: to.Append(Repr(s.Text), s.Input is not null); break;
            case UndefinedValue: to.Append("Undefined"); break;
            case BytesValue b: WriteBytes(to, b.Value); break;
            case ListValue l: WriteItems(to, "[", l.Items, "]", budget, depth); break;
            case TupleValue t: WriteItems(to, "(", t.Items, t.Items.Length == 1 ? ",)" : ")", budget, depth); break;
            case DictValue d: WriteDict(to, d.Items, budget, depth); break;
            case DictViewValue v: WriteItems(to, v.TypeName + "([", v.Items(), "])", budget, depth); break;
            case RangeValue r:
                to.Append(string.Create(CultureInfo.InvariantCulture, $"range({r.Start}, {r.Stop}")).Append(r.Step.IsOne ? "" : ", " + r.Step.ToString(CultureInfo.InvariantCulture)).Append(')');
                break;
            case NamespaceValue n:
                to.Append("<Namespace ");
                WriteDict(to, n.Attributes.Select(x => KeyValuePair.Create<TemplateValue, TemplateValue>(new StringValue(x.Key, input: StringValue.Whole), x.Value)), budget, depth);
                to.Append('>');
                break;
            case SelfValue: to.Append("<TemplateReference None>"); break;
            default: to.Append('<').Append(value.TypeName).Append(" object>"); break;
        }
    }

    private static void WriteItems(TemplateText to, string open, IEnumerable<TemplateValue> items, string close, TemplateBudget budget, int depth)
    {
        to.Append(open);
        bool first = true;
        foreach (TemplateValue item in items)
        {
            if (!first)
                to.Append(", ");
            first = false;
            Write(to, item, budget, depth + 1);
        }

        to.Append(close);
    }

    private static void WriteDict(TemplateText to, IEnumerable<KeyValuePair<TemplateValue, TemplateValue>> items, TemplateBudget budget, int depth)
    {
        to.Append('{');
        bool first = true;
        foreach ((TemplateValue key, TemplateValue value) in items)
        {
            if (!first)
                to.Append(", ");
            first = false;
            Write(to, key, budget, depth + 1);
            to.Append(": ");
            Write(to, value, budget, depth + 1);
        }

        to.Append('}');
    }

    private static void WriteBytes(TemplateText to, byte[] bytes)
    {
        int start = to.Length;
        char quote = bytes.Contains((byte)'\'') && !bytes.Contains((byte)'"') ? '"' : '\'';
        to.Append('b').Append(quote);
        foreach (byte b in bytes)
        {
            if (b == quote || b == '\\')
                to.Append('\\').Append((char)b);
            else if (b is >= 32 and < 127)
                to.Append((char)b);
            else
                to.Append(b switch { 10 => "\\n", 13 => "\\r", 9 => "\\t", _ => string.Create(CultureInfo.InvariantCulture, $"\\x{b:x2}") });
        }

        to.Append(quote);
        to.MarkInput(start);
    }
}

/// <summary>Reading numbers as Python does.</summary>
internal static class PythonNumbers
{
    private const int MaxDigits = 4300;

    /// <summary>An integer literal, with its prefix for other bases.</summary>
    public static BigInteger ParseInteger(string text)
    {
        if (text.Length > MaxDigits)
            throw TemplateFault.Value($"an integer of more than {MaxDigits} digits");
        bool negative = text.StartsWith('-');
        string digits = text.TrimStart('-', '+');
        int radix = digits.Length > 1 && digits[0] == '0' ? char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 10 } : 10;
        BigInteger value = TryParse(radix == 10 ? digits : digits[2..], radix) ?? throw TemplateFault.Value($"invalid literal for int(): '{text}'");
        return negative ? -value : value;
    }

    /// <summary>Digits in a base from 2 to 36, or null.</summary>
    public static BigInteger? TryParse(string digits, int radix)
    {
        if (digits.Length is 0 or > MaxDigits)
            return null;
        if (radix == 10 && digits.All(char.IsAsciiDigit))
            return BigInteger.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        BigInteger value = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : 99;
            if (digit >= radix)
                return null;
            value = (value * radix) + digit;
        }

        return value;
    }
}
