namespace Tandem.Models;

/// <summary>This part evaluates expressions.</summary>
internal sealed partial class TemplateEvaluator
{
    // Shared by all calls without named arguments; nobody adds to it.
    private static readonly List<KeyValuePair<string, TemplateValue>> NoNamed = [];

    /// <summary>How error messages name a value's kind.</summary>
    public static string Describe(TemplateValue value) => value is NoneValue ? "None" : $"{value.TypeName} object";

    /// <summary>Calls a function, a macro or whatever else can be called.</summary>
    public TemplateValue Call(TemplateValue target, CallArguments arguments)
    {
        Budget.Charge(1);
        switch (target)
        {
            case TemplateFunction function:
                return function.Invoke(this, arguments);
            case MethodValue method:
                return method.Invoke(this, arguments);
            case MacroValue macro:
                return CallMacro(macro, arguments);
            case LoopValue loop:
                if (!loop.Statement.Recursive)
                    throw TemplateFault.Type("The loop must have the 'recursive' marker to be called recursively.");
                if (arguments.Positional.Count != 1)
                    throw TemplateFault.Type("a recursive loop is called with one argument, what to loop over");
                return Captured(null, loop.Scope, loop, arguments.Positional[0]);
            case BlockValue block:
                return Captured(block.Statement.Body, new TemplateScope(_globals));
            case JoinerValue joiner:
                TemplateValue separator = joiner.Used ? joiner.Separator : StringValue.Empty;
                joiner.Used = true;
                return separator;
            case UndefinedValue undefined:
                throw undefined.Fault();
            default:
                throw TemplateFault.Type($"'{target.TypeName}' object is not callable");
        }
    }

    /// <summary>Runs a filter by its name, as map does.</summary>
    public TemplateValue CallFilter(string name, CallArguments arguments)
    {
        Budget.Charge(1);
        return TemplateFilters.All.TryGetValue(name, out TemplateFunction? filter)
            ? filter.Invoke(this, arguments)
            : throw new TemplateFault("TemplateRuntimeError", $"No filter named '{name}'.");
    }

    /// <summary>Runs a test by its name, as select does.</summary>
    public bool CallTest(string name, CallArguments arguments)
    {
        Budget.Charge(1);
        return TemplateTests.All.TryGetValue(name, out TemplateFunction? test)
            ? test.Invoke(this, arguments).Truth
            : throw new TemplateFault("TemplateRuntimeError", $"No test named '{name}'.");
    }

    /// <summary><c>target.name</c>: a method or attribute first, then an item.</summary>
    public TemplateValue Attribute(TemplateValue target, StringValue name)
    {
        if (target is UndefinedValue undefined)
            throw undefined.Fault();
        return TemplateMethods.Find(target, name.Text, this) ?? TemplateOperators.Item(target, name) ?? Missing(target, name);
    }

    /// <summary><c>target[index]</c>: an item first, then a method or attribute.</summary>
    public TemplateValue Item(TemplateValue target, TemplateValue index) =>
        TemplateOperators.Item(target, index) ?? (index is StringValue name ? TemplateMethods.Find(target, name.Text, this) : null) ?? Missing(target, index);

    /// <summary>A block by its name, as <c>self</c> gives it.</summary>
    public BlockValue? Block(string name) => _blocks.TryGetValue(name, out BlockStatement? block) ? new BlockValue(block) : null;

    private TemplateValue Evaluate(Expression expression, TemplateScope scope)
    {
        if (expression is ConstantExpression constant)
        {
            Budget.Charge(1);
            return constant.Value;
        }

        if (expression is NameExpression name)
        {
            Budget.Charge(1);
            return scope.Find(name.Name) ?? Unknown(name);
        }

        Step();
        TemplateValue value = expression switch
        {
            AttributeExpression attribute => Attribute(attribute, scope),
            UnaryExpression { IsNot: true } not => BoolValue.Of(!Evaluate(not.Operand, scope).Truth),
            CompareExpression compare => Compare(compare, scope),
            _ => EvaluateOther(expression, scope),
        };
        _nesting--;
        return value;
    }

