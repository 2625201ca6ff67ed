using System.Numerics;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// A value that a template can hold. The set of kinds is closed and none of them wraps a .NET object, so a template can reach nothing but what is written here.
/// Values are immutable for templates, except namespaces, cyclers and joiners.
/// </summary>
public abstract class TemplateValue
{
    private protected TemplateValue()
    {
    }

    /// <summary>None.</summary>
    public static TemplateValue None => NoneValue.Instance;

    /// <summary>The name of the Python type whose behaviour the value has.</summary>
    internal abstract string TypeName { get; }

    /// <summary>Whether the value counts as true.</summary>
    internal virtual bool Truth => true;

    /// <summary>A text from outside: control tokens in it are never parsed.</summary>
    public static implicit operator TemplateValue(string text) => new StringValue(text, input: StringValue.Whole);

    /// <summary>True or False.</summary>
    public static implicit operator TemplateValue(bool value) => BoolValue.Of(value);

    /// <summary>An integer.</summary>
    public static implicit operator TemplateValue(long value) => IntValue.Of(value);

    /// <summary>A floating-point number.</summary>
    public static implicit operator TemplateValue(double value) => new FloatValue(value);

    /// <summary>A text from outside: control tokens in it are never parsed.</summary>
    public static TemplateValue FromString(string text) => text;

    /// <summary>A text that is trusted as the template itself is: control tokens in it are parsed.</summary>
    public static TemplateValue FromTrusted(string text) => new StringValue(text);

    /// <summary>True or False.</summary>
    public static TemplateValue FromBoolean(bool value) => value;

    /// <summary>An integer.</summary>
    public static TemplateValue FromInt64(long value) => value;

    /// <summary>A floating-point number.</summary>
    public static TemplateValue FromDouble(double value) => value;

    /// <summary>A list.</summary>
    public static TemplateValue List(IEnumerable<TemplateValue> items) => new ListValue([.. items]);

    /// <summary>A mapping with text keys, in the order given; of equal keys the last value counts.</summary>
    public static TemplateValue Mapping(IEnumerable<KeyValuePair<string, TemplateValue>> items)
    {
        var dict = new DictValue();
        foreach ((string key, TemplateValue value) in items)
            dict.Items[new StringValue(key, input: StringValue.Whole)] = value;
        return dict;
    }

    /// <summary>A JSON value as Python's json module reads it: integers of any size, objects in their order.</summary>
    public static TemplateValue FromJson(JsonElement json)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                return Mapping(json.EnumerateObject().Select(x => KeyValuePair.Create(x.Name, FromJson(x.Value))));
            case JsonValueKind.Array:
                return List(json.EnumerateArray().Select(FromJson));
            case JsonValueKind.String:
                return FromString(json.GetString()!);
            case JsonValueKind.Number:
                string raw = json.GetRawText();
                return raw.AsSpan().IndexOfAny(".eE") < 0 ? IntValue.Of(PythonNumbers.ParseInteger(raw)) : new FloatValue(json.GetDouble());
            case JsonValueKind.True:
                return BoolValue.True;
            case JsonValueKind.False:
                return BoolValue.False;
            default:
                return None;
        }
    }
}

internal sealed class NoneValue : TemplateValue
{
    public static readonly NoneValue Instance = new();

    internal override string TypeName => "NoneType";

    internal override bool Truth => false;
}

internal sealed class BoolValue(bool value) : TemplateValue
{
    public static readonly BoolValue True = new(true);
    public static readonly BoolValue False = new(false);

    public bool Value { get; } = value;

    internal override string TypeName => "bool";

    internal override bool Truth => Value;

    public static BoolValue Of(bool value) => value ? True : False;
}

/// <summary>An integer of any size (up to a limit that keeps arithmetic short).</summary>
internal sealed class IntValue : TemplateValue
{
    private const int MaxBits = 1 << 14;
    private const int MostShared = 1024;
    private static readonly IntValue[] Small = [.. Enumerable.Range(-16, 16 + MostShared).Select(x => new IntValue(x))];

