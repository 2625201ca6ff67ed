using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>Builds the tree of a template: this part reads statements.</summary>
internal sealed partial class TemplateParser
{
    private const int MaxNesting = 500;

    private readonly TemplateSource _source;
    private readonly List<TemplateToken> _tokens;
    private readonly Stack<string[]> _endTags = new();
    private readonly Stack<string> _openTags = new();
    private readonly List<(TemplateNode Node, string Message, bool Hard)> _unknown = [];
    private int _at;
    private int _nesting;
    private int _loops;
    private MacroUses _uses;

    private TemplateParser(TemplateSource source)
    {
        _source = source;
        _tokens = TemplateLexer.Tokens(source.Text);
        ShareNames();
        CheckError();
    }

    /// <summary>The blocks by name.</summary>
    public Dictionary<string, BlockStatement> Blocks { get; } = [];

    private TemplateToken Current => _tokens[_at];

    /// <summary>Parses a whole template.</summary>
    /// <exception cref="TemplateException">The template is malformed or names a filter or test that does not exist.</exception>
    public static (Statement[] Body, Dictionary<string, BlockStatement> Blocks) Parse(TemplateSource source)
    {
        var parser = new TemplateParser(source);
        Statement[] body = parser.Body(null);
        if (parser._unknown.Count > 0)
            throw source.Error("TemplateAssertionError", parser._unknown[0].Message, parser._unknown[0].Node.Position);
        return (body, parser.Blocks);
    }

    // One text for each name, so that scopes find names by identity.
    private void ShareNames()
    {
        var names = TemplateScope.OwnNames.ToDictionary(name => name);
        foreach (ref TemplateToken token in CollectionsMarshal.AsSpan(_tokens))
        {
            if (token.Kind != TokenKind.Name)
                continue;
            ref string? name = ref CollectionsMarshal.GetValueRefOrAddDefault(names, token.Text, out _);
            name ??= token.Text;
            token = token with { Text = name };
        }
    }

    private TemplateToken Next()
    {
        TemplateToken token = Current;
        if (token.Kind != TokenKind.End)
            _at++;
        CheckError();
        return token;
    }

    private void CheckError()
    {
        if (Current.Kind == TokenKind.Error)
            throw Fail(Current.Text, Current.Position);
    }

    private TemplateException Fail(string message, int? position = null) => _source.Error("TemplateSyntaxError", message, position ?? Current.Position);

    private bool Is(TokenKind kind, string text) => Current.Kind == kind && Current.Text == text;

    private bool IsName(string name) => Is(TokenKind.Name, name);

    private bool IsOperator(string op) => Is(TokenKind.Operator, op);

    private bool SkipName(string name)
    {
        if (!IsName(name))
            return false;
        Next();
        return true;
    }

    private bool SkipOperator(string op)
    {
        if (!IsOperator(op))
            return false;
        Next();
        return true;
    }

    private TemplateToken Expect(TokenKind kind, string? text = null)
    {
        if (Current.Kind == kind && (text is null || Current.Text == text))
            return Next();
        string wanted = text ?? Describe(kind);
        throw Current.Kind == TokenKind.End ? Fail($"unexpected end of template, expected '{wanted}'.") : Fail($"expected token '{wanted}', got {PythonText.Repr(Describe(Current))}");
    }

    private void ExpectOperator(string op) => Expect(TokenKind.Operator, op);

    private static string Describe(TemplateToken token) => token.Kind is TokenKind.Name or TokenKind.Operator ? token.Text : Describe(token.Kind);

    private static string Describe(TokenKind kind) => kind switch
    {
        TokenKind.Data => "template data / text",
        TokenKind.PrintBegin => "begin of print statement",
        TokenKind.PrintEnd => "end of print statement",
        TokenKind.BlockBegin => "begin of statement block",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.End => "end of template",
        _ => kind.ToString().ToLowerInvariant(),
    };

