using System.Collections.Frozen;
using System.Globalization;
using System.Net;
using System.Numerics;
using System.Text;

namespace Tandem.Models;

/// <summary>The filters that stand after a bar: this part has those for texts and numbers.</summary>
internal static partial class TemplateFilters
{
    public static readonly FrozenDictionary<string, TemplateFunction> All = Build();

    /// <summary>The text with the characters that mean something in HTML replaced.</summary>
    public static string Escape(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("\"", "&#34;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal);

    /// <summary>The text as it may stand in HTML: escaped unless it was marked safe.</summary>
    public static string Escape(StringValue text) => text.Safe ? text.Text : Escape(text.Text);

    private static FrozenDictionary<string, TemplateFunction> Build()
    {
        List<TemplateFunction> all =
        [
            Map("upper", PythonCase.Upper, keepSafe: true),
            Map("lower", PythonCase.Lower, keepSafe: true),
            Map("capitalize", PythonCase.Capitalize, keepSafe: true),
            Map("title", Title),
            new("string", "s", (e, x) => e.Text(Str(e, x[0]).Part(0, Str(e, x[0]).Text.Length))) { KeepsOrigin = true },
            new("striptags", "s", (e, x) => e.Text(Str(e, x[0]).Made(StripTags(Str(e, x[0]).Text)))) { KeepsOrigin = true },
            new("safe", "value", (e, x) => Str(e, x[0]) is var text ? new StringValue(text.Text, safe: true, input: text.Input) : text) { KeepsOrigin = true },
            new("forceescape", "value", (e, x) => Str(e, x[0]) is var text ? text.Made(Escape(text.Text), safe: true) : text) { KeepsOrigin = true },
            new("trim", "value chars?", (e, x) => e.Text(PythonStrings.Strip(Str(e, x[0]), x[1], left: true, right: true))) { KeepsOrigin = true },
            new("replace", "s old new count?", Replace) { KeepsOrigin = true },
            new("center", "value width?", (e, x) => e.Text(PythonStrings.Center(e, Str(e, x[0]), Int(x[1], 80), PythonFormat.Space))) { KeepsOrigin = true },
            new("indent", "s width? first? blank?", Indent) { KeepsOrigin = true },
            new("truncate", "s length? killwords? end? leeway?", Truncate) { KeepsOrigin = true },
            new("wordwrap", "s width? break_long_words? wrapstring? break_on_hyphens?", WordWrap),
            new("wordcount", "s", (e, x) => IntValue.Of(CountWords(Str(e, x[0]).Text))),
            new("format", Format) { KeepsOrigin = true },
            new("urlencode", "value", UrlEncode),
            new("xmlattr", "d autospace?", XmlAttributes),
            new("filesizeformat", "value binary?", FileSize),
            new("pprint", "value", (e, x) => e.Text(PythonText.ReprValue(x[0]!, e.Budget))) { KeepsOrigin = true },
            new("tojson", "x ensure_ascii? indent? separators? sort_keys?", TemplateJson.Filter) { KeepsOrigin = true },
            new("int", "value default? base?", ToInteger),
            new("float", "value default?", (e, x) => Float(x[0]!) is { } f ? new FloatValue(f) : x[1] ?? new FloatValue(0)),
            new("round", "value precision? method?", Round),
            new("abs", "x", (_, x) => TemplateOperators.Number(x[0]!) is not { } n ? throw TemplateFault.Type($"bad operand type for abs(): '{x[0]!.TypeName}'")
                : n.Float is { } f ? new FloatValue(Math.Abs(f)) : IntValue.Of(BigInteger.Abs(n.Integer))),
            .. Sequences(),
        ];
        foreach (string name in new[] { "escape", "e" })
            all.Add(new(name, "value", (e, x) => x[0] is StringValue { Safe: true } safe ? safe : Str(e, x[0]) is var text ? text.Made(Escape(text.Text), safe: true) : text) { KeepsOrigin = true });
        foreach (string name in new[] { "default", "d" })
            all.Add(new(name, "value default_value? boolean?", (_, x) => x[0] is UndefinedValue || ((x[2]?.Truth ?? false) && !x[0]!.Truth) ? x[1] ?? StringValue.Empty : x[0]!) { KeepsOrigin = true });
        return TemplateMethods.Table([.. all]);
    }

    private static StringValue Str(TemplateEvaluator evaluator, TemplateValue? value) => PythonText.StrValue(value!, evaluator.Budget);

    /// <summary>The text of a value that must be one.</summary>
    private static StringValue Text(TemplateValue value) => value as StringValue ?? new StringValue(TemplateMethods.Text(value));

    private static BigInteger Int(TemplateValue? value, int fallback) => value is null or NoneValue ? fallback : TemplateMethods.Integer(value);

    private static TemplateFunction Map(string name, Func<string, string> map, bool keepSafe = false) =>
        new(name, "s", (e, x) => keepSafe && x[0] is StringValue { Safe: true } safe ? safe.Mapped(map, safe: true) : e.Text(Str(e, x[0]).Mapped(map))) { KeepsOrigin = true };

    private static string Title(string text)
    {
        var result = new StringBuilder();
        bool start = true;
        foreach (string c in PythonText.Characters(text))
        {
            bool separator = PythonText.IsSpace(c[0]) || c[0] is '-' or '(' or '{' or '[' or '<';
            result.Append(start && !separator ? PythonCase.Upper(c) : PythonCase.Lower(c));
            start = separator;
        }

        return result.ToString();
    }

    private static string StripTags(string text)
    {
        var result = new StringBuilder();
        for (int at = 0; at < text.Length;)
        {
            int end = -1;
            if (text[at] == '<')
            {
                bool comment = string.CompareOrdinal(text, at, "<!--", 0, 4) == 0;
                end = text.IndexOf(comment ? "-->" : ">", at, StringComparison.Ordinal) is var found && found < 0 ? -1 : found + (comment ? 3 : 1);
            }

            if (end < 0)
                result.Append(text[at++]);
            else
                at = end;
        }

        return WebUtility.HtmlDecode(string.Join(' ', PythonStrings.Words(result.ToString(), -1, right: false).Select(w => result.ToString(w.Start, w.End - w.Start))));
    }

    private static StringValue Replace(TemplateEvaluator evaluator, TemplateValue?[] x) =>
        evaluator.Text(PythonStrings.Replace(evaluator, Str(evaluator, x[0]), Str(evaluator, x[1]).Text, Str(evaluator, x[2]), Int(x[3], -1)));

    private static StringValue Indent(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        StringValue indent = x[1] as StringValue ?? new StringValue(new string(' ', (int)BigInteger.Clamp(Int(x[1], 4), 0, 10_000)));
        bool blank = x[3]?.Truth ?? false, first = x[2]?.Truth ?? false;
        StringValue text = Text(x[0]!);
        TextSpan[] lines = [.. PythonStrings.Lines(text.Text + "\n")];
        evaluator.Budget.Text(lines.Sum(l => (long)l.End - l.Start + indent.Text.Length));
        var result = new TemplateText();
        for (int i = 0; i < lines.Length; i++)
        {
            if (i > 0)
                result.Append('\n');
            if (i > 0 ? blank || lines[i].End > lines[i].Start : first)
                result.Append(indent);
            result.Append(text, lines[i].Start, lines[i].End);
        }

        return evaluator.Text(result.ToValue());
    }

    private static TemplateValue Truncate(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        StringValue end = x[3] is null ? new StringValue("...") : Str(evaluator, x[3]);
        BigInteger length = Int(x[1], 255), leeway = Int(x[4], 5);
        BigInteger keep = length - end.Length;
        if (keep < 0)
            throw new TemplateFault("AssertionError", $"expected length >= {end.Length}, got {length}");
        if (TemplateOperators.Length(x[0]!) <= length + leeway)
            return x[0]!;
        StringValue text = Text(x[0]!);
        int cut = PythonText.Offset(text.Text, (int)keep);
        if (!(x[2]?.Truth ?? false) && text.Text.AsSpan(0, cut).LastIndexOf(' ') is var space and >= 0)
            cut = space;
        return TemplateText.Join(text.Part(0, cut), end);
    }

    /// <summary>Wraps at white space, and inside words longer than a line.</summary>
    private static StringValue WordWrap(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        int width = (int)BigInteger.Clamp(Int(x[1], 79), 1, int.MaxValue);
        bool breakLong = x[2]?.Truth ?? true;
        var lines = new List<string>();
        string all = (x[0] as StringValue ?? throw TemplateFault.Attribute(x[0]!, "splitlines")).Text;
        foreach (TextSpan span in PythonStrings.Lines(all))
        {
            string paragraph = all[span.Start..span.End];
            var line = new StringBuilder();
            int before = lines.Count;
            foreach (TextSpan word in PythonStrings.Words(paragraph, -1, right: false))
            {
                string rest = paragraph[word.Start..word.End];
                if (line.Length > 0 && line.Length + 1 + rest.Length > width)
                    Flush();
                for (; breakLong && rest.Length > width; rest = rest[width..])
                    lines.Add(rest[..width]);
                line.Append(line.Length > 0 ? " " : "").Append(rest);
            }

            if (line.Length > 0 || lines.Count == before)
                Flush();

            void Flush()
            {
                lines.Add(line.ToString());
                line.Clear();
            }
        }

        return evaluator.Text(string.Join(x[3] is null or NoneValue ? "\n" : Str(evaluator, x[3]).Text, lines));
    }

    private static int CountWords(string text)
    {
        int count = 0;
        bool inside = false;
        foreach (char c in text)
        {
            bool word = c == '_' || char.IsLetterOrDigit(c);
            count += word && !inside ? 1 : 0;
            inside = word;
        }

        return count;
    }

    private static StringValue Format(TemplateEvaluator evaluator, CallArguments arguments)
    {
        TemplateValue[] values = [.. arguments.Positional.Skip(1)];
        if (values.Length > 0 && arguments.Named.Count > 0)
            throw TemplateFault.Type("can't handle positional and keyword arguments at the same time");
        StringValue format = Str(evaluator, arguments.Positional[0]);
        return evaluator.Text(PythonFormat.Percent(format, arguments.Named.Count > 0 ? TemplateValue.Mapping(arguments.Named) : new TupleValue(values), evaluator));
    }

    private static StringValue UrlEncode(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        if (x[0] is StringValue or IntValue or FloatValue or BoolValue or NoneValue)
            return evaluator.Text(Quote(Str(evaluator, x[0]).Text, "/"));
        IEnumerable<TemplateValue> pairs = x[0] is DictValue dict ? new DictViewValue(dict, "items").Items() : TemplateOperators.Items(x[0]!, evaluator);
        return evaluator.Text(string.Join('&', pairs.Select(p => TemplateOperators.Items(p, evaluator) is [var key, var value]
            ? Quote(Str(evaluator, key).Text, "").Replace("%20", "+", StringComparison.Ordinal) + "=" + Quote(Str(evaluator, value).Text, "").Replace("%20", "+", StringComparison.Ordinal)
            : throw TemplateFault.Value("urlencode takes pairs"))));
    }

    private static string Quote(string text, string safe)
    {
        var result = new StringBuilder();
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            if (char.IsAsciiLetterOrDigit((char)b) || "_.-~".Contains((char)b, StringComparison.Ordinal) || safe.Contains((char)b, StringComparison.Ordinal))
                result.Append((char)b);
            else
                result.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        }

        return result.ToString();
    }

    private static StringValue XmlAttributes(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        if (x[0] is not DictValue dict)
            throw TemplateFault.Attribute(x[0]!, "items");
        string text = string.Join(' ', dict.Items.Where(i => i.Value is not (NoneValue or UndefinedValue)).Select(i => $"{Escape(Str(evaluator, i.Key).Text)}=\"{Escape(Str(evaluator, i.Value).Text)}\""));
        return evaluator.Text(text.Length > 0 && (x[1]?.Truth ?? true) ? " " + text : text);
    }

    private static StringValue FileSize(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        bool binary = x[1]?.Truth ?? false;
        double bytes = Float(x[0]!) ?? throw TemplateFault.Value($"could not convert to float: {PythonText.Repr(x[0]!, evaluator.Budget)}");
        double unit = binary ? 1024 : 1000;
        if (bytes == 1)
            return new StringValue("1 Byte");
        if (bytes < unit)
            return new StringValue($"{new BigInteger(bytes)} Bytes");
        int power = 0;
        double size = bytes / unit;
        for (; power < 7 && size >= unit; power++)
            size /= unit;
        return new StringValue($"{PythonFormat.Fixed(size, 1)} {(binary ? "KMGTPEZY"[power] : "kMGTPEZY"[power])}{(binary ? "iB" : "B")}");
    }

    private static TemplateValue ToInteger(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        TemplateValue fallback = x[1] ?? IntValue.Of(0);
        BigInteger? value = x[0] switch
        {
            StringValue text => ParseInteger(text.Text, (int)BigInteger.Clamp(Int(x[2], 10), 0, 99)),
            UndefinedValue undefined => throw undefined.Fault(),
            _ => TemplateOperators.Number(x[0]!) is { Float: null } number ? number.Integer : null,
        };
        if (value is null && Float(x[0]!) is { } f)
            value = double.IsFinite(f) ? new BigInteger(f) : double.IsNaN(f) ? null : throw TemplateFault.Overflow("cannot convert float infinity to integer");
        return value is { } i ? IntValue.Of(i) : fallback;
    }

    private static BigInteger? ParseInteger(string text, int radix)
    {
        string digits = PythonStrings.Strip(text, null, left: true, right: true);
        bool negative = digits.StartsWith('-');
        if (digits is ['-' or '+', ..])
            digits = digits[1..];
        int prefix = digits.Length > 2 && digits[0] == '0' ? char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 } : 0;
        if (prefix > 0 && (radix == prefix || radix == 0))
            (digits, radix) = (digits[2..], prefix);
        if (digits.StartsWith('_') || digits.EndsWith('_') || digits.Contains("__", StringComparison.Ordinal))
            return null;
        BigInteger? value = PythonNumbers.TryParse(digits.Replace("_", "", StringComparison.Ordinal), radix == 0 ? 10 : radix);
        return negative ? -value : value;
    }

