using System.Numerics;

namespace Tandem.Models;

/// <summary>This part has the filters for lists and mappings.</summary>
internal static partial class TemplateFilters
{
    /// <summary>The items in order; equal ones stay as they were.</summary>
    public static T[] Sorted<T>(T[] items, Comparison<T> order)
    {
        if (items.Length < 2)
            return items;
        int half = items.Length / 2;
        T[] left = Sorted(items[..half], order), right = Sorted(items[half..], order);
        var result = new T[items.Length];
        for (int i = 0, l = 0, r = 0; i < result.Length; i++)
            result[i] = r == right.Length || (l < left.Length && order(right[r], left[l]) >= 0) ? left[l++] : right[r++];
        return result;
    }

    private static TemplateFunction[] Sequences() =>
    [
        Length("length"),
        Length("count"),
        new("list", "value", (e, x) => new ListValue(TemplateOperators.Items(x[0]!, e))),
        new("first", "seq", (e, x) => TemplateOperators.Iterate(x[0]!).FirstOrDefault() ?? e.Undefined("No first item, sequence was empty.")) { KeepsOrigin = true },
        new("last", "seq", (e, x) => x[0] is GeneratorValue ? throw TemplateFault.Type("'generator' object is not reversible") : TemplateOperators.Items(x[0]!, e) is [.., var last] ? last : e.Undefined("No last item, sequence was empty.")) { KeepsOrigin = true },
        new("random", "seq", (e, x) => TemplateOperators.Items(x[0]!, e) is { Length: > 0 } items ? items[Random.Shared.Next(items.Length)] : e.Undefined("No random item, sequence was empty.")) { KeepsOrigin = true },
        new("reverse", "value", Reverse),
        new("join", "value d? attribute?", Join) { KeepsOrigin = true },
        new("sort", "value reverse? case_sensitive? attribute?", Sort),
        new("unique", "value case_sensitive? attribute?", (e, x) => new GeneratorValue(Unique(e, x))),
        new("max", "value case_sensitive? attribute?", (e, x) => Extreme(e, x, 1)) { KeepsOrigin = true },
        new("min", "value case_sensitive? attribute?", (e, x) => Extreme(e, x, -1)) { KeepsOrigin = true },
        new("sum", "iterable attribute? start?", Sum),
        new("dictsort", "value case_sensitive? by? reverse?", DictSort),
        new("items", "value", (_, x) => new GeneratorValue(Pairs(x[0]!))),
        new("groupby", "value attribute default? case_sensitive?", GroupBy),
        new("batch", "value linecount fill_with?", (e, x) => new GeneratorValue(Batch(e, x))),
        new("slice", "value slices fill_with?", (e, x) => new GeneratorValue(Slices(e, x))),
        new("attr", "obj name", (e, x) => x[0] is UndefinedValue undefined ? throw undefined.Fault()
            : TemplateMethods.Find(x[0]!, TemplateMethods.Text(x[1]!), e) ?? e.Undefined($"'{TemplateEvaluator.Describe(x[0]!)}' has no attribute '{TemplateMethods.Text(x[1]!)}'")),
        new("map", (e, x) => new GeneratorValue(Map(e, x))),
        Choose("select", keep: true, byAttribute: false),
        Choose("reject", keep: false, byAttribute: false),
        Choose("selectattr", keep: true, byAttribute: true),
        Choose("rejectattr", keep: false, byAttribute: true),
    ];

    private static TemplateFunction Length(string name) => new(name, "obj", (_, x) => IntValue.Of(TemplateOperators.Length(x[0]!)));

    /// <summary>Looks an attribute up: <c>a.b.0</c> step by step, a number as an index.</summary>
    private static TemplateValue Attribute(TemplateEvaluator evaluator, TemplateValue item, TemplateValue? attribute, TemplateValue? fallback = null)
    {
        if (attribute is null or NoneValue)
            return item;
        if (attribute is not StringValue path)
            return evaluator.Item(item, attribute) is UndefinedValue && fallback is not null ? fallback : evaluator.Item(item, attribute);
        foreach (string part in path.Text.Split('.'))
        {
            item = evaluator.Item(item, part.Length is > 0 and < 10 && part.All(char.IsAsciiDigit) ? IntValue.Of(BigInteger.Parse(part, System.Globalization.CultureInfo.InvariantCulture)) : new StringValue(part));
            if (item is UndefinedValue && fallback is not null)
                item = fallback;
        }

        return item;
    }