    private void Enter()
    {
        if (++_nesting > MaxNesting || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Fail($"nested more than {MaxNesting} deep");
    }

    /// <summary>Statements up to one of the end tags, whose name is then the current token; without end tags up to the end of the template.</summary>
    private Statement[] Body(string[]? endTags)
    {
        Enter();
        if (endTags is not null)
            _endTags.Push(endTags);
        var body = new List<Statement>();
        bool ended = false;
        while (!ended && Current.Kind != TokenKind.End)
        {
            TemplateToken token = Next();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    body.Add(new DataStatement(token.Text, token.Position));
                    break;
                case TokenKind.PrintBegin:
                    Expression value = Tuple();
                    body.Add(new PrintStatement(value, value.Position));
                    Expect(TokenKind.PrintEnd);
                    break;
                default:
                    ended = endTags is not null && Current.Kind == TokenKind.Name && endTags.Contains(Current.Text);
                    if (!ended)
                    {
                        Statement(body);
                        Expect(TokenKind.BlockEnd);
                    }

                    break;
            }
        }

        if (endTags is not null)
        {
            if (!ended)
                throw Fail("Unexpected end of template." + LookingFor());
            _endTags.Pop();
        }

        _nesting--;
        return [.. body];
    }

    /// <summary>The rest of the opening tag and the statements up to an end tag; drops the end tag if it is the only one possible.</summary>
    private Statement[] Block(params string[] endTags)
    {
        SkipOperator(":");
        Expect(TokenKind.BlockEnd);
        Statement[] body = Body(endTags);
        if (endTags.Length == 1)
            Next();
        return body;
    }

    private string LookingFor() => _endTags.Count == 0
        ? ""
        : $" Jinja was looking for the following tags: {string.Join(" or ", _endTags.Peek().Select(x => $"'{x}'"))}. The innermost block that needs to be closed is '{_openTags.Peek()}'.";

    private void Statement(List<Statement> body)
    {
        if (Current.Kind != TokenKind.Name)
            throw Fail("tag name expected");
        TemplateToken tag = Next();
        _openTags.Push(tag.Text);
        switch (tag.Text)
        {
            case "if": body.Add(If(tag)); break;
            case "for": body.Add(Frame(() => For(tag))); break;
            case "set": body.Add(Set(tag)); break;
            case "macro": body.Add(Macro(tag)); break;
            case "call": body.Add(Call(tag)); break;
            case "with": body.Add(Frame(() => With(tag))); break;
            case "filter": body.Add(Frame(() => new FilterBlockStatement((FilterExpression)Filters(null, inline: true)!, Block("endfilter"), tag.Position))); break;
            case "generation": body.Add(Frame(() => new GenerationStatement(OutsideLoops(() => Block("endgeneration")), tag.Position))); break;
            case "autoescape": body.Add(Frame(() => new AutoescapeStatement(Expression(), Block("endautoescape"), tag.Position))); break;
            case "block": body.Add(Frame(() => NamedBlock(tag))); break;
            case "print": Print(body); break;
            case "break" or "continue":
                if (_loops == 0)
                    throw new TemplateException("SyntaxError", tag.Text == "break" ? "'break' outside loop" : "'continue' not properly in loop", null, null, null);
                body.Add(tag.Text == "break" ? new BreakStatement(tag.Position) : new ContinueStatement(tag.Position));
                break;
            case "include" or "extends" or "import" or "from":
                Expression();
                while (Current.Kind is not (TokenKind.BlockEnd or TokenKind.End))
                    Next();
                body.Add(new LoadStatement(tag.Position));
                break;
            default:
                _openTags.Pop();
                throw Fail($"Encountered unknown tag '{tag.Text}'." + LookingFor(), tag.Position);
        }

        _openTags.Pop();
    }

    /// <summary>Unknown filters and tests in a body that is compiled on its own are errors even inside a branch that may not run.</summary>
    private T Frame<T>(Func<T> parse)
    {
        int first = _unknown.Count;
        T result = parse();
        for (int i = first; i < _unknown.Count; i++)
            _unknown[i] = _unknown[i] with { Hard = true };
        return result;
    }

    /// <summary>Unknown filters and tests in branches are errors only when they are reached.</summary>
    private void Soften(int first)
    {
        for (int i = _unknown.Count - 1; i >= first; i--)
        {
            if (!_unknown[i].Hard)
                _unknown.RemoveAt(i);
        }
    }

    private T OutsideLoops<T>(Func<T> parse)
    {
        int loops = _loops;
        _loops = 0;
        T result = parse();
        _loops = loops;
        return result;
    }

