using System.Globalization;
using System.Text;

namespace Tandem.Models;

/// <summary>The filter <c>tojson</c>: Python's json.dumps with the options that chat templates have.</summary>
internal sealed class TemplateJson
{
    private const int MaxDepth = 200;

    private readonly StringBuilder _text = new();
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

        var json = new TemplateJson(evaluator.Budget, x[1]?.Truth ?? false, indent, item, key, x[4]?.Truth ?? false);
        json.Write(x[0]!, 0);
        return evaluator.Text(json._text.ToString());
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
                WriteText(text.Text);
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
            WriteText(key is StringValue text ? text.Text : Scalar(key));
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

    private void WriteText(string text)
    {
        _text.Append('"');
        foreach (char c in text)
        {
            switch (c)
            {
                case '"': _text.Append("\\\""); break;
                case '\\': _text.Append("\\\\"); break;
                case '\n': _text.Append("\\n"); break;
                case '\r': _text.Append("\\r"); break;
                case '\t': _text.Append("\\t"); break;
                case '\b': _text.Append("\\b"); break;
                case '\f': _text.Append("\\f"); break;
                default:
                    if (c < ' ' || (_ascii && c > '~'))
                        _text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    else
                        _text.Append(c);
                    break;
            }
        }

        _text.Append('"');
    }
}
