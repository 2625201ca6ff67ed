using System.Runtime.CompilerServices;

namespace Tandem.Models;

/// <summary>Renders one template once: this part runs statements.</summary>
internal sealed partial class TemplateEvaluator
{
    private readonly TemplateScope _globals;
    private readonly Dictionary<string, BlockStatement> _blocks;
    private readonly Stack<TemplateText> _spare = new();
    private TemplateText _output = TemplateText.Rent();
    private List<TextSpan> _spans = [];
    private bool _escape;
    private int _depth;
    private int _nesting;

    public TemplateEvaluator(Dictionary<string, BlockStatement> blocks, IEnumerable<KeyValuePair<string, TemplateValue>> values, TemplateOptions options)
    {
        _blocks = blocks;
        Options = options;
        Budget = new TemplateBudget(options);
        var names = new Dictionary<string, TemplateValue>(TemplateGlobals.All, StringComparer.Ordinal);
        foreach ((string name, TemplateValue value) in values)
            names[name] = value;
        _globals = new TemplateScope(new TemplateScope(names));
    }

    private enum Flow
    {
        Normal,
        Break,
        Continue,
    }

    public TemplateOptions Options { get; }

    public TemplateBudget Budget { get; }

    /// <summary>Where the statement stands that is being run.</summary>
    public int Position { get; private set; }

    public RenderedTemplate Run(Statement[] body)
    {
        Execute(body, _globals);
        string text = _output.ToString();
        TextSpan[]? input = _output.Input;
        _output.Release();
        return new RenderedTemplate(text, [.. _spans.OrderBy(x => x.Start)], ReferenceEquals(input, StringValue.Whole) ? [new TextSpan(0, text.Length)] : input ?? []);
    }

    /// <summary>A text made by an operation, within the limit.</summary>
    public StringValue Text(StringValue text)
    {
        Budget.Text(text.Text.Length);
        return text;
    }

    /// <summary>A text made by an operation that says nothing of where its characters came from.</summary>
    public StringValue Text(string text) => Text(new StringValue(text));

    public UndefinedValue Undefined(string reason) => new(reason, Options.StrictUndefined);