    private IntValue(BigInteger value)
    {
        Value = value;
        IsSmall = value >= int.MinValue && value <= int.MaxValue;
        Int32 = IsSmall ? (int)value : 0;
    }

    public BigInteger Value { get; }

    /// <summary>Whether <see cref="Int32"/> is the value.</summary>
    public bool IsSmall { get; }

    public int Int32 { get; }

    internal override string TypeName => "int";

    internal override bool Truth => !Value.IsZero;

    public static IntValue Of(long value) => value is >= -16 and < MostShared ? Small[(int)value + 16] : new IntValue(value);

    public static IntValue Of(BigInteger value)
    {
        if (value >= -16 && value < MostShared)
            return Small[(int)value + 16];
        if (value.GetBitLength() > MaxBits)
            throw TemplateFault.Overflow($"an integer of more than {MaxBits} bits");
        return new IntValue(value);
    }
}

internal sealed class FloatValue(double value) : TemplateValue
{
    public double Value { get; } = value;

    internal override string TypeName => "float";

    internal override bool Truth => Value != 0;
}

/// <summary>
/// A text; <see cref="Safe"/> when it was escaped or marked safe, <see cref="Spans"/> when parts of it were written inside generation blocks, <see cref="Input"/> when characters of it
/// came from the input.
/// </summary>
internal sealed class StringValue(string text, bool safe = false, TextSpan[]? spans = null, TextSpan[]? input = null) : TemplateValue
{
    public static readonly StringValue Empty = new("");

    /// <summary>Stands for all characters, so that a text from the input costs no list.</summary>
    public static readonly TextSpan[] Whole = [new(0, int.MaxValue)];

    private int _codePoints = -1;
    private int _hash;

    /// <summary>Hash of the text, kept: names are looked up again and again.</summary>
    public int Hash => _hash != 0 ? _hash : _hash = string.GetHashCode(Text, StringComparison.Ordinal);

    public string Text { get; } = text;

    public bool Safe { get; } = safe;

    public TextSpan[]? Spans { get; } = spans;

    /// <summary>Which characters came from the input; null for none, <see cref="Whole"/> for all.</summary>
    public TextSpan[]? Input { get; } = input;

    /// <summary>Whether all characters came from the input.</summary>
    public bool IsWhole => ReferenceEquals(Input, Whole);

    /// <summary>Length in code points, as Python counts.</summary>
    public int Length
    {
        get
        {
            if (_codePoints < 0)
                _codePoints = PythonText.CodePoints(Text);
            return _codePoints;
        }
    }

    internal override string TypeName => Safe ? "Markup" : "str";

    internal override bool Truth => Text.Length > 0;

    /// <summary>A part, with what is known of its characters.</summary>
    public StringValue Part(int start, int end)
    {
        if (start == 0 && end == Text.Length && !Safe && Spans is null)
            return this;
        return start >= end ? Empty : new StringValue(Text[start..end], input: TemplateText.InputOf(this, start, end));
    }

    /// <summary>A text made of this one in a way that does not keep places: input if any of it is.</summary>
    public StringValue Made(string text, bool safe = false) => new(text, safe, input: Input is null ? null : Whole);

    /// <summary>A text made character by character.</summary>
    public StringValue Mapped(Func<string, string> map, bool safe = false)
    {
        string text = map(Text);
        return text.Length == Text.Length && Ascii.IsValid(Text) ? new StringValue(text, safe, input: Input) : Made(text, safe);
    }
}

/// <summary>Bytes, which only <c>encode</c> makes.</summary>
internal sealed class BytesValue(byte[] value) : TemplateValue
{
    public byte[] Value { get; } = value;

    internal override string TypeName => "bytes";

    internal override bool Truth => Value.Length > 0;
}

internal abstract class SequenceValue(TemplateValue[] items) : TemplateValue
{
    public TemplateValue[] Items { get; } = items;

