using System.Collections.Frozen;

namespace Tandem.Models;

/// <summary>What a conversation gives to a chat template.</summary>
public sealed record ChatTemplateInput
{
    /// <summary>The messages, each a mapping with <c>role</c>, <c>content</c> and whatever else the template reads.</summary>
    public required IReadOnlyList<TemplateValue> Messages { get; init; }

    /// <summary>The tools as JSON schemas; the variable is None when there are none given, and an empty list stays one.</summary>
    public TemplateValue Tools { get; init; } = TemplateValue.None;

    /// <summary>The documents to answer from; None when not given.</summary>
    public TemplateValue Documents { get; init; } = TemplateValue.None;

    /// <summary>Whether the text ends with the start of the model's turn.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>Whether the text ends inside the last message, for the model to go on with it.</summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>The field of the last message that is continued.</summary>
    public string ContinuedField { get; init; } = "content";

    /// <summary>The special tokens that are set, such as <c>bos_token</c>, by name.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();

    /// <summary>Further variables of the template, such as <c>enable_thinking</c>; they win over those above.</summary>
    public IReadOnlyDictionary<string, TemplateValue> Arguments { get; init; } = new Dictionary<string, TemplateValue>();
}

/// <summary>This part renders conversations.</summary>
public sealed partial class ChatTemplate
{
    /// <summary>Stands where the last message ends, to cut the text there.</summary>
    private const string ContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

    private static readonly StringValue ReasoningContent = new("reasoning_content"), Thinking = new("thinking"), Reasoning = new("reasoning");

    private static readonly FrozenDictionary<string, StringValue> Roles =
        new[] { "system", "developer", "user", "assistant", "tool", "function" }.ToFrozenDictionary(role => role, role => new StringValue(role));

    /// <summary>Renders a conversation, as Hugging Face's <c>apply_chat_template</c> does.</summary>
    /// <exception cref="TemplateException">The template refused or failed; or the conversation is empty, or its last message cannot be continued (<c>ValueError</c>).</exception>
    public RenderedTemplate Apply(ChatTemplateInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (input.Messages.Count == 0)
            throw Refuse("Cannot apply chat template to an empty conversation. Provide at least one message.");
        if (input is { ContinueFinalMessage: true, AddGenerationPrompt: true })
            throw Refuse("continue_final_message and add_generation_prompt are not compatible: one goes on with the last message, the other starts a new one.");
        TemplateValue[] messages = [.. input.Messages.Select(Prepared)];
        if (input.ContinueFinalMessage)
            messages[^1] = Tagged(messages[^1], input.ContinuedField);
        var values = new Dictionary<string, TemplateValue>
        {
            ["messages"] = new ListValue(messages),
            ["tools"] = input.Tools,
            ["documents"] = input.Documents,
            ["add_generation_prompt"] = input.AddGenerationPrompt,
        };
        foreach ((string name, string token) in input.SpecialTokens)
            values[name] = TemplateValue.FromTrusted(token);
        foreach ((string name, TemplateValue value) in input.Arguments)
            values[name] = value;
        RenderedTemplate rendered = Render(values);
        return input.ContinueFinalMessage ? Cut(rendered) : rendered;
    }

    private static TemplateException Refuse(string message) => new("ValueError", message, null, null, null);

    private static bool IsRole(TemplateValue key) => key is StringValue { Text: "role" };

    /// <summary>
    /// A message as templates expect it: fields that are null are absent, and the reasoning is there under both its names. The usual roles are trusted, since templates make control
    /// tokens of them; any other role is input.
    /// </summary>
    private static TemplateValue Prepared(TemplateValue message)
    {
        if (message is not DictValue given)
            throw Refuse($"a message is a mapping with role and content, not {message.TypeName}");
        var result = new DictValue();
        foreach ((TemplateValue key, TemplateValue value) in given.Items)
        {
            if (value is not NoneValue)
                result.Items[key] = IsRole(key) && value is StringValue role ? Roles.GetValueOrDefault(role.Text, role) : value;
        }

        TemplateValue? thoughts = result.Items.GetValueOrDefault(ReasoningContent) ?? result.Items.GetValueOrDefault(Thinking) ?? result.Items.GetValueOrDefault(Reasoning);
        if (thoughts is not null)
        {
            result.Items[ReasoningContent] = thoughts;
            result.Items[Thinking] = thoughts;
        }

        return result;
    }

    /// <summary>The message with the tag at the end of its text, or of its last part that has one.</summary>
    private static DictValue Tagged(TemplateValue message, string field)
    {
        var key = new StringValue(field);
        TemplateValue content = ((DictValue)message).Items.GetValueOrDefault(key) ?? throw Refuse($"the last message has no field '{field}' to continue");
        if (content is StringValue text)
            return With((DictValue)message, key, text.Text + ContinueTag);
        var textKey = new StringValue("text");
        if (content is ListValue list && Array.FindLastIndex(list.Items, x => x is DictValue part && part.Items.GetValueOrDefault(textKey) is StringValue) is var last and >= 0)
        {
            TemplateValue[] parts = [.. list.Items];
            var part = (DictValue)parts[last];
            parts[last] = With(part, textKey, ((StringValue)part.Items[textKey]).Text + ContinueTag);
            return With((DictValue)message, key, new ListValue(parts));
        }

        throw Refuse($"the field '{field}' of the last message has no text to continue");
    }

    private static DictValue With(DictValue dict, StringValue key, TemplateValue value)
    {
        var copy = new DictValue();
        foreach ((TemplateValue name, TemplateValue old) in dict.Items)
            copy.Items[name] = old;
        copy.Items[key] = value;
        return copy;
    }

    /// <summary>The text up to the last tag. A template that trimmed the tag's space would have trimmed the message's too.</summary>
    private static RenderedTemplate Cut(RenderedTemplate rendered)
    {
        string text = rendered.Text;
        int at = text.LastIndexOf(ContinueTag.TrimEnd(), StringComparison.Ordinal);
        if (at < 0)
            throw Refuse("continue_final_message is set but the final message does not appear in the chat after applying the chat template");
        bool kept = string.CompareOrdinal(text, at, ContinueTag, 0, ContinueTag.Length) == 0;
        string cut = kept ? text[..at] : PythonStrings.Strip(text[..at], null, left: false, right: true);
        return new RenderedTemplate(cut, [.. rendered.GenerationSpans.Where(x => x.Start <= cut.Length).Select(Clip)], [.. rendered.InputSpans.Where(x => x.Start < cut.Length).Select(Clip)]);

        TextSpan Clip(TextSpan span) => new(span.Start, Math.Min(span.End, cut.Length));
    }
}
