using System.Collections.Frozen;
using System.Numerics;

namespace Tandem.Models;

/// <summary>The attributes and methods of values that are not texts, and the lookup of all of them by name.</summary>
internal static class TemplateMethods
{
    private static readonly FrozenDictionary<string, TemplateFunction> Dict = Table(
        new("keys", "self", (_, x) => new DictViewValue((DictValue)x[0]!, "keys")),
        new("values", "self", (_, x) => new DictViewValue((DictValue)x[0]!, "values")),
        new("items", "self", (_, x) => new DictViewValue((DictValue)x[0]!, "items")),
        new("get", "self key default?", (_, x) => ((DictValue)x[0]!).Items.GetValueOrDefault(x[1]!) ?? x[2] ?? NoneValue.Instance) { KeepsOrigin = true },
        new("copy", "self", (_, x) => x[0]!));

    private static readonly FrozenDictionary<string, TemplateFunction> Sequence = Table(
        new("index", "self value start? stop?", IndexOf),
        new("count", "self value", (e, x) => IntValue.Of(TemplateOperators.Items(x[0]!, e).Count(i => TemplateOperators.AreEqual(i, x[1]!, e.Budget)))),
        new("copy", "self", (_, x) => x[0]!));

    private static readonly FrozenDictionary<string, TemplateFunction> Numbers = Table(
        new("bit_length", "self", (_, x) => IntValue.Of(BigInteger.Abs(Integer(x[0]!)) is var n && n.IsZero ? 0 : n.GetBitLength())),
        new("conjugate", "self", (_, x) => x[0]!),
        new("is_integer", "self", (_, x) => BoolValue.Of(x[0] is not FloatValue f || (double.IsFinite(f.Value) && f.Value == Math.Floor(f.Value)))));

    private static readonly FrozenDictionary<string, TemplateFunction> Bytes = Table(
        new TemplateFunction("decode", "self encoding? errors?", (_, x) => new StringValue(System.Text.Encoding.UTF8.GetString(((BytesValue)x[0]!).Value), input: StringValue.Whole)));

    private static readonly FrozenDictionary<string, TemplateFunction> Cycler = Table(
        new("next", "self", (_, x) => Advance((CyclerValue)x[0]!)) { KeepsOrigin = true },
        new("reset", "self", (_, x) =>
        {
            ((CyclerValue)x[0]!).Position = 0;
            return NoneValue.Instance;
        }));

    /// <summary>Methods that Python has and the sandbox refuses, because they change the value.</summary>
    private static readonly FrozenSet<string> ChangeList = FrozenSet.Create("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");

    private static readonly FrozenSet<string> ChangeDict = FrozenSet.Create("clear", "pop", "popitem", "setdefault", "update");

    /// <summary>Whether mappings have a method of that name, one that the sandbox hides included.</summary>
    public static bool IsOfMappings(string name) => Dict.ContainsKey(name) || ChangeDict.Contains(name) || name.StartsWith("__", StringComparison.Ordinal);

    /// <summary>The attribute of that name, or null. What the sandbox hides is found, but undefined, and says so when it is used.</summary>
    public static TemplateValue? Find(TemplateValue target, string name, TemplateEvaluator evaluator)
    {
        bool changes = target is ListValue ? ChangeList.Contains(name) : target is DictValue && ChangeDict.Contains(name);
        if (changes || (name.Length > 4 && name.StartsWith("__", StringComparison.Ordinal) && name.EndsWith("__", StringComparison.Ordinal) && !(target is DictValue d && d.Items.ContainsKey(new StringValue(name)))))
            return new UndefinedValue($"access to attribute '{name}' of '{target.TypeName}' object is unsafe.", evaluator.Options.StrictUndefined, "SecurityError");
        switch (target)
        {
            case StringValue: return Bind(target, PythonStrings.Methods, name);
            case DictValue: return Bind(target, Dict, name);
            case LoopValue loop: return loop.Attribute(name, evaluator);
            case NamespaceValue space: return space.Find(name);
            case MacroValue macro: return Macro(macro.Statement, name);
            case SelfValue: return evaluator.Block(name);
            case TupleValue { IsGroup: true } group when name is "grouper" or "list": return group.Items[name == "grouper" ? 0 : 1];
            case SequenceValue: return target is TupleValue && name == "copy" ? null : Bind(target, Sequence, name);
            case RangeValue range: return Range(range, name) ?? (name is "index" or "count" ? Bind(target, Sequence, name) : null);
            case BytesValue: return Bind(target, Bytes, name);
            case CyclerValue cycler: return name == "current" ? cycler.Items[cycler.Position] : Bind(target, Cycler, name);
            case IntValue or BoolValue: return Number(target, name);
            case FloatValue: return name == "real" ? target : name == "imag" ? new FloatValue(0) : name is "is_integer" or "conjugate" ? Bind(target, Numbers, name) : null;
            default: return null;
        }
    }

