using System.Globalization;

namespace Tandem.Models;

/// <summary>This part reads expressions, with the precedence of Jinja: a filter binds tighter than any operator, unary minus tighter than a power.</summary>
internal sealed partial class TemplateParser
{
    /// <summary>A single name that is assigned to.</summary>
    private NameExpression Target()
    {
        TemplateToken token = Expect(TokenKind.Name);
        return token.Text is "true" or "false" or "none" or "True" or "False" or "None"
            ? throw Fail("can't assign to 'const'", token.Position)
            : new NameExpression(token.Text, token.Position);
    }

    /// <summary>A name, a tuple of names, or name.attribute.</summary>
    private Expression Target(string? end, bool withNamespace = false)
    {
        Expression target = Tuple(end: end, simple: true, withNamespace: withNamespace);
        CheckTarget(target);
        return target;
    }

    private void CheckTarget(Expression target)
    {
        switch (target)
        {
            case NameExpression or NamespaceTarget:
                break;
            case TupleExpression tuple:
                Array.ForEach(tuple.Items, CheckTarget);
                break;
            default:
                string kind = target.GetType().Name.Replace("Expression", "", StringComparison.Ordinal).Replace("Constant", "Const", StringComparison.Ordinal).ToLowerInvariant();
                throw Fail($"can't assign to '{kind}'", target.Position);
        }
    }

    /// <summary>An expression, or several with commas between them, which make a tuple.</summary>
    private Expression Tuple(bool conditional = true, string? end = null, bool parentheses = false, bool simple = false, bool withNamespace = false)
    {
        int position = Current.Position;
        var items = new List<Expression>();
        bool isTuple = false;
        while (true)
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (Current.Kind is TokenKind.PrintEnd or TokenKind.BlockEnd || IsOperator(")") || (end is not null && IsName(end)))
                break;
            items.Add(simple ? Primary(withNamespace) : conditional ? Expression() : Or());
            if (!IsOperator(","))
                break;
            isTuple = true;
        }