    // Apart, so that what is met most has a small frame.
    private TemplateValue EvaluateOther(Expression expression, TemplateScope scope)
    {
        switch (expression)
        {
            case ItemExpression item:
                return Subscript(item, scope);
            case BinaryExpression { Op: "and" } and:
                TemplateValue first = Evaluate(and.Left, scope);
                return first.Truth ? Evaluate(and.Right, scope) : first;
            case BinaryExpression { Op: "or" } or:
                TemplateValue left = Evaluate(or.Left, scope);
                return left.Truth ? left : Evaluate(or.Right, scope);
            case BinaryExpression binary:
                TemplateValue a = Evaluate(binary.Left, scope);
                return TemplateOperators.Binary(binary.Op, a, Evaluate(binary.Right, scope), this);
            case TestExpression test:
                return Test(test, scope);
            case FilterExpression filter:
                return Filter(filter, Evaluate(filter.Target!, scope), scope);
            case CallExpression call:
                return Call(call, scope);
            case ConditionalExpression conditional:
                if (Evaluate(conditional.Test, scope).Truth)
                    return Evaluate(conditional.Then, scope);
                return conditional.Otherwise is null
                    ? new UndefinedValue("the inline if-expression evaluated to false and no else section was defined.", Options.StrictUndefined)
                    : Evaluate(conditional.Otherwise, scope);
            case UnaryExpression unary:
                return TemplateOperators.Unary(unary.Op, Evaluate(unary.Operand, scope));
            case ConcatExpression concat:
                return TemplateOperators.Concat(EvaluateAll(concat.Items, scope), this);
            case ListExpression list:
                return new ListValue(EvaluateAll(list.Items, scope));
            case TupleExpression tuple:
                return new TupleValue(EvaluateAll(tuple.Items, scope));
            case DictExpression dict:
                var result = new DictValue();
                foreach ((Expression key, Expression value) in dict.Items)
                    result.Items[Evaluate(key, scope)] = Evaluate(value, scope);
                return result;
            default:
                throw TemplateFault.Type("a slice can only stand alone between brackets");
        }
    }

    private UndefinedValue Unknown(NameExpression name) => Undefined($"'{name.Name}' is undefined");

    private TemplateValue Attribute(AttributeExpression attribute, TemplateScope scope)
    {
        TemplateValue target = Evaluate(attribute.Target, scope);
        if (target is DictValue dict && attribute.IsItemOfMappings)
            return dict.Items.GetValueOrDefault(attribute.Name) ?? Missing(target, attribute.Name);
        return target is NamespaceValue space && space.Find(attribute.Name.Text) is { } value ? value : Attribute(target, attribute.Name);
    }

    private TemplateValue Call(CallExpression call, TemplateScope scope)
    {
        TemplateValue target = Evaluate(call.Target, scope);
        switch (target)
        {
            case MethodValue method when Direct(method.Function, method.Self, call.Arguments, scope) is { } values:
                Budget.Charge(1);
                return method.Result(method.Function.Invoke(this, values));
            case TemplateFunction function when Direct(function, null, call.Arguments, scope) is { } values:
                Budget.Charge(1);
                return function.Invoke(this, values);
            default:
                return Call(target, Arguments(call.Arguments, scope));
        }
    }

    /// <summary>The values of a call that has nothing but values in order, as many as the function takes; null for any other.</summary>
    private TemplateValue?[]? Direct(TemplateFunction function, TemplateValue? first, ArgumentList list, TemplateScope scope)
    {
        int before = first is null ? 0 : 1;
        if (!list.IsPlain || function.Values(before + list.Positional.Length) is not { } values)
            return null;
        if (first is not null)
            values[0] = first;
        for (int i = 0; i < list.Positional.Length; i++)
            values[before + i] = Evaluate(list.Positional[i], scope);
        return values;
    }

    private TemplateValue[] EvaluateAll(Expression[] items, TemplateScope scope)
    {
        var values = new TemplateValue[items.Length];
        for (int i = 0; i < items.Length; i++)
            values[i] = Evaluate(items[i], scope);
        return values;
    }

