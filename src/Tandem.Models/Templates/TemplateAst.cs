namespace Tandem.Models;

/// <summary>A part of the tree; <see cref="Position"/> is where it starts in the template.</summary>
internal abstract class TemplateNode(int position)
{
    public int Position { get; } = position;
}

internal abstract class Expression(int position) : TemplateNode(position);

internal sealed class ConstantExpression(TemplateValue value, int position) : Expression(position)
{
    public TemplateValue Value { get; } = value;
}

internal sealed class NameExpression(string name, int position) : Expression(position)
{
    public string Name { get; } = name;
}

/// <summary>A target <c>name.attribute</c> of a set statement.</summary>
internal sealed class NamespaceTarget(string name, string attribute, int position) : Expression(position)
{
    public string Name { get; } = name;

    public string Attribute { get; } = attribute;
}

internal sealed class ListExpression(Expression[] items, int position) : Expression(position)
{
    public Expression[] Items { get; } = items;
}

internal sealed class TupleExpression(Expression[] items, int position) : Expression(position)
{
    public Expression[] Items { get; } = items;
}

internal sealed class DictExpression((Expression Key, Expression Value)[] items, int position) : Expression(position)
{
    public (Expression Key, Expression Value)[] Items { get; } = items;
}

/// <summary><c>not</c>, <c>-</c> or <c>+</c>.</summary>
internal sealed class UnaryExpression(string op, Expression operand, int position) : Expression(position)
{
    public string Op { get; } = op;

    public bool IsNot { get; } = op == "not";

    public Expression Operand { get; } = operand;
}

/// <summary>Arithmetic, <c>and</c> and <c>or</c>.</summary>
internal sealed class BinaryExpression(string op, Expression left, Expression right, int position) : Expression(position)
{
    public string Op { get; } = op;

    public Expression Left { get; } = left;

    public Expression Right { get; } = right;
}

/// <summary>Operands joined by <c>~</c>.</summary>
internal sealed class ConcatExpression(Expression[] items, int position) : Expression(position)
{
    public Expression[] Items { get; } = items;
}

/// <summary>A chain of comparisons, each of neighbours.</summary>
internal sealed class CompareExpression(Expression first, (string Op, Expression Operand)[] rest, int position) : Expression(position)
{
    public Expression First { get; } = first;

    public (string Op, Expression Operand)[] Rest { get; } = rest;
}

internal sealed class ConditionalExpression(Expression test, Expression then, Expression? otherwise, int position) : Expression(position)
{
    public Expression Test { get; } = test;

    public Expression Then { get; } = then;

    public Expression? Otherwise { get; } = otherwise;
}

internal sealed class AttributeExpression(Expression target, string name, int position) : Expression(position)
{
    public Expression Target { get; } = target;

    public StringValue Name { get; } = new(name);

    /// <summary>Whether a mapping can only have it as an item.</summary>
    public bool IsItemOfMappings { get; } = !TemplateMethods.IsOfMappings(name);
}

internal sealed class ItemExpression(Expression target, Expression index, int position) : Expression(position)
{
    public Expression Target { get; } = target;

    public Expression Index { get; } = index;
}

internal sealed class SliceExpression(Expression? start, Expression? stop, Expression? step, int position) : Expression(position)
{
    public Expression? Start { get; } = start;

    public Expression? Stop { get; } = stop;

    public Expression? Step { get; } = step;
}

/// <summary>What is written between the parentheses of a call.</summary>
internal sealed record ArgumentList(Expression[] Positional, (string Name, Expression Value)[] Named, Expression? More, Expression? MoreNamed)
{
    public static readonly ArgumentList None = new([], [], null, null);

    /// <summary>Whether all are values in order.</summary>
    public bool IsPlain { get; } = Named.Length == 0 && More is null && MoreNamed is null;
}

internal sealed class CallExpression(Expression target, ArgumentList arguments, int position) : Expression(position)
{
    public Expression Target { get; } = target;

    public ArgumentList Arguments { get; } = arguments;
}

/// <summary>A filter; without <see cref="Target"/> it is given the text of its block.</summary>
internal sealed class FilterExpression(Expression? target, string name, ArgumentList arguments, int position) : Expression(position)
{
    /// <summary>The filter of that name, or null.</summary>
    public TemplateFunction? Function { get; } = TemplateFilters.All.GetValueOrDefault(name);