    private IfStatement If(TemplateToken tag)
    {
        Enter();
        int first = _unknown.Count;
        Expression test = Tuple(conditional: false);
        Statement[] then = Block("elif", "else", "endif");
        TemplateToken end = Next();
        Statement[] otherwise = end.Text switch
        {
            "elif" => [If(end)],
            "else" => Block("endif"),
            _ => [],
        };
        Soften(first);
        _nesting--;
        return new IfStatement(test, then, otherwise, tag.Position);
    }

    private ForStatement For(TemplateToken tag)
    {
        Expression target = Target("in");
        if (Names(target).Contains("loop"))
            throw _source.Error("TemplateAssertionError", "Can't assign to special loop variable in for-loop target", target.Position);
        Expect(TokenKind.Name, "in");
        Expression items = Tuple(conditional: false, end: "recursive");
        Expression? test = SkipName("if") ? Expression() : null;
        bool recursive = SkipName("recursive");
        _loops++;
        Statement[] body = Block("endfor", "else");
        _loops--;
        Statement[] otherwise = Next().Text == "else" ? Block("endfor") : [];
        return new ForStatement(target, items, test, recursive, body, otherwise, tag.Position);
    }

    private static IEnumerable<string> Names(Expression target) => target switch
    {
        NameExpression name => [name.Name],
        TupleExpression tuple => tuple.Items.SelectMany(Names),
        _ => [],
    };

    private Statement Set(TemplateToken tag)
    {
        Expression target = Target(null, withNamespace: true);
        if (SkipOperator("="))
            return new SetStatement(target, Tuple(), tag.Position);
        return Frame(() =>
        {
            Expression? filter = IsOperator("|") ? Filters(null, inline: false) : null;
            return new SetBlockStatement(target, (FilterExpression?)filter, Block("endset"), tag.Position);
        });
    }

    private WithStatement With(TemplateToken tag)
    {
        var values = new List<(Expression, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0)
                ExpectOperator(",");
            Expression target = Target(null);
            ExpectOperator("=");
            values.Add((target, Expression()));
        }

        return new WithStatement([.. values], Block("endwith"), tag.Position);
    }

    private void Print(List<Statement> body)
    {
        for (bool first = true; first || Current.Kind != TokenKind.BlockEnd; first = false)
        {
            if (!first)
                ExpectOperator(",");
            Expression value = Expression();
            body.Add(new PrintStatement(value, value.Position));
        }
    }

    private BlockStatement NamedBlock(TemplateToken tag)
    {
        string name = Expect(TokenKind.Name).Text;
        SkipName("scoped");
        SkipName("required");
        Statement[] body = OutsideLoops(() => Block("endblock"));
        SkipName(name);
        var block = new BlockStatement(name, body, tag.Position);
        if (!Blocks.TryAdd(name, block))
            throw _source.Error("TemplateAssertionError", $"block '{name}' defined twice", tag.Position);
        return block;
    }

    private MacroStatement Macro(TemplateToken tag)
    {
        string name = Target().Name;
        (string[] parameters, Expression[] defaults) = Signature();
        return MacroBody(name, parameters, defaults, tag, "endmacro");
    }

    private MacroStatement MacroBody(string? name, string[] parameters, Expression[] defaults, TemplateToken tag, string endTag)
    {
        MacroUses outer = _uses;
        _uses = MacroUses.None;
        Statement[] body = Frame(() => OutsideLoops(() => Block(endTag)));
        var macro = new MacroStatement(name, parameters, defaults, body, _uses, tag.Position);
        _uses |= outer;
        return macro;
    }

    private CallBlockStatement Call(TemplateToken tag)
    {
        (string[] parameters, Expression[] defaults) = IsOperator("(") ? Signature() : ([], []);
        Expression call = Expression();
        if (call is not CallExpression target)
            throw Fail("expected call", call.Position);
        return new CallBlockStatement(target, MacroBody(null, parameters, defaults, tag, "endcall"), tag.Position);
    }

    private (string[] Parameters, Expression[] Defaults) Signature()
    {
        var parameters = new List<string>();
        var defaults = new List<Expression>();
        ExpectOperator("(");
        while (!IsOperator(")"))
        {
            if (parameters.Count > 0)
                ExpectOperator(",");
            parameters.Add(Target().Name);
            if (SkipOperator("="))
                defaults.Add(Expression());
            else if (defaults.Count > 0)
                throw Fail("non-default argument follows default argument");
        }

        ExpectOperator(")");
        return ([.. parameters], [.. defaults]);
    }
}