    internal override bool Truth => Items.Length > 0;
}

internal sealed class ListValue(TemplateValue[] items) : SequenceValue(items)
{
    internal override string TypeName => "list";
}

/// <summary>A tuple; the groups of <c>groupby</c> also answer to names.</summary>
internal sealed class TupleValue(TemplateValue[] items, bool isGroup = false) : SequenceValue(items)
{
    public bool IsGroup { get; } = isGroup;

    internal override string TypeName => "tuple";
}

/// <summary>A mapping in insertion order.</summary>
internal sealed class DictValue : TemplateValue
{
    public OrderedDictionary<TemplateValue, TemplateValue> Items { get; } = new(TemplateKeyComparer.Instance);

    internal override string TypeName => "dict";

    internal override bool Truth => Items.Count > 0;
}

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> return.</summary>
internal sealed class DictViewValue(DictValue dict, string kind) : TemplateValue
{
    public DictValue Dict { get; } = dict;

    public string Kind { get; } = kind;

    internal override string TypeName => "dict_" + Kind;

    internal override bool Truth => Dict.Truth;

    public IEnumerable<TemplateValue> Items() => Kind switch
    {
        "keys" => Dict.Items.Keys,
        "values" => Dict.Items.Values,
        _ => Dict.Items.Select(x => new TupleValue([x.Key, x.Value])),
    };
}

internal sealed class RangeValue(BigInteger start, BigInteger stop, BigInteger step) : TemplateValue
{
    public BigInteger Start { get; } = start;

    public BigInteger Stop { get; } = stop;

    public BigInteger Step { get; } = step;

    public BigInteger Count
    {
        get
        {
            BigInteger span = Step > 0 ? Stop - Start : Start - Stop;
            return span <= 0 ? 0 : (span + BigInteger.Abs(Step) - 1) / BigInteger.Abs(Step);
        }
    }

    /// <summary>Whether its items and their number are 32-bit integers.</summary>
    public bool IsSmall => IsShort(Start) && IsShort(Stop) && IsShort(Step);

    internal override string TypeName => "range";

    internal override bool Truth => Count > 0;

    public IEnumerable<TemplateValue> Items()
    {
        if (BigInteger.Abs(Start) < int.MaxValue && BigInteger.Abs(Stop) < int.MaxValue && BigInteger.Abs(Step) < int.MaxValue)
        {
            long stop = (long)Stop, step = (long)Step;
            for (long at = (long)Start; step > 0 ? at < stop : at > stop; at += step)
                yield return IntValue.Of(at);
            yield break;
        }

        BigInteger count = Count;
        for (BigInteger i = 0; i < count; i++)
            yield return IntValue.Of(Start + (i * Step));
    }

    private static bool IsShort(BigInteger value) => value > -(1 << 30) && value < 1 << 30;
}

/// <summary>What is iterated once, item by item: the results of map, select and their kin.</summary>
internal sealed class GeneratorValue(IEnumerable<TemplateValue> items, string typeName = "generator") : TemplateValue
{
    private readonly IEnumerator<TemplateValue> _items = items.GetEnumerator();

    internal override string TypeName => typeName;

    public IEnumerable<TemplateValue> Items()
    {
        while (_items.MoveNext())
            yield return _items.Current;
    }
}

/// <summary>Something that is missing. It knows why, and says so when it is used for more than printing and testing.</summary>
internal sealed class UndefinedValue(string reason, bool strict, string category = "UndefinedError") : TemplateValue
{
    private readonly TemplateValue? _target;

    /// <summary>An attribute that a value does not have.</summary>
    public UndefinedValue(TemplateValue target, string name, bool strict)
        : this(name, strict) => _target = target;

    internal override string TypeName => "Undefined";

    internal override bool Truth => strict ? throw Fault() : false;

    public TemplateFault Fault() => new(category, _target is null ? reason : $"'{TemplateEvaluator.Describe(_target)}' has no attribute '{reason}'");