    public Expression? Target { get; } = target;

    public string Name { get; } = name;

    public ArgumentList Arguments { get; } = arguments;
}

internal sealed class TestExpression(Expression target, string name, ArgumentList arguments, int position) : Expression(position)
{
    /// <summary>The test of that name, or null.</summary>
    public TemplateFunction? Function { get; } = TemplateTests.All.GetValueOrDefault(name);

    public Expression Target { get; } = target;

    public string Name { get; } = name;

    public ArgumentList Arguments { get; } = arguments;
}

internal abstract class Statement(int position) : TemplateNode(position);

internal sealed class DataStatement(string text, int position) : Statement(position)
{
    public string Text { get; } = text;
}

internal sealed class PrintStatement(Expression value, int position) : Statement(position)
{
    public Expression Value { get; } = value;
}

internal sealed class IfStatement(Expression test, Statement[] then, Statement[] otherwise, int position) : Statement(position)
{
    public Expression Test { get; } = test;

    public Statement[] Then { get; } = then;

    public Statement[] Otherwise { get; } = otherwise;
}

internal sealed class ForStatement(Expression target, Expression items, Expression? test, bool recursive, Statement[] body, Statement[] otherwise, int position) : Statement(position)
{
    public Expression Target { get; } = target;

    public Expression Items { get; } = items;

    public Expression? Test { get; } = test;

    public bool Recursive { get; } = recursive;

    public Statement[] Body { get; } = body;

    public Statement[] Otherwise { get; } = otherwise;
}

internal sealed class SetStatement(Expression target, Expression value, int position) : Statement(position)
{
    public Expression Target { get; } = target;

    public Expression Value { get; } = value;
}

internal sealed class SetBlockStatement(Expression target, FilterExpression? filter, Statement[] body, int position) : Statement(position)
{
    public Expression Target { get; } = target;

    public FilterExpression? Filter { get; } = filter;

    public Statement[] Body { get; } = body;
}

internal sealed class WithStatement((Expression Target, Expression Value)[] values, Statement[] body, int position) : Statement(position)
{
    public (Expression Target, Expression Value)[] Values { get; } = values;

    public Statement[] Body { get; } = body;
}

/// <summary>The parameters and the body of a macro or of the text given to a call block.</summary>
internal sealed class MacroStatement(string? name, string[] parameters, Expression[] defaults, Statement[] body, MacroUses uses, int position) : Statement(position)
{
    public string? Name { get; } = name;

    public string[] Parameters { get; } = parameters;

    /// <summary>Defaults of the last parameters.</summary>
    public Expression[] Defaults { get; } = defaults;

    public Statement[] Body { get; } = body;

    public MacroUses Uses { get; } = uses;
}

/// <summary>Which of its special names the body of a macro mentions: that decides which arguments it takes.</summary>
[Flags]
internal enum MacroUses
{
    None = 0,
    Varargs = 1,
    Kwargs = 2,
    Caller = 4,
}

internal sealed class CallBlockStatement(CallExpression call, MacroStatement caller, int position) : Statement(position)
{
    public CallExpression Call { get; } = call;

    public MacroStatement Caller { get; } = caller;
}

internal sealed class FilterBlockStatement(FilterExpression filter, Statement[] body, int position) : Statement(position)
{
    public FilterExpression Filter { get; } = filter;

    public Statement[] Body { get; } = body;
}

internal sealed class GenerationStatement(Statement[] body, int position) : Statement(position)
{
    public Statement[] Body { get; } = body;
}

internal sealed class AutoescapeStatement(Expression value, Statement[] body, int position) : Statement(position)
{
    public Expression Value { get; } = value;

    public Statement[] Body { get; } = body;
}

internal sealed class BlockStatement(string name, Statement[] body, int position) : Statement(position)
{
    public string Name { get; } = name;

    public Statement[] Body { get; } = body;
}

/// <summary>include, extends, import, from: chat templates have nothing to load from.</summary>
internal sealed class LoadStatement(int position) : Statement(position);

internal sealed class BreakStatement(int position) : Statement(position);

internal sealed class ContinueStatement(int position) : Statement(position);
