namespace Tandem.Models;

/// <summary>The arguments of one call.</summary>
internal readonly record struct CallArguments(List<TemplateValue> Positional, List<KeyValuePair<string, TemplateValue>> Named)
{
    public CallArguments(params TemplateValue[] positional)
        : this([.. positional], [])
    {
    }

    public TemplateValue? Find(string name)
    {
        foreach ((string key, TemplateValue value) in Named)
        {
            if (key == name)
                return value;
        }

        return null;
    }
}

internal delegate TemplateValue TemplateBody(TemplateEvaluator evaluator, TemplateValue?[] arguments);

/// <summary>A function, method, filter or test that is built in: its parameters by name, and what it does with their values (null where none was given).</summary>
internal sealed class TemplateFunction : TemplateValue
{
    private readonly string[] _parameters;
    private readonly int _required;
    private readonly TemplateBody? _body;
    private readonly Func<TemplateEvaluator, CallArguments, TemplateValue>? _variadic;

    /// <summary>A function of fixed parameters, written as <c>"text count? width?"</c>: a question mark for those that can be left out.</summary>
    public TemplateFunction(string name, string parameters, TemplateBody body)
    {
        Name = name;
        _parameters = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        _required = _parameters.Count(x => !x.EndsWith('?'));
        for (int i = 0; i < _parameters.Length; i++)
            _parameters[i] = _parameters[i].TrimEnd('?');
        _body = body;
    }

    /// <summary>A function that takes any arguments.</summary>
    public TemplateFunction(string name, Func<TemplateEvaluator, CallArguments, TemplateValue> body)
    {
        Name = name;
        _parameters = [];
        _variadic = body;
    }

    public string Name { get; }

    /// <summary>
    /// Whether a text that it returns says rightly which of its characters came from the input. Of any other function a text counts as input wherever an argument is or may hold input.
    /// Texts inside lists that functions make must say so themselves.
    /// </summary>
    public bool KeepsOrigin { get; init; }

    internal override string TypeName => "function";

    public TemplateValue Invoke(TemplateEvaluator evaluator, CallArguments arguments)
    {
        TemplateValue result = _variadic is not null ? _variadic(evaluator, arguments) : Run(evaluator, arguments);
        return !KeepsOrigin && result is StringValue { Input: null, Text.Length: > 0 } text ? WithOrigin(text, arguments) : result;
    }

    private static StringValue WithOrigin(StringValue text, CallArguments arguments)
    {
        bool mayHoldInput = arguments.Named.Exists(x => MayHoldInput(x.Value));
        foreach (TemplateValue argument in arguments.Positional)
        {
            if (ReferenceEquals(argument, text))
                return text;
            mayHoldInput |= MayHoldInput(argument);
        }

        return mayHoldInput ? new StringValue(text.Text, text.Safe, text.Spans, StringValue.Whole) : text;
    }

    private static bool MayHoldInput(TemplateValue value) =>
        value is StringValue text ? text.Input is not null : value is not (IntValue or FloatValue or BoolValue or NoneValue or UndefinedValue or RangeValue);

    /// <summary>Room for the values of a call that gives only <paramref name="count"/> values in order; null where the function does not take such a call.</summary>
    public TemplateValue?[]? Values(int count) => _body is not null && count >= _required && count <= _parameters.Length ? new TemplateValue?[_parameters.Length] : null;

    /// <summary>A call with the values of all parameters, from <see cref="Values"/>.</summary>
    public TemplateValue Invoke(TemplateEvaluator evaluator, TemplateValue?[] values)
    {
        TemplateValue result = _body!(evaluator, values);
        return !KeepsOrigin && result is StringValue { Input: null, Text.Length: > 0 } text ? WithOrigin(text, new CallArguments([.. values.OfType<TemplateValue>()], [])) : result;
    }

    private TemplateValue Run(TemplateEvaluator evaluator, CallArguments arguments)
    {
        if (arguments.Positional.Count > _parameters.Length)
            throw TemplateFault.Type($"{Name}() takes {_parameters.Length} positional arguments but {arguments.Positional.Count} were given");
        var values = new TemplateValue?[_parameters.Length];
        arguments.Positional.CopyTo(values!);
        foreach ((string name, TemplateValue value) in arguments.Named)
        {
            int index = Array.IndexOf(_parameters, name);
            if (index < 0)
                throw TemplateFault.Type($"{Name}() got an unexpected keyword argument '{name}'");
            if (values[index] is not null)
                throw TemplateFault.Type($"{Name}() got multiple values for argument '{name}'");
            values[index] = value;
        }

        for (int i = 0; i < _required; i++)
        {
            if (values[i] is null)
                throw TemplateFault.Type($"{Name}() missing 1 required positional argument: '{_parameters[i]}'");
        }

        return _body!(evaluator, values);
    }
}

/// <summary>A method taken from a value.</summary>
internal sealed class MethodValue(TemplateValue self, TemplateFunction function) : TemplateValue
{
    public TemplateValue Self { get; } = self;

    public TemplateFunction Function { get; } = function;

    internal override string TypeName => "builtin_function_or_method";

    public TemplateValue Invoke(TemplateEvaluator evaluator, CallArguments arguments)
    {
        arguments.Positional.Insert(0, Self);
        return Result(Function.Invoke(evaluator, arguments));
    }

    /// <summary>What a call of the function gives as one of the method.</summary>
    public TemplateValue Result(TemplateValue result) => Self is StringValue { Safe: true } ? Marked(result) : result;

    /// <summary>Methods of a text that is marked safe give texts that are.</summary>
    private static TemplateValue Marked(TemplateValue value) => value switch
    {
        StringValue text => new StringValue(text.Text, safe: true, input: text.Input),
        ListValue list => new ListValue([.. list.Items.Select(Marked)]),
        TupleValue tuple => new TupleValue([.. tuple.Items.Select(Marked)]),
        _ => value,
    };
}

/// <summary>A macro and the scope that it was defined in.</summary>
internal sealed class MacroValue : TemplateValue
{
    public MacroValue(MacroStatement statement, TemplateScope scope)
    {
        Statement = statement;
        Scope = scope;
        scope.Capture();
    }

    public MacroStatement Statement { get; }

    public TemplateScope Scope { get; }

    internal override string TypeName => "Macro";
}

/// <summary>A block of the template, called by its name.</summary>
internal sealed class BlockValue(BlockStatement statement) : TemplateValue
{
    public BlockStatement Statement { get; } = statement;

    internal override string TypeName => "BlockReference";
}
