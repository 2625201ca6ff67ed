using System.Numerics;
using System.Text;

namespace Tandem.Models;

/// <summary>Python's operators: arithmetic, comparison, membership, iteration, subscripts.</summary>
internal static class TemplateOperators
{
    private const int MaxDepth = 200;
    private const int MaxExponent = 1 << 14;

    public static TemplateValue Binary(string op, TemplateValue left, TemplateValue right, TemplateEvaluator evaluator)
    {
        if (left is UndefinedValue u)
            throw u.Fault();
        if (left is StringValue format && op == "%")
        {
            StringValue formatted = PythonFormat.Percent(format, format.Safe ? Escaped(right) : right, evaluator);
            return format.Safe ? new StringValue(formatted.Text, safe: true, input: formatted.Input) : formatted;
        }

        if (left is StringValue { Safe: false } text && right is StringValue { Safe: false } more && op == "+")
            return Join(text, more, evaluator);
        if (right is UndefinedValue v)
            throw v.Fault();
        if (left is IntValue { IsSmall: true } i && right is IntValue { IsSmall: true } j && op is "+" or "-")
            return IntValue.Of(op == "+" ? (long)i.Int32 + j.Int32 : (long)i.Int32 - j.Int32);
        if (Number(left) is { } a && Number(right) is { } b)
            return a.Float is null && b.Float is null ? Integers(op, a.Integer, b.Integer) : Floats(op, a.Float ?? ToDouble(a.Integer), b.Float ?? ToDouble(b.Integer));
        return op switch
        {
            "+" when left is StringValue s && right is StringValue t && (s.Safe || t.Safe) =>
                new StringValue(TemplateFilters.Escape(s) + TemplateFilters.Escape(t), safe: true, input: s.Input is null && t.Input is null ? null : StringValue.Whole),
            "+" when left is StringValue s && right is StringValue t => Join(s, t, evaluator),
            "+" when left is ListValue s && right is ListValue t => new ListValue(Join(s.Items, t.Items, evaluator)),
            "+" when left is TupleValue s && right is TupleValue t => new TupleValue(Join(s.Items, t.Items, evaluator)),
            "+" when left is StringValue => throw TemplateFault.Type($"can only concatenate str (not \"{right.TypeName}\") to str"),
            "+" when left is ListValue or TupleValue => throw TemplateFault.Type($"can only concatenate {left.TypeName} (not \"{right.TypeName}\") to {left.TypeName}"),
            "*" when left is StringValue or SequenceValue && Number(right) is { Float: null } n => Repeat(left, n.Integer, evaluator),
            "*" when right is StringValue or SequenceValue && Number(left) is { Float: null } n => Repeat(right, n.Integer, evaluator),
            _ => throw TemplateFault.Type($"unsupported operand type(s) for {(op == "**" ? "** or pow()" : op)}: '{left.TypeName}' and '{right.TypeName}'"),
        };
    }

    public static TemplateValue Unary(string op, TemplateValue value)
    {
        if (op == "not")
            return BoolValue.Of(!value.Truth);
        if (value is UndefinedValue u)
            throw u.Fault();
        if (Number(value) is not { } number)
            throw TemplateFault.Type($"bad operand type for unary {op}: '{value.TypeName}'");
        if (number.Float is { } f)
            return new FloatValue(op == "-" ? -f : f);
        return IntValue.Of(op == "-" ? -number.Integer : number.Integer);
    }

    /// <summary>The texts of the values one after the other; generation spans move along.</summary>
    public static StringValue Concat(ReadOnlySpan<TemplateValue> values, TemplateEvaluator evaluator)
    {
        var parts = new StringValue[values.Length];
        List<TextSpan>? spans = null;
        long length = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            if (values[i] is StringValue { Spans: { } inner })
                (spans ??= []).AddRange(inner.Select(x => x.Move((int)length)));
            parts[i] = PythonText.StrValue(values[i], evaluator.Budget);
            length += parts[i].Text.Length;
            evaluator.Budget.Text(length);
        }

