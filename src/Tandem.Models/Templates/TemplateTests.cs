using System.Collections.Frozen;
using System.Numerics;

namespace Tandem.Models;

/// <summary>The tests that stand after <c>is</c>.</summary>
internal static class TemplateTests
{
    public static readonly FrozenDictionary<string, TemplateFunction> All = Build();

    private static FrozenDictionary<string, TemplateFunction> Build()
    {
        var all = new Dictionary<string, TemplateFunction>();
        Unary("defined", x => x is not UndefinedValue);
        Unary("undefined", x => x is UndefinedValue);
        Unary("none", x => x is NoneValue);
        Unary("boolean", x => x is BoolValue);
        Unary("true", x => x is BoolValue { Value: true });
        Unary("false", x => x is BoolValue { Value: false });
        Unary("integer", x => x is IntValue);
        Unary("float", x => x is FloatValue);
        Unary("number", x => x is IntValue or FloatValue or BoolValue);
        Unary("string", x => x is StringValue);
        Unary("mapping", x => x is DictValue);
        Unary("sequence", x => x is StringValue or SequenceValue or DictValue or RangeValue or BytesValue or UndefinedValue);
        Unary("iterable", x => x is StringValue or SequenceValue or DictValue or DictViewValue or RangeValue or BytesValue or GeneratorValue or UndefinedValue or LoopValue);
        Unary("callable", x => x is TemplateFunction or MethodValue or MacroValue or BlockValue or JoinerValue or LoopValue or UndefinedValue);
        Unary("escaped", x => x is StringValue { Safe: true });
        Unary("odd", x => IsRemainder(x, 2, 1));
        Unary("even", x => IsRemainder(x, 2, 0));
        Add("lower", "value", (e, x) => PythonCase.IsLower(PythonText.Str(x[0]!, e.Budget)));
        Add("upper", "value", (e, x) => PythonCase.IsUpper(PythonText.Str(x[0]!, e.Budget)));
        Unary("filter", x => x is StringValue name && TemplateFilters.All.ContainsKey(name.Text));
        Add("test", "value", (_, x) => x[0] is StringValue name && All!.ContainsKey(name.Text));
        Add("divisibleby", "value num", (e, x) => TemplateOperators.AreEqual(TemplateOperators.Binary("%", x[0]!, x[1]!, e), IntValue.Of(0), e.Budget));
        Add("sameas", "value other", (_, x) => ReferenceEquals(x[0], x[1]) || (x[0]!.TypeName == x[1]!.TypeName && TemplateOperators.ScalarEquals(x[0]!, x[1]!) == true));
        foreach ((string op, string[] names) in new (string, string[])[]
        {
            ("==", ["==", "eq", "equalto"]), ("!=", ["!=", "ne"]), ("<", ["<", "lt", "lessthan"]), ("<=", ["<=", "le"]),
            (">", [">", "gt", "greaterthan"]), (">=", [">=", "ge"]), ("in", ["in"]),
        })
        {
            foreach (string name in names)
                Add(name, "value other", (e, x) => TemplateOperators.Compare(op, x[0]!, x[1]!, e));
        }

        return all.ToFrozenDictionary();

        void Add(string name, string parameters, Func<TemplateEvaluator, TemplateValue?[], bool> test) =>
            all[name] = new TemplateFunction(name, parameters, (e, x) => BoolValue.Of(test(e, x)));

        void Unary(string name, Func<TemplateValue, bool> test) => Add(name, "value", (_, x) => test(x[0]!));
    }

    private static bool IsRemainder(TemplateValue value, int by, int remainder)
    {
        if (value is UndefinedValue undefined)
            throw undefined.Fault();
        if (TemplateOperators.Number(value) is not { } number)
            throw TemplateFault.Type($"not all arguments converted: {value.TypeName} is no number");
        return number.Float is { } f ? f - (Math.Floor(f / by) * by) == remainder : BigInteger.Abs(number.Integer % by) == remainder;
    }
}