    /// <summary>
    /// Counts a step, and makes sure that there is stack for it and a few inside it: chains of operators make deep trees. Whoever calls it lowers the nesting when the step is done;
    /// an exception ends the rendering.
    /// </summary>
    private void Step()
    {
        const int Unchecked = 8;
        Budget.Charge(1);
        if (++_nesting % Unchecked == 0 && !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw TemplateFault.Recursion("the template is nested too deeply to run");
    }

    private Flow Execute(Statement[] body, TemplateScope scope)
    {
        foreach (Statement statement in body)
        {
            Step();
            Position = statement.Position;
            Flow flow = Execute(statement, scope);
            _nesting--;
            if (flow != Flow.Normal)
                return flow;
        }

        return Flow.Normal;
    }

    private Flow Execute(Statement statement, TemplateScope scope)
    {
        switch (statement)
        {
            case IfStatement branch:
                return Execute(Evaluate(branch.Test, scope).Truth ? branch.Then : branch.Otherwise, scope);
            case DataStatement data:
                Write(data.Text);
                return Flow.Normal;
            case PrintStatement print:
                Print(Evaluate(print.Value, scope));
                return Flow.Normal;
            case SetStatement set:
                Assign(set.Target, Evaluate(set.Value, scope), scope);
                return Flow.Normal;
            default:
                return ExecuteOther(statement, scope);
        }
    }

    // Apart, so that what is met most has a small frame.
    private Flow ExecuteOther(Statement statement, TemplateScope scope)
    {
        switch (statement)
        {
            case ForStatement loop:
                return Loop(loop, Evaluate(loop.Items, scope), scope, 0);
            case BreakStatement:
                return Flow.Break;
            case ContinueStatement:
                return Flow.Continue;
            case MacroStatement macro:
                scope.Set(macro.Name!, new MacroValue(macro, scope));
                return Flow.Normal;
            case SetBlockStatement block:
                TemplateValue text = Capture(block.Body, new TemplateScope(scope));
                Assign(block.Target, block.Filter is null ? text : FilterBlock(block.Filter, text, scope), scope);
                return Flow.Normal;
            case WithStatement with:
                return With(with, scope);
            case CallBlockStatement call:
                CallArguments arguments = Arguments(call.Call.Arguments, scope);
                arguments = new CallArguments(arguments.Positional, [.. arguments.Named, new("caller", new MacroValue(call.Caller, scope))]);
                Print(Call(Evaluate(call.Call.Target, scope), arguments));
                return Flow.Normal;
            case FilterBlockStatement filter:
                Print(FilterBlock(filter.Filter, Capture(filter.Body, new TemplateScope(scope)), scope));
                return Flow.Normal;
            case GenerationStatement generation:
                int start = _output.Length;
                Execute(generation.Body, new TemplateScope(scope));
                _spans.Add(new(start, _output.Length));
                return Flow.Normal;
            case AutoescapeStatement escape:
                bool before = _escape;
                _escape = Evaluate(escape.Value, scope).Truth;
                Flow flow = Execute(escape.Body, new TemplateScope(scope));
                _escape = before;
                return flow;
            case BlockStatement block:
                Execute(block.Body, new TemplateScope(_globals));
                return Flow.Normal;
            default:
                throw TemplateFault.Type("no loader for this environment specified");
        }
    }

    private void Write(string text)
    {
        Budget.Text((long)_output.Length + text.Length);
        _output.Append(text);
    }

    private void Print(TemplateValue value)
    {
        if (value is StringValue { Spans: { } spans })
            _spans.AddRange(spans.Select(x => x.Move(_output.Length)));
        StringValue text = PythonText.StrValue(value, Budget);
        if (_escape && value is not StringValue { Safe: true })
            text = text.Made(TemplateFilters.Escape(text.Text));
        Budget.Text((long)_output.Length + text.Text.Length);
        _output.Append(text);
    }

    private Flow Loop(ForStatement statement, TemplateValue items, TemplateScope scope, int depth)
    {
        var loop = new LoopValue(statement.Test is null ? items : new GeneratorValue(Filtered(statement, TemplateOperators.Iterate(items), scope)), statement, scope, depth);
        bool any = false;
        var inner = new TemplateScope(scope);
        string? single = (statement.Target as NameExpression)?.Name;
        while (loop.Next(out TemplateValue item))
        {
            Budget.Charge(1);
            Position = statement.Position;
            if (inner.IsCaptured) inner = new TemplateScope(scope);
            else inner.Clear();
            inner.Set(TemplateScope.Loop, loop);
            if (single is not null) inner.Set(single, item);
            else Assign(statement.Target, item, inner);
            Flow flow = Execute(statement.Body, inner);

            // As in Jinja, an item counts as seen when its body ran to the end.
            any |= flow == Flow.Normal;
            if (flow == Flow.Break)
                break;
        }

        return any ? Flow.Normal : Execute(statement.Otherwise, new TemplateScope(scope));
    }

    private IEnumerable<TemplateValue> Filtered(ForStatement statement, IEnumerable<TemplateValue> items, TemplateScope scope)
    {
        foreach (TemplateValue item in items)
        {
            Budget.Charge(1);
            var inner = new TemplateScope(scope);
            Assign(statement.Target, item, inner);
            if (Evaluate(statement.Test!, inner).Truth)
                yield return item;
        }
    }

    private Flow With(WithStatement statement, TemplateScope scope)
    {
        var inner = new TemplateScope(scope);
        foreach ((Expression target, Expression value) in statement.Values)
            Assign(target, Evaluate(value, scope), inner);
        return Execute(statement.Body, inner);
    }

    private void Assign(Expression target, TemplateValue value, TemplateScope scope)
    {
        switch (target)
        {
            case NameExpression name:
                scope.Set(name.Name, value);
                break;
            case NamespaceTarget attribute:
                if (scope.Find(attribute.Name) is not NamespaceValue space)
                    throw new TemplateFault("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
                space.Set(attribute.Attribute, value);
                break;
            default:
                Expression[] targets = ((TupleExpression)target).Items;
                if (value is IntValue or FloatValue or BoolValue or NoneValue)
                    throw TemplateFault.Type($"cannot unpack non-iterable {value.TypeName} object");
                TemplateValue[] values = TemplateOperators.Items(value, this);
                if (values.Length < targets.Length)
                    throw TemplateFault.Value($"not enough values to unpack (expected {targets.Length}, got {values.Length})");
                if (values.Length > targets.Length)
                    throw TemplateFault.Value($"too many values to unpack (expected {targets.Length})");
                for (int i = 0; i < targets.Length; i++)
                    Assign(targets[i], values[i], scope);
                break;
        }
    }

    /// <summary>What the statements write, as a value.</summary>
    private StringValue Capture(Statement[] body, TemplateScope scope)
    {
        (TemplateText output, List<TextSpan> spans) = Redirect();
        Execute(body, scope);
        return Restore(output, spans);
    }

    private (TemplateText Output, List<TextSpan> Spans) Redirect()
    {
        (TemplateText output, List<TextSpan> spans) = (_output, _spans);
        (_output, _spans) = (_spare.TryPop(out TemplateText? spare) ? spare : new TemplateText(), []);
        return (output, spans);
    }

    private StringValue Restore(TemplateText output, List<TextSpan> spans)
    {
        StringValue text = _output.ToValue(_escape, _spans.Count > 0 ? [.. _spans] : null);
        _output.Clear();
        _spare.Push(_output);
        (_output, _spans) = (output, spans);
        return text;
    }

    /// <summary>
    /// What something writes that can contain itself, a body or a loop over other items, within the depth allowed and the stack there is.
    /// </summary>
    private StringValue Captured(Statement[]? body, TemplateScope scope, LoopValue? loop = null, TemplateValue? items = null)
    {
        if (++_depth > Budget.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw TemplateFault.Recursion($"macros or loops call themselves more than {Budget.MaxDepth} deep");
        int position = Position;
        (TemplateText output, List<TextSpan> spans) = Redirect();
        if (loop is null)
            Execute(body!, scope);
        else
            Loop(loop.Statement, items!, scope, loop.Depth + 1);
        StringValue text = Restore(output, spans);
        Position = position;
        _depth--;
        return text;
    }

    private StringValue CallMacro(MacroValue macro, CallArguments arguments)
    {
        MacroStatement statement = macro.Statement;
        string name = statement.Name is null ? "None" : $"'{statement.Name}'";
        var scope = new TemplateScope(macro.Scope);
        string[] parameters = statement.Parameters;
        int given = Math.Min(arguments.Positional.Count, parameters.Length);
        if (arguments.Positional.Count > parameters.Length && !statement.Uses.HasFlag(MacroUses.Varargs))
            throw TemplateFault.Type($"macro {name} takes not more than {parameters.Length} argument(s)");
        for (int i = 0; i < parameters.Length; i++)
        {
            TemplateValue? value = i < given ? arguments.Positional[i] : arguments.Find(parameters[i]);
            int fallback = i - (parameters.Length - statement.Defaults.Length);
            value ??= fallback >= 0 ? Evaluate(statement.Defaults[fallback], scope) : Undefined($"parameter '{parameters[i]}' was not provided");
            scope.Set(parameters[i], value);
        }

        var rest = new DictValue();
        TemplateValue? caller = null;
        foreach ((string key, TemplateValue value) in arguments.Named)
        {
            int index = Array.IndexOf(parameters, key);
            if (index >= 0 && index < given)
                throw TemplateFault.Type($"macro {name} got multiple values for argument '{key}'");
            if (index >= 0)
                continue;
            if (key == "caller" && statement.Uses.HasFlag(MacroUses.Caller))
                caller = value;
            else if (statement.Uses.HasFlag(MacroUses.Kwargs))
                rest.Items[new StringValue(key, input: StringValue.Whole)] = value;
            else
                throw TemplateFault.Type(key == "caller" ? $"macro {name} was invoked with two values for the special caller argument. This is most likely a bug." : $"macro {name} takes no keyword argument '{key}'");
        }

        if (statement.Uses.HasFlag(MacroUses.Caller) && !parameters.Contains("caller"))
            scope.Set(TemplateScope.Caller, caller ?? Undefined("No caller defined"));
        if (statement.Uses.HasFlag(MacroUses.Varargs) && !parameters.Contains("varargs"))
            scope.Set(TemplateScope.Varargs, new TupleValue([.. arguments.Positional.Skip(parameters.Length)]));
        if (statement.Uses.HasFlag(MacroUses.Kwargs) && !parameters.Contains("kwargs"))
            scope.Set(TemplateScope.Kwargs, rest);
        return Captured(statement.Body, scope);
    }
}