        return TemplateText.Join(parts, spans?.ToArray());
    }

    /// <summary>The value as a number, bools counting as 1 and 0, or null.</summary>
    public static (BigInteger Integer, double? Float)? Number(TemplateValue value) => value switch
    {
        IntValue i => (i.Value, null),
        FloatValue f => (default, f.Value),
        BoolValue b => (b.Value ? 1 : 0, null),
        _ => null,
    };

    public static double ToDouble(BigInteger value)
    {
        double result = (double)value;
        return double.IsInfinity(result) ? throw TemplateFault.Overflow("int too large to convert to float") : result;
    }

    public static bool AreEqual(TemplateValue x, TemplateValue y, TemplateBudget budget, int depth = 0)
    {
        budget.Charge(1);
        (x as UndefinedValue)?.Use();
        (y as UndefinedValue)?.Use();
        if (ReferenceEquals(x, y))
            return x is not FloatValue { Value: double.NaN };
        if (x is StringValue text && y is StringValue other)
            return text.Text == other.Text;
        if (depth > MaxDepth)
            throw TemplateFault.Recursion("values nested too deeply to compare");
        switch (x, y)
        {
            case (ListValue a, ListValue b):
                return SameItems(a.Items, b.Items, budget, depth);
            case (TupleValue a, TupleValue b):
                return SameItems(a.Items, b.Items, budget, depth);
            case (DictValue a, DictValue b):
                return a.Items.Count == b.Items.Count && a.Items.All(i => b.Items.TryGetValue(i.Key, out TemplateValue? other) && AreEqual(i.Value, other, budget, depth + 1));
            case (RangeValue a, RangeValue b):
                return a.Count == b.Count && (a.Count.IsZero || (a.Start == b.Start && (a.Count.IsOne || a.Step == b.Step)));
            case (BytesValue a, BytesValue b):
                return a.Value.AsSpan().SequenceEqual(b.Value);
            default:
                return ScalarEquals(x, y) ?? false;
        }
    }

    /// <summary>Equality of values without parts; null where it is a matter of identity.</summary>
    public static bool? ScalarEquals(TemplateValue x, TemplateValue y) => (x, y) switch
    {
        (StringValue a, StringValue b) => a.Text == b.Text,
        (NoneValue, NoneValue) => true,
        (UndefinedValue, UndefinedValue) => true,
        _ when Number(x) is { } a && Number(y) is { } b => NumberOrder(a, b) == 0,
        _ => null,
    };

    /// <summary>Whether a comparison holds.</summary>
    public static bool Compare(string op, TemplateValue left, TemplateValue right, TemplateEvaluator evaluator)
    {
        switch (op)
        {
            case "==":
                return AreEqual(left, right, evaluator.Budget);
            case "!=":
                return !AreEqual(left, right, evaluator.Budget);
            case "in":
                return Contains(right, left, evaluator);
            case "not in":
                return !Contains(right, left, evaluator);
            default:
                int? order = Order(op, left, right, evaluator.Budget, 0);
                return order is { } o && op switch { "<" => o < 0, "<=" => o <= 0, ">" => o > 0, _ => o >= 0 };
        }
    }

    /// <summary>The order of two values, null for a comparison with NaN.</summary>
    /// <exception cref="TemplateFault">Values of these types have no order.</exception>
    public static int? Order(string op, TemplateValue left, TemplateValue right, TemplateBudget budget, int depth)
    {
        budget.Charge(1);
        if (left is UndefinedValue u)
            throw u.Fault();
        if (right is UndefinedValue v)
            throw v.Fault();
        if (depth > MaxDepth)
            throw TemplateFault.Recursion("values nested too deeply to compare");
        if (left is StringValue s && right is StringValue t)
            return CodePointOrder(s.Text, t.Text);
        if (left is IntValue { IsSmall: true } m && right is IntValue { IsSmall: true } n)
            return m.Int32.CompareTo(n.Int32);
        if (Number(left) is { } a && Number(right) is { } b)
            return NumberOrder(a, b);
        if (left is SequenceValue p && right is SequenceValue q && p.TypeName == q.TypeName)
        {
            for (int i = 0; i < p.Items.Length && i < q.Items.Length; i++)
            {
                if (!AreEqual(p.Items[i], q.Items[i], budget, depth + 1))
                    return Order(op, p.Items[i], q.Items[i], budget, depth + 1);
            }

            return p.Items.Length.CompareTo(q.Items.Length);
        }

        throw TemplateFault.Type($"'{op}' not supported between instances of '{left.TypeName}' and '{right.TypeName}'");
    }

    public static bool Contains(TemplateValue container, TemplateValue item, TemplateEvaluator evaluator)
    {
        switch (container)
        {
            case StringValue text:
                if (item is UndefinedValue missing)
                    throw TemplateFault.Type($"'in <string>' requires string as left operand, not {missing.TypeName}");
                return item is StringValue part
                    ? text.Text.Contains(part.Text, StringComparison.Ordinal)
                    : throw TemplateFault.Type($"'in <string>' requires string as left operand, not {item.TypeName}");
            case DictValue dict:
                return dict.Items.ContainsKey(item);
            case UndefinedValue undefined:
                undefined.Use();
                return false;
            case IntValue or FloatValue or BoolValue or NoneValue:
                throw TemplateFault.Type($"argument of type '{container.TypeName}' is not iterable");
            default:
                return Iterate(container).Any(x => AreEqual(x, item, evaluator.Budget));
        }
    }

    /// <summary>The items of a value.</summary>
    public static IEnumerable<TemplateValue> Iterate(TemplateValue value)
    {
        switch (value)
        {
            case SequenceValue sequence:
                return sequence.Items;
            case StringValue text:
                return Characters(text);
            case DictValue dict:
                return dict.Items.Keys;
            case DictViewValue view:
                return view.Items();
            case RangeValue range:
                return range.Items();
            case GeneratorValue generator:
                return generator.Items();
            case BytesValue bytes:
                return bytes.Value.Select(x => IntValue.Of(x));
            case UndefinedValue undefined:
                undefined.Use();
                return [];
            default:
                throw TemplateFault.Type($"'{value.TypeName}' object is not iterable");
        }
    }

    /// <summary>The items as an array, each counted as a step.</summary>
    public static TemplateValue[] Items(TemplateValue value, TemplateEvaluator evaluator)
    {
        if (value is SequenceValue sequence)
        {
            evaluator.Budget.Charge(sequence.Items.Length);
            return sequence.Items;
        }

        var items = new List<TemplateValue>();
        foreach (TemplateValue item in Iterate(value))
        {
            evaluator.Budget.Charge(1);
            items.Add(item);
        }

        return [.. items];
    }

    public static BigInteger Length(TemplateValue value)
    {
        switch (value)
        {
            case StringValue text: return text.Length;
            case SequenceValue sequence: return sequence.Items.Length;
            case DictValue dict: return dict.Items.Count;
            case DictViewValue view: return view.Dict.Items.Count;
            case RangeValue range: return range.Count;
            case BytesValue bytes: return bytes.Value.Length;
            case UndefinedValue undefined:
                undefined.Use();
                return 0;
            default: throw TemplateFault.Type($"object of type '{value.TypeName}' has no len()");
        }
    }

    /// <summary>An item by index or key, or null where there is none.</summary>
    public static TemplateValue? Item(TemplateValue target, TemplateValue index)
    {
        if (target is UndefinedValue undefined)
            throw undefined.Fault();
        if (target is SequenceValue { Items: var items } && index is IntValue { IsSmall: true, Int32: var place })
            return place < 0 ? (place + items.Length >= 0 ? items[place + items.Length] : null) : place < items.Length ? items[place] : null;
        if (target is DictValue dict)
            return index is ListValue or DictValue ? null : dict.Items.GetValueOrDefault(index);
        if (target is not (StringValue or SequenceValue or RangeValue or BytesValue) || Number(index) is not { Float: null } number)
            return null;
        BigInteger length = Length(target);
        BigInteger at = number.Integer < 0 ? number.Integer + length : number.Integer;
        if (at < 0 || at >= length)
            return null;
        return target switch
        {
            SequenceValue sequence => sequence.Items[(int)at],
            RangeValue range => IntValue.Of(range.Start + (at * range.Step)),
            BytesValue bytes => IntValue.Of(bytes.Value[(int)at]),
            _ => Character((StringValue)target, (int)at),
        };
    }

    public static TemplateValue Slice(TemplateValue target, TemplateValue? start, TemplateValue? stop, TemplateValue? step, TemplateEvaluator evaluator)
    {
        if (target is UndefinedValue undefined)
            throw undefined.Fault();
        if (target is not (StringValue or SequenceValue or RangeValue))
            throw TemplateFault.Type(target is DictValue ? "unhashable type: 'slice'" : $"'{target.TypeName}' object is not subscriptable");
        BigInteger by = Index(step) ?? 1;
        if (by.IsZero)
            throw TemplateFault.Value("slice step cannot be zero");
        BigInteger length = Length(target);
        BigInteger low = by < 0 ? -1 : 0, high = by < 0 ? length - 1 : length;
        BigInteger from = Bound(Index(start) ?? (by < 0 ? high : low), start is null or NoneValue);
        BigInteger to = Bound(Index(stop) ?? (by < 0 ? low : high), stop is null or NoneValue);
        BigInteger Bound(BigInteger at, bool isDefault) => isDefault ? at : BigInteger.Clamp(at < 0 ? at + length : at, low, high);

        if (target is RangeValue range)
            return new RangeValue(range.Start + (from * range.Step), range.Start + (to * range.Step), by * range.Step);
        if (by.IsOne && target is SequenceValue whole)
        {
            TemplateValue[] part = to <= from ? [] : whole.Items[(int)from..(int)to];
            evaluator.Budget.Charge(whole.Items.Length);
            return target is ListValue ? new ListValue(part) : new TupleValue(part);
        }

        IEnumerable<int> places = new RangeValue(from, to, by).Items().Select(x => (int)((IntValue)x).Value);
        evaluator.Budget.Charge((int)length);
        if (target is StringValue text)
        {
            if (by.IsOne)
            {
                int first = PythonText.Offset(text.Text, (int)from);
                return to <= from ? StringValue.Empty : text.Part(first, PythonText.Offset(text.Text, (int)to));
            }

            string[] characters = [.. PythonText.Characters(text.Text)];
            return text.Made(string.Concat(places.Select(x => characters[x])));
        }

        TemplateValue[] chosen = [.. places.Select(x => ((SequenceValue)target).Items[x])];
        return target is ListValue ? new ListValue(chosen) : new TupleValue(chosen);
    }

    /// <summary>Values for a format that is marked safe.</summary>
    private static TemplateValue Escaped(TemplateValue value) => value switch
    {
        StringValue text => text.Made(TemplateFilters.Escape(text), safe: true),
        TupleValue tuple => new TupleValue([.. tuple.Items.Select(Escaped)]),
        _ => value,
    };

    private static BigInteger? Index(TemplateValue? value) => value switch
    {
        null or NoneValue => null,
        UndefinedValue u => throw u.Fault(),
        _ => Number(value) is { Float: null } n ? n.Integer : throw TemplateFault.Type("slice indices must be integers or None or have an __index__ method"),
    };

    private static StringValue Character(StringValue text, int at)
    {
        int start = PythonText.Offset(text.Text, at);
        return text.Part(start, start + CharacterLength(text.Text, start));
    }

    private static IEnumerable<StringValue> Characters(StringValue text)
    {
        for (int at = 0; at < text.Text.Length;)
        {
            int end = at + CharacterLength(text.Text, at);
            yield return text.Part(at, end);
            at = end;
        }
    }

    private static int CharacterLength(string text, int at) => at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;

    private static StringValue Join(StringValue left, StringValue right, TemplateEvaluator evaluator)
    {
        if (left.Spans is not null || right.Spans is not null)
            return Concat([left, right], evaluator);
        evaluator.Budget.Text((long)left.Text.Length + right.Text.Length);
        return TemplateText.Join(left, right);
    }

    private static TemplateValue Integers(string op, BigInteger a, BigInteger b)
    {
        switch (op)
        {
            case "+": return IntValue.Of(a + b);
            case "-": return IntValue.Of(a - b);
            case "*": return IntValue.Of(a * b);
            case "/": return b.IsZero ? throw new TemplateFault("ZeroDivisionError", "division by zero") : new FloatValue(ToDouble(a) / ToDouble(b));
            case "//": return IntValue.Of(FloorDivide(a, b, "integer division or modulo by zero").Quotient);
            case "%": return IntValue.Of(FloorDivide(a, b, "integer modulo by zero").Remainder);
            default:
                if (b < 0)
                    return Floats("**", ToDouble(a), ToDouble(b));
                if (BigInteger.Abs(a) > 1 && (b > MaxExponent || a.GetBitLength() * (int)b > MaxExponent))
                    throw TemplateFault.Overflow("the power is too large");
                return BigInteger.Abs(a) <= 1 ? IntValue.Of(b.IsZero ? 1 : b.IsEven ? a * a : a) : IntValue.Of(BigInteger.Pow(a, (int)b));
        }
    }

    private static (BigInteger Quotient, BigInteger Remainder) FloorDivide(BigInteger a, BigInteger b, string message)
    {
        if (b.IsZero)
            throw new TemplateFault("ZeroDivisionError", message);
        var quotient = BigInteger.DivRem(a, b, out BigInteger remainder);
        return !remainder.IsZero && remainder.Sign != b.Sign ? (quotient - 1, remainder + b) : (quotient, remainder);
    }

    private static FloatValue Floats(string op, double a, double b)
    {
        if (b == 0 && op is ("/" or "//" or "%"))
            throw new TemplateFault("ZeroDivisionError", op == "/" ? "float division by zero" : op == "//" ? "float floor division by zero" : "float modulo by zero");
        switch (op)
        {
            case "+": return new(a + b);
            case "-": return new(a - b);
            case "*": return new(a * b);
            case "/": return new(a / b);
            case "%":
            case "//":
                double remainder = a % b;
                double quotient = (a - remainder) / b;
                if (remainder != 0 && (remainder < 0) != (b < 0))
                {
                    remainder += b;
                    quotient--;
                }
                else if (remainder == 0)
                {
                    remainder = Math.CopySign(0, b);
                }

                double floor = Math.Floor(quotient);
                return new(op == "%" ? remainder : quotient - floor > 0.5 ? floor + 1 : floor);
            default:
                if (a == 0 && b < 0)
                    throw new TemplateFault("ZeroDivisionError", "0.0 cannot be raised to a negative power");
                if (a < 0 && b != Math.Floor(b))
                    throw TemplateFault.Type("complex numbers are not supported");
                double power = Math.Pow(a, b);
                return double.IsInfinity(power) && double.IsFinite(a) && double.IsFinite(b) ? throw TemplateFault.Overflow("(34, 'Numerical result out of range')") : new(power);
        }
    }

    private static TemplateValue[] Join(TemplateValue[] a, TemplateValue[] b, TemplateEvaluator evaluator)
    {
        evaluator.Budget.Charge(a.Length + b.Length);
        return [.. a, .. b];
    }

    private static TemplateValue Repeat(TemplateValue value, BigInteger count, TemplateEvaluator evaluator)
    {
        BigInteger times = BigInteger.Max(count, 0);
        if (value is StringValue text)
        {
            evaluator.Budget.Text((long)BigInteger.Min(times * text.Text.Length, long.MaxValue));
            return text.Made(text.Text.Length == 0 ? "" : new StringBuilder().Insert(0, text.Text, (int)times).ToString());
        }

        TemplateValue[] items = ((SequenceValue)value).Items;
        evaluator.Budget.Charge((long)BigInteger.Min(times * items.Length, long.MaxValue >> 1));
        TemplateValue[] all = items.Length == 0 ? [] : [.. Enumerable.Repeat(items, (int)times).SelectMany(x => x)];
        return value is ListValue ? new ListValue(all) : new TupleValue(all);
    }

    private static bool SameItems(TemplateValue[] a, TemplateValue[] b, TemplateBudget budget, int depth)
    {
        if (a.Length != b.Length)
            return false;
        for (int i = 0; i < a.Length; i++)
        {
            if (!AreEqual(a[i], b[i], budget, depth + 1))
                return false;
        }

        return true;
    }

    private static int? NumberOrder((BigInteger Integer, double? Float) a, (BigInteger Integer, double? Float) b)
    {
        if (a.Float is null && b.Float is null)
            return a.Integer.CompareTo(b.Integer);
        if (a.Float is { } x && b.Float is { } y)
            return double.IsNaN(x) || double.IsNaN(y) ? null : x.CompareTo(y);
        double f = a.Float ?? b.Float!.Value;
        if (double.IsNaN(f))
            return null;
        BigInteger i = a.Float is null ? a.Integer : b.Integer;
        int order;
        if (double.IsInfinity(f))
            order = f > 0 ? -1 : 1;
        else
            order = i.CompareTo(new BigInteger(Math.Floor(f))) is var whole && whole == 0 && f != Math.Floor(f) ? -1 : whole;
        return a.Float is null ? order : -order;
    }

    /// <summary>Order by code points, which for surrogates is not that of UTF-16.</summary>
    private static int CodePointOrder(string a, string b)
    {
        int at = a.AsSpan().CommonPrefixLength(b);
        if (at == a.Length || at == b.Length)
            return a.Length.CompareTo(b.Length);
        bool high = char.IsSurrogate(a[at]), otherHigh = char.IsSurrogate(b[at]);
        return high == otherHigh ? a[at].CompareTo(b[at]) : high ? 1 : -1;
    }
}