    /// <summary>What an item is compared by: its attribute, in lower case unless case matters.</summary>
    private static TemplateValue Key(TemplateEvaluator evaluator, TemplateValue item, TemplateValue? attribute, TemplateValue? caseSensitive, TemplateValue? fallback = null)
    {
        TemplateValue key = Attribute(evaluator, item, attribute, fallback);
        return key is StringValue text && !(caseSensitive?.Truth ?? false) ? new StringValue(PythonCase.Lower(text.Text)) : key;
    }

    private static int Order(TemplateEvaluator evaluator, TemplateValue a, TemplateValue b) => TemplateOperators.Order("<", a, b, evaluator.Budget, 0) ?? 0;

    private static IEnumerable<TemplateValue> Pairs(TemplateValue value)
    {
        if (value is not (DictValue or UndefinedValue))
            throw TemplateFault.Type("Can only get item pairs from a mapping.");
        foreach (TemplateValue pair in value is DictValue dict ? new DictViewValue(dict, "items").Items() : [])
            yield return pair;
    }

    private static TemplateValue Reverse(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        if (x[0] is StringValue text)
            return text.Made(string.Concat(PythonText.Characters(text.Text).Reverse()));
        TemplateValue[] items = [.. TemplateOperators.Items(x[0]!, evaluator)];
        Array.Reverse(items);
        return new GeneratorValue(items, "list_reverseiterator");
    }

    private static StringValue Join(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        StringValue separator = x[1] is null ? StringValue.Empty : Str(evaluator, x[1]);
        var values = new List<TemplateValue>();
        foreach (TemplateValue item in TemplateOperators.Items(x[0]!, evaluator))
        {
            if (values.Count > 0)
                values.Add(separator);
            values.Add(Attribute(evaluator, item, x[2]));
        }

        return TemplateOperators.Concat(values.ToArray(), evaluator);
    }

    private static ListValue Sort(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        int direction = x[1]?.Truth ?? false ? -1 : 1;
        StringValue[]? attributes = x[3] is StringValue { Text: var text } ? [.. text.Split(',').Select(p => new StringValue(p))] : null;
        (TemplateValue Key, TemplateValue Item)[] items = [.. TemplateOperators.Items(x[0]!, evaluator).Select(i => (attributes is { Length: > 1 }
            ? new ListValue([.. attributes.Select(a => Key(evaluator, i, a, x[2]))])
            : Key(evaluator, i, x[3], x[2]), i))];
        return new ListValue([.. Sorted(items, (a, b) => direction * Order(evaluator, a.Key, b.Key)).Select(i => i.Item)]);
    }

    private static IEnumerable<TemplateValue> Unique(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        var seen = new HashSet<TemplateValue>(TemplateKeyComparer.Instance);
        foreach (TemplateValue item in TemplateOperators.Iterate(x[0]!))
        {
            evaluator.Budget.Charge(1);
            if (seen.Add(Key(evaluator, item, x[2], x[1])))
                yield return item;
        }
    }

    private static TemplateValue Extreme(TemplateEvaluator evaluator, TemplateValue?[] x, int direction)
    {
        TemplateValue[] items = TemplateOperators.Items(x[0]!, evaluator);
        if (items.Length == 0)
            return evaluator.Undefined("No aggregated item, sequence was empty.");
        TemplateValue best = items[0], bestKey = Key(evaluator, best, x[2], x[1]);
        foreach (TemplateValue item in items.AsSpan(1))
        {
            TemplateValue key = Key(evaluator, item, x[2], x[1]);
            if (direction * Order(evaluator, key, bestKey) > 0)
                (best, bestKey) = (item, key);
        }

        return best;
    }

    private static TemplateValue Sum(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        TemplateValue sum = x[2] ?? IntValue.Of(0);
        if (sum is StringValue)
            throw TemplateFault.Type("sum() can't sum strings [use ''.join(seq) instead]");
        foreach (TemplateValue item in TemplateOperators.Items(x[0]!, evaluator))
            sum = TemplateOperators.Binary("+", sum, Attribute(evaluator, item, x[1]), evaluator);
        return sum;
    }

    private static ListValue DictSort(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        if (x[0] is not DictValue dict)
            throw TemplateFault.Attribute(x[0]!, "items");
        string by = x[2] is null ? "key" : TemplateMethods.Text(x[2]!);
        if (by is not ("key" or "value"))
            throw new TemplateFault("FilterArgumentError", "You can only sort by either \"key\" or \"value\"");
        int direction = x[3]?.Truth ?? false ? -1 : 1;
        var items = dict.Items.Select(i => (Key: Key(evaluator, by == "key" ? i.Key : i.Value, null, x[1]), Item: (TemplateValue)new TupleValue([i.Key, i.Value]))).ToArray();
        return new ListValue([.. Sorted(items, (a, b) => direction * Order(evaluator, a.Key, b.Key)).Select(i => i.Item)]);
    }

