using System.Collections.Frozen;
using System.Numerics;

namespace Tandem.Models;

/// <summary>The functions that every template has.</summary>
internal static class TemplateGlobals
{
    private const int MaxRange = 100_000;

    public static readonly FrozenDictionary<string, TemplateValue> All = new Dictionary<string, TemplateValue>
    {
        ["range"] = new TemplateFunction("range", "start stop? step?", Range),
        ["dict"] = new TemplateFunction("dict", Dict),
        ["namespace"] = new TemplateFunction("namespace", Namespace),
        ["raise_exception"] = new TemplateFunction("raise_exception", "message", (e, x) => throw new TemplateFault("raise_exception", PythonText.Str(x[0]!, e.Budget))),
        ["strftime_now"] = new TemplateFunction("strftime_now", "format", (e, x) => e.Text(PythonDate.Format(e.Options.Clock.GetLocalNow(), TemplateMethods.Text(x[0]!)))),
        ["cycler"] = new TemplateFunction("cycler", (_, x) => x.Positional.Count > 0 ? new CyclerValue([.. x.Positional]) : throw new TemplateFault("RuntimeError", "at least one item has to be provided")),
        ["joiner"] = new TemplateFunction("joiner", "sep?", (_, x) => new JoinerValue(x[0] ?? new StringValue(", "))),
        ["lipsum"] = new TemplateFunction("lipsum", (_, _) => throw new TemplateFault("TemplateRuntimeError", "lipsum is not available in chat templates")),
        ["self"] = SelfValue.Instance,
    }.ToFrozenDictionary();

    private static RangeValue Range(TemplateEvaluator evaluator, TemplateValue?[] x)
    {
        BigInteger[] numbers = [.. x.TakeWhile(i => i is not null).Select(i => TemplateMethods.Integer(i!))];
        var range = numbers.Length == 1 ? new RangeValue(0, numbers[0], 1) : new RangeValue(numbers[0], numbers[1], numbers.Length > 2 ? numbers[2] : 1);
        if (range.Step.IsZero)
            throw TemplateFault.Value("range() arg 3 must not be zero");
        return range.Count > MaxRange ? throw TemplateFault.Overflow($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MaxRange}).") : range;
    }

    private static DictValue Dict(TemplateEvaluator evaluator, CallArguments arguments)
    {
        var dict = new DictValue();
        if (arguments.Positional.Count > 1)
            throw TemplateFault.Type($"dict expected at most 1 argument, got {arguments.Positional.Count}");
        if (arguments.Positional is [DictValue from])
        {
            foreach ((TemplateValue key, TemplateValue value) in from.Items)
                dict.Items[key] = value;
        }
        else if (arguments.Positional.Count == 1)
        {
            foreach (TemplateValue pair in TemplateOperators.Items(arguments.Positional[0], evaluator))
            {
                TemplateValue[] items = TemplateOperators.Items(pair, evaluator);
                dict.Items[items.Length == 2 ? items[0] : throw TemplateFault.Value($"dictionary update sequence element has length {items.Length}; 2 is required")] = items[1];
            }
        }

        foreach ((string key, TemplateValue value) in arguments.Named)
            dict.Items[new StringValue(key, input: StringValue.Whole)] = value;
        return dict;
    }

    private static NamespaceValue Namespace(TemplateEvaluator evaluator, CallArguments arguments)
    {
        var space = new NamespaceValue();
        foreach ((TemplateValue key, TemplateValue value) in Dict(evaluator, arguments).Items)
            space.Set(TemplateMethods.Text(key), value);
        return space;
    }
}