    private TemplateValue Subscript(ItemExpression item, TemplateScope scope)
    {
        TemplateValue target = Evaluate(item.Target, scope);
        if (item.Index is not SliceExpression slice)
            return Item(target, Evaluate(item.Index, scope));
        return TemplateOperators.Slice(target, Optional(slice.Start, scope), Optional(slice.Stop, scope), Optional(slice.Step, scope), this);
    }

    private TemplateValue? Optional(Expression? expression, TemplateScope scope) => expression is null ? null : Evaluate(expression, scope);

    private BoolValue Compare(CompareExpression compare, TemplateScope scope)
    {
        TemplateValue left = Evaluate(compare.First, scope);
        foreach ((string op, Expression operand) in compare.Rest)
        {
            TemplateValue right = Evaluate(operand, scope);
            if (!TemplateOperators.Compare(op, left, right, this))
                return BoolValue.False;
            left = right;
        }

        return BoolValue.True;
    }

    private TemplateValue Filter(FilterExpression filter, TemplateValue value, TemplateScope scope)
    {
        if (filter.Function is not null && Direct(filter.Function, value, filter.Arguments, scope) is { } values)
            return filter.Function.Invoke(this, values);
        CallArguments arguments = Arguments(filter.Arguments, scope);
        arguments.Positional.Insert(0, value);
        return filter.Function is not null
            ? filter.Function.Invoke(this, arguments)
            : throw new TemplateFault("TemplateRuntimeError", $"No filter named '{filter.Name}' found.");
    }

    /// <summary>Runs the chain of filters of a block on its text.</summary>
    private TemplateValue FilterBlock(FilterExpression filter, TemplateValue text, TemplateScope scope) =>
        Filter(filter, filter.Target is FilterExpression inner ? FilterBlock(inner, text, scope) : text, scope);

    private TemplateValue Test(TestExpression test, TemplateScope scope)
    {
        TemplateValue value = Evaluate(test.Target, scope);
        if (test.Function is not null && Direct(test.Function, value, test.Arguments, scope) is { } values)
            return test.Function.Invoke(this, values);
        CallArguments arguments = Arguments(test.Arguments, scope);
        arguments.Positional.Insert(0, value);
        return test.Function is not null
            ? test.Function.Invoke(this, arguments)
            : throw new TemplateFault("TemplateRuntimeError", $"No test named '{test.Name}' found.");
    }

    private CallArguments Arguments(ArgumentList list, TemplateScope scope)
    {
        var positional = new List<TemplateValue>(list.Positional.Length + 1);
        List<KeyValuePair<string, TemplateValue>> named = list.Named.Length == 0 && list.MoreNamed is null ? NoNamed : new(list.Named.Length);
        foreach (Expression item in list.Positional)
            positional.Add(Evaluate(item, scope));
        foreach ((string name, Expression value) in list.Named)
            AddNamed(named, name, Evaluate(value, scope));
        if (list.More is not null)
            positional.AddRange(TemplateOperators.Items(Evaluate(list.More, scope), this));
        if (list.MoreNamed is not null)
        {
            if (Evaluate(list.MoreNamed, scope) is not DictValue more)
                throw TemplateFault.Type("argument after ** must be a mapping");
            foreach ((TemplateValue key, TemplateValue value) in more.Items)
                AddNamed(named, key is StringValue name ? name.Text : throw TemplateFault.Type("keywords must be strings"), value);
        }

        return new CallArguments(positional, named);
    }

    private static void AddNamed(List<KeyValuePair<string, TemplateValue>> named, string name, TemplateValue value)
    {
        if (named.Exists(x => x.Key == name))
            throw TemplateFault.Type($"got multiple values for keyword argument '{name}'");
        named.Add(new(name, value));
    }

    // The common name costs no text until somebody asks what is missing.
    private UndefinedValue Missing(TemplateValue target, TemplateValue name) =>
        name is StringValue text ? new UndefinedValue(target, text.Text, Options.StrictUndefined) : Undefined($"{Describe(target)} has no element {PythonText.Repr(name, Budget)}");
}