    private static ListValue GroupBy(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        var items = TemplateOperators.Items(x[0]!, evaluator).Select(i => (Key: Key(evaluator, i, x[1], x[3], x[2]), Item: i)).ToArray();
        var groups = new List<TemplateValue>();
        var group = new List<TemplateValue>();
        TemplateValue? last = null;
        foreach ((TemplateValue key, TemplateValue item) in Sorted(items, (a, b) => Order(evaluator, a.Key, b.Key)))
        {
            if (last is not null && !TemplateOperators.AreEqual(last, key, evaluator.Budget))
                Close();
            last = key;
            group.Add(item);
        }

        if (group.Count > 0)
            Close();
        return new ListValue([.. groups]);

        // The name of a group is that of its first item, in its own case.
        void Close()
        {
            groups.Add(new TupleValue([Attribute(evaluator, group[0], x[1], x[2]), new ListValue([.. group])], isGroup: true));
            group.Clear();
        }
    }

    private static IEnumerable<TemplateValue> Batch(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        int size = (int)BigInteger.Clamp(TemplateMethods.Integer(x[1]!), 1, int.MaxValue);
        foreach (TemplateValue[] batch in TemplateOperators.Items(x[0]!, evaluator).Chunk(size))
        {
            int missing = x[2] is null or NoneValue ? 0 : size - batch.Length;
            evaluator.Budget.Charge(missing);
            yield return new ListValue([.. batch, .. Enumerable.Repeat(x[2]!, missing)]);
        }
    }

    private static IEnumerable<TemplateValue> Slices(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        TemplateValue[] items = TemplateOperators.Items(x[0]!, evaluator);
        BigInteger count = TemplateMethods.Integer(x[1]!);
        if (count <= 0)
            throw new TemplateFault("ZeroDivisionError", "integer division or modulo by zero");
        evaluator.Budget.Charge((long)BigInteger.Min(count, long.MaxValue >> 1));
        int slices = (int)count, each = items.Length / slices, longer = items.Length % slices, at = 0;
        for (int i = 0; i < slices; i++)
        {
            int length = each + (i < longer ? 1 : 0);
            TemplateValue[] slice = items[at..(at + length)];
            at += length;
            yield return new ListValue(x[2] is not (null or NoneValue) && i >= longer && longer > 0 ? [.. slice, x[2]!] : slice);
        }
    }

    private static IEnumerable<TemplateValue> Map(TemplateEvaluator evaluator, CallArguments arguments)
    {
        TemplateValue source = arguments.Positional[0];

        // What counts as false has no items, even None, which cannot be iterated.
        if (!source.Truth)
            yield break;
        if (arguments.Positional.Count == 1)
        {
            TemplateValue attribute = arguments.Find("attribute") ?? throw new TemplateFault("FilterArgumentError", "map requires a filter argument");
            if (arguments.Named.Find(i => i.Key is not ("attribute" or "default")) is { Key: { } unknown })
                throw new TemplateFault("FilterArgumentError", $"Unexpected keyword argument '{unknown}'");
            foreach (TemplateValue item in TemplateOperators.Iterate(source))
            {
                evaluator.Budget.Charge(1);
                yield return Attribute(evaluator, item, attribute, arguments.Find("default"));
            }

            yield break;
        }

        string name = TemplateMethods.Text(arguments.Positional[1]);
        foreach (TemplateValue item in TemplateOperators.Iterate(source))
            yield return evaluator.CallFilter(name, new CallArguments([item, .. arguments.Positional[2..]], arguments.Named));
    }

    private static TemplateFunction Choose(string name, bool keep, bool byAttribute)
    {
        return new TemplateFunction(name, (e, x) => new GeneratorValue(Items(e, x)));

        IEnumerable<TemplateValue> Items(TemplateEvaluator evaluator, CallArguments arguments)
        {
            int used = byAttribute ? 2 : 1;
            if (!arguments.Positional[0].Truth)
                yield break;
            if (arguments.Positional.Count < used)
                throw new TemplateFault("FilterArgumentError", "Missing parameter for attribute name");
            TemplateValue? attribute = byAttribute ? arguments.Positional[1] : null;
            string? test = arguments.Positional.Count > used ? TemplateMethods.Text(arguments.Positional[used]) : null;
            foreach (TemplateValue item in TemplateOperators.Iterate(arguments.Positional[0]))
            {
                evaluator.Budget.Charge(1);
                TemplateValue value = Attribute(evaluator, item, attribute);
                bool holds = test is null ? value.Truth : evaluator.CallTest(test, new CallArguments([value, .. arguments.Positional[(used + 1)..]], arguments.Named));
                if (holds == keep)
                    yield return item;
            }
        }
    }
}