    /// <summary>Refuses the uses that only a strict undefined refuses.</summary>
    public void Use()
    {
        if (strict)
            throw Fault();
    }
}

/// <summary>An object whose attributes templates can set.</summary>
internal sealed class NamespaceValue : TemplateValue
{
    public OrderedDictionary<string, TemplateValue> Attributes { get; } = [];

    internal override string TypeName => "Namespace";

    /// <summary>An attribute that was set, or null.</summary>
    public TemplateValue? Find(string name)
    {
        // Names of the template are found by identity among the first few.
        const int Tried = 8;
        for (int i = 0; i < Attributes.Count && i < Tried; i++)
        {
            (string key, TemplateValue value) = Attributes.GetAt(i);
            if (ReferenceEquals(key, name))
                return value;
        }

        return Attributes.GetValueOrDefault(name);
    }

    public void Set(string name, TemplateValue value)
    {
        if (name.StartsWith('_'))
        {
            throw TemplateFault.Security($"Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{name}'. Please rename the attribute.");
        }

        Attributes[name] = value;
    }
}

/// <summary>Gives its values one after the other, round and round.</summary>
internal sealed class CyclerValue(TemplateValue[] items) : TemplateValue
{
    public TemplateValue[] Items { get; } = items;

    public int Position { get; set; }

    internal override string TypeName => "Cycler";
}

/// <summary>Gives nothing the first time and its separator after that.</summary>
internal sealed class JoinerValue(TemplateValue separator) : TemplateValue
{
    public TemplateValue Separator { get; } = separator;

    public bool Used { get; set; }

    internal override string TypeName => "Joiner";
}

/// <summary>The template itself, by which its blocks are called.</summary>
internal sealed class SelfValue : TemplateValue
{
    public static readonly SelfValue Instance = new();

    internal override string TypeName => "TemplateReference";
}

/// <summary>Equality and hash of mapping keys: 1, 1.0 and True are one key; lists and mappings are none.</summary>
internal sealed class TemplateKeyComparer : IEqualityComparer<TemplateValue>
{
    public static readonly TemplateKeyComparer Instance = new();
    private const int MaxDepth = 12;

    public bool Equals(TemplateValue? x, TemplateValue? y) => x is StringValue s && y is StringValue t ? s.Text == t.Text : Same(x!, y!, 0);

    public int GetHashCode(TemplateValue obj) => obj is StringValue text ? text.Hash : Hash(obj, 0);

    private static bool Same(TemplateValue x, TemplateValue y, int depth)
    {
        if (ReferenceEquals(x, y))
            return true;
        if (x is TupleValue a && y is TupleValue b)
        {
            if (a.Items.Length != b.Items.Length)
                return false;
            for (int i = 0; i < a.Items.Length; i++)
            {
                if (!Same(a.Items[i], b.Items[i], depth + 1))
                    return false;
            }

            return true;
        }

        return TemplateOperators.ScalarEquals(x, y) ?? false;
    }

    private static int Hash(TemplateValue value, int depth) => value switch
    {
        StringValue s => s.Hash,
        BoolValue b => b.Value ? BigInteger.One.GetHashCode() : BigInteger.Zero.GetHashCode(),
        IntValue i => i.Value.GetHashCode(),
        FloatValue f => f.Value == Math.Floor(f.Value) && double.IsFinite(f.Value) ? new BigInteger(f.Value).GetHashCode() : f.Value.GetHashCode(),
        NoneValue => 17,
        TupleValue t when depth < MaxDepth => t.Items.Aggregate(t.Items.Length, (hash, x) => HashCode.Combine(hash, Hash(x, depth + 1))),
        TupleValue => throw TemplateFault.Limit("a tuple nested too deeply for a key"),
        ListValue or DictValue or BytesValue => throw TemplateFault.Type($"unhashable type: '{value.TypeName}'"),
        _ => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(value),
    };
}
