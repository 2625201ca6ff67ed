namespace Tandem.Models;

/// <summary>Characters of a text, from <see cref="Start"/> up to but not including <see cref="End"/>, counted in UTF-16.</summary>
public readonly record struct TextSpan(int Start, int End)
{
    internal TextSpan Move(int by) => new(Start + by, End + by);
}

/// <summary>The text that a template wrote.</summary>
/// <param name="Text">The text.</param>
/// <param name="GenerationSpans">Which parts stand inside <c>{% generation %}</c>, in order: what a model is trained to write.</param>
/// <param name="InputSpans">
/// Which characters came from messages, tools, documents or arguments, in order; all others are the template's own or special tokens that it was given.
/// Control tokens are parsed among the latter only. Where an operation does not keep the places, its whole result counts as input if any of its operands does;
/// numbers, truth values and None carry no origin.
/// </param>
public sealed record RenderedTemplate(string Text, IReadOnlyList<TextSpan> GenerationSpans, IReadOnlyList<TextSpan> InputSpans);

/// <summary>
/// A chat template: Jinja with the settings and additions of Hugging Face's <c>apply_chat_template</c> (trim_blocks, lstrip_blocks, loop controls, generation blocks,
/// immutable sandbox). Parsed once; can be rendered from several threads at the same time.
/// </summary>
public sealed partial class ChatTemplate
{
    private readonly TemplateSource _source;
    private readonly TemplateOptions _options;
    private readonly Statement[] _body;
    private readonly Dictionary<string, BlockStatement> _blocks;

    private ChatTemplate(TemplateSource source, TemplateOptions options)
    {
        _source = source;
        _options = options;
        (_body, _blocks) = TemplateParser.Parse(source);
    }

    /// <summary>Reads a template.</summary>
    /// <exception cref="TemplateException">It is malformed, or names a filter or test that does not exist.</exception>
    public static ChatTemplate Parse(string source, TemplateOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new ChatTemplate(new TemplateSource(source), options ?? TemplateOptions.Default);
    }

    /// <summary>Renders the template with variables.</summary>
    /// <exception cref="TemplateException">The template refused, failed, or reached a limit of its options.</exception>
    public RenderedTemplate Render(IEnumerable<KeyValuePair<string, TemplateValue>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var evaluator = new TemplateEvaluator(_blocks, values, _options);
        try
        {
            return evaluator.Run(_body);
        }
        catch (TemplateFault fault)
        {
            throw _source.Error(fault.Category, fault.Message, evaluator.Position);
        }
    }
}