        if (!isTuple && items.Count > 0)
            return items[0];
        if (!isTuple && !parentheses)
            throw Fail($"Expected an expression, got {PythonText.Repr(Describe(Current))}");
        return new TupleExpression([.. items], position);
    }

    private Expression Expression()
    {
        Enter();
        int position = Current.Position;
        int first = _unknown.Count;
        Expression value = Or();
        while (SkipName("if"))
        {
            Expression test = Or();
            Expression? otherwise = SkipName("else") ? Expression() : null;
            value = new ConditionalExpression(test, value, otherwise, position);
            Soften(first);
        }

        _nesting--;
        return value;
    }

    private Expression Or()
    {
        int position = Current.Position;
        Expression left = And();
        while (SkipName("or"))
            left = new BinaryExpression("or", left, And(), position);
        return left;
    }

    private Expression And()
    {
        int position = Current.Position;
        Expression left = Not();
        while (SkipName("and"))
            left = new BinaryExpression("and", left, Not(), position);
        return left;
    }

    private Expression Not()
    {
        if (!IsName("not"))
            return Compare();
        Enter();
        int position = Next().Position;
        var result = new UnaryExpression("not", Not(), position);
        _nesting--;
        return result;
    }

    private Expression Compare()
    {
        int position = Current.Position;
        Expression first = Sum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            if (Current is { Kind: TokenKind.Operator, Text: "==" or "!=" or "<" or "<=" or ">" or ">=" })
            {
                string op = Next().Text;
                rest.Add((op, Sum()));
            }
            else if (SkipName("in"))
            {
                rest.Add(("in", Sum()));
            }
            else if (IsName("not") && _tokens[_at + 1] is { Kind: TokenKind.Name, Text: "in" })
            {
                Next();
                Next();
                rest.Add(("not in", Sum()));
            }
            else
            {
                return rest.Count == 0 ? first : new CompareExpression(first, [.. rest], position);
            }
        }
    }

    private Expression Sum()
    {
        int position = Current.Position;
        Expression left = Concat();
        while (Current is { Kind: TokenKind.Operator, Text: "+" or "-" })
        {
            string op = Next().Text;
            left = new BinaryExpression(op, left, Concat(), position);
        }

        return left;
    }

    private Expression Concat()
    {
        int position = Current.Position;
        Expression first = Product();
        if (!IsOperator("~"))
            return first;
        List<Expression> items = [first];
        while (SkipOperator("~"))
            items.Add(Product());
        return new ConcatExpression([.. items], position);
    }

    private Expression Product()
    {
        int position = Current.Position;
        Expression left = Power();
        while (Current is { Kind: TokenKind.Operator, Text: "*" or "/" or "//" or "%" })
        {
            string op = Next().Text;
            left = new BinaryExpression(op, left, Power(), position);
        }

        return left;
    }

    private Expression Power()
    {
        int position = Current.Position;
        Expression left = Unary();
        while (SkipOperator("**"))
            left = new BinaryExpression("**", left, Unary(), position);
        return left;
    }

    private Expression Unary(bool withFilter = true)
    {
        Enter();
        int position = Current.Position;
        Expression value;
        if (SkipOperator("-"))
            value = new UnaryExpression("-", Unary(false), position);
        else if (SkipOperator("+"))
            value = new UnaryExpression("+", Unary(false), position);
        else
            value = Primary(false);
        value = Postfix(value);
        if (withFilter)
            value = FiltersAndTests(value);
        _nesting--;
        return value;
    }

    private Expression Primary(bool withNamespace)
    {
        TemplateToken token = Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                Next();
                switch (token.Text)
                {
                    case "true" or "True": return new ConstantExpression(BoolValue.True, token.Position);
                    case "false" or "False": return new ConstantExpression(BoolValue.False, token.Position);
                    case "none" or "None": return new ConstantExpression(NoneValue.Instance, token.Position);
                    case "varargs": _uses |= MacroUses.Varargs; break;
                    case "kwargs": _uses |= MacroUses.Kwargs; break;
                    case "caller": _uses |= MacroUses.Caller; break;
                }

                if (withNamespace && SkipOperator("."))
                    return new NamespaceTarget(token.Text, Expect(TokenKind.Name).Text, token.Position);
                return new NameExpression(token.Text, token.Position);
            case TokenKind.String:
                string text = Next().Text;
                while (Current.Kind == TokenKind.String)
                    text += Next().Text;
                return new ConstantExpression(new StringValue(text), token.Position);
            case TokenKind.Integer:
                Next();
                return new ConstantExpression(Constant(() => IntValue.Of(PythonNumbers.ParseInteger(token.Text)), token), token.Position);
            case TokenKind.Float:
                Next();
                return new ConstantExpression(new FloatValue(double.Parse(token.Text, CultureInfo.InvariantCulture)), token.Position);
            case TokenKind.Operator when token.Text == "(":
                Next();
                Expression inner = Tuple(parentheses: true);
                ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return List();
            case TokenKind.Operator when token.Text == "{":
                return Dict();
            default:
                throw Fail($"unexpected {PythonText.Repr(Describe(token))}");
        }
    }

    private TemplateValue Constant(Func<TemplateValue> read, TemplateToken token)
    {
        try
        {
            return read();
        }
        catch (TemplateFault fault)
        {
            throw Fail(fault.Message, token.Position);
        }
    }

    private ListExpression List()
    {
        int position = Next().Position;
        var items = new List<Expression>();
        while (!IsOperator("]"))
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (IsOperator("]"))
                break;
            items.Add(Expression());
        }

        Next();
        return new ListExpression([.. items], position);
    }

    private DictExpression Dict()
    {
        int position = Next().Position;
        var items = new List<(Expression, Expression)>();
        while (!IsOperator("}"))
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (IsOperator("}"))
                break;
            Expression key = Expression();
            ExpectOperator(":");
            items.Add((key, Expression()));
        }

        Next();
        return new DictExpression([.. items], position);
    }

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            if (SkipOperator("."))
                value = Attribute(value);
            else if (IsOperator("["))
                value = Subscript(value);
            else if (IsOperator("("))
                value = new CallExpression(value, Arguments(), value.Position);
            else
                return value;
        }
    }

    private Expression Attribute(Expression target)
    {
        TemplateToken token = Next();
        return token.Kind switch
        {
            TokenKind.Name => new AttributeExpression(target, token.Text, target.Position),
            TokenKind.Integer => new ItemExpression(target, new ConstantExpression(Constant(() => IntValue.Of(PythonNumbers.ParseInteger(token.Text)), token), token.Position), target.Position),
            _ => throw Fail("expected name or number", token.Position),
        };
    }

    private ItemExpression Subscript(Expression target)
    {
        int position = Next().Position;
        var items = new List<Expression>();
        while (!IsOperator("]"))
        {
            if (items.Count > 0)
                ExpectOperator(",");
            items.Add(Slice());
        }

        Next();
        return new ItemExpression(target, items.Count == 1 ? items[0] : new TupleExpression([.. items], position), target.Position);
    }

    private Expression Slice()
    {
        int position = Current.Position;
        Expression? start = null;
        if (!SkipOperator(":"))
        {
            start = Expression();
            if (!SkipOperator(":"))
                return start;
        }

        Expression? stop = IsOperator(":") || IsOperator("]") || IsOperator(",") ? null : Expression();
        Expression? step = SkipOperator(":") && !IsOperator("]") && !IsOperator(",") ? Expression() : null;
        return new SliceExpression(start, stop, step, position);
    }

    private ArgumentList Arguments()
    {
        int position = Next().Position;
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? more = null, moreNamed = null;
        bool first = true;
        while (!IsOperator(")"))
        {
            if (!first)
                ExpectOperator(",");
            if (IsOperator(")"))
                break;
            first = false;
            if (SkipOperator("*"))
            {
                Ensure(more is null && moreNamed is null, position);
                more = Expression();
            }
            else if (SkipOperator("**"))
            {
                Ensure(moreNamed is null, position);
                moreNamed = Expression();
            }
            else if (Current.Kind == TokenKind.Name && _tokens[_at + 1] is { Kind: TokenKind.Operator, Text: "=" })
            {
                Ensure(moreNamed is null, position);
                string name = Next().Text;
                Next();
                named.Add((name, Expression()));
            }
            else
            {
                Ensure(more is null && moreNamed is null && named.Count == 0, position);
                positional.Add(Expression());
            }
        }

        Next();
        return new ArgumentList([.. positional], [.. named], more, moreNamed);
    }

    private void Ensure(bool condition, int position)
    {
        if (!condition)
            throw Fail("invalid syntax for function call expression", position);
    }

    private Expression FiltersAndTests(Expression value)
    {
        while (true)
        {
            if (IsOperator("|"))
                value = Filters(value, inline: false)!;
            else if (IsName("is"))
                value = Test(value);
            else if (IsOperator("("))
                value = new CallExpression(value, Arguments(), value.Position);
            else
                return value;
        }
    }

    private string DottedName()
    {
        string name = Expect(TokenKind.Name).Text;
        while (SkipOperator("."))
            name += "." + Expect(TokenKind.Name).Text;
        return name;
    }

    /// <summary>A chain of filters; <paramref name="inline"/> when the first has no bar before it.</summary>
    private Expression? Filters(Expression? value, bool inline)
    {
        while (inline || IsOperator("|"))
        {
            if (!inline)
                Next();
            int position = value?.Position ?? Current.Position;
            string name = DottedName();
            var filter = new FilterExpression(value, name, IsOperator("(") ? Arguments() : ArgumentList.None, position);
            if (!TemplateFilters.All.ContainsKey(name))
                _unknown.Add((filter, $"No filter named '{name}'.", false));
            value = filter;
            inline = false;
        }

        return value;
    }

    private Expression Test(Expression value)
    {
        Next();
        bool negated = SkipName("not");
        string name = DottedName();
        ArgumentList arguments = ArgumentList.None;
        if (IsOperator("("))
        {
            arguments = Arguments();
        }
        else if (Current.Kind is TokenKind.Name or TokenKind.String or TokenKind.Integer or TokenKind.Float || IsOperator("[") || IsOperator("{"))
        {
            if (IsName("is"))
                throw Fail("You cannot chain multiple tests with is");
            if (!IsName("else") && !IsName("or") && !IsName("and"))
                arguments = new ArgumentList([Postfix(Primary(false))], [], null, null);
        }

        var test = new TestExpression(value, name, arguments, value.Position);
        if (!TemplateTests.All.ContainsKey(name))
            _unknown.Add((test, $"No test named '{name}'.", false));
        return negated ? new UnaryExpression("not", test, value.Position) : test;
    }
}
