namespace Tandem.Models;

/// <summary>A template that cannot be parsed, or that failed or refused while rendering: what happened, where, and the line of the template.</summary>
public sealed class TemplateException : TandemException
{
    internal TemplateException(string category, string message, int? line, int? column, string? lineText)
        : base(Describe(category, message, line, column, lineText))
    {
        Category = category;
        Reason = message;
        Line = line;
        Column = column;
        LineText = lineText;
    }

    /// <summary>The kind of failure by the name Jinja users know: <c>raise_exception</c>, <c>UndefinedError</c>, <c>TemplateSyntaxError</c>, <c>TypeError</c> and so on; <c>LimitError</c> for a limit of <see cref="TemplateOptions"/>.</summary>
    public string Category { get; }

    /// <summary>The message without the place; for <c>raise_exception</c> the template's own words.</summary>
    public string Reason { get; }

    /// <summary>Line of the template, from 1.</summary>
    public int? Line { get; }

    /// <summary>Column in that line, from 1, where the statement or expression starts.</summary>
    public int? Column { get; }

    /// <summary>The text of that line.</summary>
    public string? LineText { get; }

    private static string Describe(string category, string message, int? line, int? column, string? lineText) =>
        line is null ? $"{category}: {message}" : $"{category}: {message} (line {line}, column {column} of the template: {lineText?.Trim()})";
}

/// <summary>A failure on its way up to the place that knows the line.</summary>
internal sealed class TemplateFault(string category, string message) : Exception(message)
{
    public string Category { get; } = category;

    public static TemplateFault Type(string message) => new("TypeError", message);

    /// <summary>A value that lacks the method which an operation is made of.</summary>
    public static TemplateFault Attribute(TemplateValue value, string name) =>
        value is UndefinedValue undefined ? undefined.Fault() : new("AttributeError", $"'{value.TypeName}' object has no attribute '{name}'");

    public static TemplateFault Value(string message) => new("ValueError", message);

    public static TemplateFault Undefined(string message) => new("UndefinedError", message);

    public static TemplateFault Security(string message) => new("SecurityError", message);

    public static TemplateFault Overflow(string message) => new("OverflowError", message);

    public static TemplateFault Limit(string message) => new("LimitError", message);

    public static TemplateFault Recursion(string message) => new("RecursionError", message);
}
