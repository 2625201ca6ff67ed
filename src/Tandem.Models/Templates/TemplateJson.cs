using System.Buffers;
using System.Globalization;

namespace Tandem.Models;

/// <summary>The filter <c>tojson</c>: Python's json.dumps with the options that chat templates have.</summary>
internal sealed class TemplateJson
{
    private const int MaxDepth = 200;

    private static readonly SearchValues<char> Escaped = SearchValues.Create([.. Enumerable.Range(0, ' ').Select(x => (char)x), '"', '\\']);
    private static readonly SearchValues<char> NotAscii = SearchValues.Create([.. Enumerable.Range(0, 0x10000).Select(x => (char)x).Where(c => c is < ' ' or > '~' or '"' or '\\')]);

    private readonly TemplateText _text = new();
    private readonly TemplateBudget _budget;
    private readonly string? _indent;
    private readonly string _itemSeparator;
    private readonly string _keySeparator;
    private readonly bool _ascii;
    private readonly bool _sort;

    private TemplateJson(TemplateBudget budget, bool ascii, string? indent, string itemSeparator, string keySeparator, bool sort)
    {
        (_budget, _ascii, _indent, _itemSeparator, _keySeparator, _sort) = (budget, ascii, indent, itemSeparator, keySeparator, sort);
    }

    /// <summary>The arguments are value, ensure_ascii, indent, separators and sort_keys.</summary>
    public static TemplateValue Filter(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        string? indent = x[2] switch
        {
            null or NoneValue => null,
            StringValue text => text.Text,
            { } number => new string(' ', (int)System.Numerics.BigInteger.Clamp(TemplateMethods.Integer(number), 0, 1000)),
        };
        (string item, string key) = (indent is null ? ", " : ",", ": ");
        if (x[3] is not (null or NoneValue))
        {
            TemplateValue[] pair = TemplateOperators.Items(x[3]!, evaluator);
            if (pair.Length != 2)
                throw TemplateFault.Value($"separators are two texts, not {pair.Length}");
            (item, key) = (TemplateMethods.Text(pair[0]), TemplateMethods.Text(pair[1]));
        }

        bool inputLayout = x[2] is StringValue { Input: not null } || (x[3] is SequenceValue { Items: var layout } && Array.Exists(layout, i => i is StringValue { Input: not null }));
        var json = new TemplateJson(evaluator.Budget, x[1]?.Truth ?? false, indent, item, key, x[4]?.Truth ?? false);
        json.Write(x[0]!, 0);
        if (inputLayout)
            json._text.MarkInput(0);
        return evaluator.Text(json._text.ToValue());
    }

    private void Write(TemplateValue value, int depth)
    {
        _budget.Charge(1);
        if (_text.Length > _budget.MaxLength)
            _budget.Text(_text.Length);
        if (depth > MaxDepth)
            throw TemplateFault.Recursion("a value nested too deeply for JSON");
        switch (value)
        {
            case NoneValue or BoolValue or IntValue or FloatValue:
                _text.Append(Scalar(value));
                break;
            case StringValue text:
                WriteText(text);
                break;
            case SequenceValue sequence:
                WriteList(sequence.Items, depth);
                break;
            case DictValue dict:
                WriteDict(dict, depth);
                break;
            default:
                throw TemplateFault.Type($"Object of type {value.TypeName} is not JSON serializable");
        }
    }

    private static string Scalar(TemplateValue value) => value switch
    {
        NoneValue => "null",
        BoolValue b => b.Value ? "true" : "false",
        IntValue i => i.Value.ToString(CultureInfo.InvariantCulture),
        FloatValue { Value: double.NaN } => "NaN",
        FloatValue { Value: double.PositiveInfinity } => "Infinity",
        FloatValue { Value: double.NegativeInfinity } => "-Infinity",
        FloatValue f => PythonText.Float(f.Value),
        _ => throw TemplateFault.Type($"keys must be str, int, float, bool or None, not {value.TypeName}"),
    };

    private void WriteList(TemplateValue[] items, int depth)
    {
        _text.Append('[');
        for (int i = 0; i < items.Length; i++)
        {
            if (i > 0)
                _text.Append(_itemSeparator);
            NewLine(depth + 1);
            Write(items[i], depth + 1);
        }

        if (items.Length > 0)
            NewLine(depth);
        _text.Append(']');
    }

    private void WriteDict(DictValue dict, int depth)
    {
        IEnumerable<KeyValuePair<TemplateValue, TemplateValue>> items = dict.Items;
        if (_sort)
            items = TemplateFilters.Sorted([.. items], (a, b) => TemplateOperators.Order("<", a.Key, b.Key, _budget, 0) ?? 0);
        _text.Append('{');
        bool first = true;
        foreach ((TemplateValue key, TemplateValue value) in items)
        {
            if (!first)
                _text.Append(_itemSeparator);
            first = false;
            NewLine(depth + 1);
            WriteText(key as StringValue ?? new StringValue(Scalar(key)));
            _text.Append(_keySeparator);
            Write(value, depth + 1);
        }

        if (!first)
            NewLine(depth);
        _text.Append('}');
    }

    private void NewLine(int depth)
    {
        if (_indent is null)
            return;
        _text.Append('\n');
        for (int i = 0; i < depth; i++)
            _text.Append(_indent);
    }

    // The quotes are the template's, what is between them the input's if any of the text is.
    private void WriteText(StringValue text)
    {
        bool isInput = text.Input is not null;
        ReadOnlySpan<char> rest = text.Text;
        _text.Append('"');
        int start = _text.Length;
        while (true)
        {
            int plain = _ascii ? rest.IndexOfAny(NotAscii) : rest.IndexOfAny(Escaped);
            if (plain < 0)
                break;
            _text.Append(rest[..plain]);
            AppendEscape(rest[plain]);
            rest = rest[(plain + 1)..];
        }

        _text.Append(rest);
        if (isInput)
            _text.MarkInput(start);
        _text.Append('"');
    }

    private void AppendEscape(char c)
    {
        string? name = c switch
        {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\b' => "\\b",
            '\f' => "\\f",
            _ => null,
        };
        _text.Append(name ?? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"));
    }
}
