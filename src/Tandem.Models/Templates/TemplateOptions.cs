namespace Tandem.Models;

/// <summary>How a template is parsed and what it may use while it renders.</summary>
public sealed record TemplateOptions
{
    /// <summary>The options of chat templates: what is missing prints as nothing, the local clock.</summary>
    public static TemplateOptions Default { get; } = new();

    /// <summary>Whether any use of something undefined is an error instead of nothing.</summary>
    public bool StrictUndefined { get; init; }

    /// <summary>The clock that <c>strftime_now</c> reads.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Statements, expressions and items handled in one rendering before it is stopped.</summary>
    public long MaxSteps { get; init; } = 20_000_000;

    /// <summary>Calls of macros, blocks and recursive loops inside each other.</summary>
    public int MaxDepth { get; init; } = 400;

    /// <summary>Characters in the output or in any text made on the way.</summary>
    public int MaxLength { get; init; } = 32 << 20;
}

/// <summary>What one rendering may still use: bounds the time and memory that a template can take.</summary>
internal sealed class TemplateBudget(TemplateOptions options)
{
    private long _steps = options.MaxSteps;

    public int MaxDepth { get; } = options.MaxDepth;

    public int MaxLength { get; } = options.MaxLength;

    public void Charge(long steps)
    {
        _steps -= steps;
        if (_steps < 0)
            throw TemplateFault.Limit("the template took too many steps");
    }

    /// <summary>Accounts for a text of that many characters.</summary>
    public void Text(long length)
    {
        if (length > MaxLength)
            throw TemplateFault.Limit($"a text of {length} characters is longer than the limit of {MaxLength}");
        Charge(length >> 4);
    }
}