    /// <summary>The value as Python's float() reads it, or null.</summary>
    private static double? Float(TemplateValue value)
    {
        if (value is UndefinedValue undefined)
            throw undefined.Fault();
        if (TemplateOperators.Number(value) is { } number)
            return number.Float ?? TemplateOperators.ToDouble(number.Integer);
        if (value is not StringValue text)
            return null;
        string plain = PythonStrings.Strip(text.Text, null, left: true, right: true);
        if (plain.TrimStart('+', '-').ToLowerInvariant() is "inf" or "infinity" or "nan")
            return plain.EndsWith("nan", StringComparison.OrdinalIgnoreCase) ? double.NaN : plain.StartsWith('-') ? double.NegativeInfinity : double.PositiveInfinity;
        return double.TryParse(plain.Replace("_", "", StringComparison.Ordinal), NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out double result) ? result : null;
    }

    private static TemplateValue Round(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        string method = x[2] is null ? "common" : TemplateMethods.Text(x[2]!);
        if (method is not ("common" or "ceil" or "floor"))
            throw new TemplateFault("FilterArgumentError", "method must be common, ceil or floor");
        int precision = (int)BigInteger.Clamp(Int(x[1], 0), -400, 400);
        if (x[0] is UndefinedValue undefined)
            throw undefined.Fault();
        if (TemplateOperators.Number(x[0]!) is not { } number)
            throw TemplateFault.Type($"type {x[0]!.TypeName} doesn't define __round__ method");
        if (method != "common")
        {
            double scale = Math.Pow(10, precision);
            double scaled = (number.Float ?? TemplateOperators.ToDouble(number.Integer)) * scale;
            double rounded = method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled);
            return new FloatValue(rounded / scale);
        }

        if (number.Float is { } f)
        {
            if (!double.IsFinite(f))
                return x[0]!;
            if (precision >= 0)
                return new FloatValue(double.Parse(PythonFormat.Fixed(f, precision), CultureInfo.InvariantCulture));
            double ten = Math.Pow(10, -precision);
            return new FloatValue(Math.Round(f / ten, MidpointRounding.ToEven) * ten);
        }

        if (precision >= 0)
            return IntValue.Of(number.Integer);
        var unit = BigInteger.Pow(10, -precision);
        var low = BigInteger.DivRem(number.Integer - (((number.Integer % unit) + unit) % unit), unit, out _);
        int side = (2 * (number.Integer - (low * unit))).CompareTo(unit);
        return IntValue.Of((side > 0 || (side == 0 && !low.IsEven) ? low + 1 : low) * unit);
    }
}