    /// <summary>The text of a value that must be one.</summary>
    public static string Text(TemplateValue value) => TextValue(value).Text;

    /// <summary>A value that must be a text.</summary>
    public static StringValue TextValue(TemplateValue value) => value switch
    {
        StringValue text => text,
        UndefinedValue undefined => throw undefined.Fault(),
        _ => throw TemplateFault.Type($"expected str, got {value.TypeName}"),
    };

    /// <summary>The integer of a value that must be one.</summary>
    public static BigInteger Integer(TemplateValue value) => value switch
    {
        UndefinedValue undefined => throw undefined.Fault(),
        _ when TemplateOperators.Number(value) is { Float: null } number => number.Integer,
        _ => throw TemplateFault.Type($"'{value.TypeName}' object cannot be interpreted as an integer"),
    };

    public static FrozenDictionary<string, TemplateFunction> Table(params TemplateFunction[] functions) => functions.ToFrozenDictionary(x => x.Name);

    private static MethodValue? Bind(TemplateValue target, FrozenDictionary<string, TemplateFunction> table, string name) =>
        table.TryGetValue(name, out TemplateFunction? function) ? new MethodValue(target, function) : null;

    private static TemplateValue? Number(TemplateValue target, string name) => name switch
    {
        "real" or "numerator" => IntValue.Of(Integer(target)),
        "imag" => IntValue.Of(0),
        "denominator" => IntValue.Of(1),
        _ => Bind(target, Numbers, name),
    };

    private static TemplateValue? Range(RangeValue range, string name) => name switch
    {
        "start" => IntValue.Of(range.Start),
        "stop" => IntValue.Of(range.Stop),
        "step" => IntValue.Of(range.Step),
        _ => null,
    };

    private static TemplateValue? Macro(MacroStatement macro, string name) => name switch
    {
        "name" => macro.Name is null ? NoneValue.Instance : new StringValue(macro.Name),
        "arguments" => new TupleValue([.. macro.Parameters.Select(x => new StringValue(x))]),
        "catch_kwargs" => BoolValue.Of(macro.Uses.HasFlag(MacroUses.Kwargs)),
        "catch_varargs" => BoolValue.Of(macro.Uses.HasFlag(MacroUses.Varargs)),
        "caller" => BoolValue.Of(macro.Uses.HasFlag(MacroUses.Caller)),
        _ => null,
    };

    private static IntValue IndexOf(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        TemplateValue[] items = TemplateOperators.Items(x[0]!, evaluator);
        int from = At(x[2], 0), to = At(x[3], items.Length);
        for (int i = from; i < to; i++)
        {
            if (TemplateOperators.AreEqual(items[i], x[1]!, evaluator.Budget))
                return IntValue.Of(i);
        }

        throw TemplateFault.Value($"{PythonText.Repr(x[1]!, evaluator.Budget)} is not in {x[0]!.TypeName}");

        int At(TemplateValue? value, int fallback)
        {
            if (value is null)
                return fallback;
            BigInteger at = Integer(value);
            return (int)BigInteger.Clamp(at < 0 ? at + items.Length : at, 0, items.Length);
        }
    }

    private static TemplateValue Advance(CyclerValue cycler)
    {
        TemplateValue item = cycler.Items[cycler.Position];
        cycler.Position = (cycler.Position + 1) % cycler.Items.Length;
        return item;
    }
}
