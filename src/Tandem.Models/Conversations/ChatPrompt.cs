namespace Tandem.Models;

/// <summary>How a conversation is turned into a prompt.</summary>
public sealed record ChatPromptOptions
{
    /// <summary>Which of several templates; null chooses by what the conversation has, see <see cref="ModelTemplates.Choose"/>.</summary>
    public string? Template { get; init; }

    /// <summary>Whether the prompt ends with the start of the model's turn.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>Whether the prompt ends inside the last message, for the model to go on with it; not together with <see cref="AddGenerationPrompt"/>.</summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>Variables of the template, such as <c>enable_thinking</c>.</summary>
    public IReadOnlyDictionary<string, TemplateValue> Arguments { get; init; } = new Dictionary<string, TemplateValue>();
}

/// <summary>What a model receives for a conversation.</summary>
/// <param name="TemplateName">The template that was chosen.</param>
/// <param name="Rendered">The text, with what in it came from the conversation and what is to be learned.</param>
public sealed record ChatPrompt(string TemplateName, RenderedTemplate Rendered)
{
    /// <summary>The text.</summary>
    public string Text => Rendered.Text;

    /// <summary>Renders a conversation with a model's template.</summary>
    /// <exception cref="TandemException">There is no such template, or a message has a part that is no text.</exception>
    /// <exception cref="TemplateException">The template refused or failed.</exception>
    public static ChatPrompt Render(Conversation conversation, ModelTemplates templates, ChatPromptOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        ArgumentNullException.ThrowIfNull(templates);
        options ??= new ChatPromptOptions();
        CheckParts(conversation);
        string name = options.Template ?? templates.Choose(conversation);
        RenderedTemplate rendered = templates.Get(name).Apply(conversation.ToTemplateInput() with
        {
            AddGenerationPrompt = options.AddGenerationPrompt,
            ContinueFinalMessage = options.ContinueFinalMessage,
            SpecialTokens = templates.SpecialTokens,
            Arguments = options.Arguments,
        });
        return new ChatPrompt(name, rendered);
    }

    /// <summary>The token ids: the template's special tokens are parsed, those in the conversation's texts are text.</summary>
    public int[] Encode(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.Encode(Rendered);
    }

    /// <summary>The token ids, and for each whether any of its characters stands inside <c>{% generation %}</c>: what a model is trained on.</summary>
    public (int[] Ids, bool[] Mask) EncodeForTraining(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        TokenEncoding encoding = tokenizer.EncodeWithOffsets(Rendered);
        return (encoding.Ids, [.. encoding.Tokens.Select(t => Rendered.GenerationSpans.Any(s => t.Start < s.End && t.End > s.Start))]);
    }

    private static void CheckParts(Conversation conversation)
    {
        for (int i = 0; i < conversation.Messages.Count; i++)
        {
            IReadOnlyList<ContentPart> parts = conversation.Messages[i].Parts ?? [];
            for (int j = 0; j < parts.Count; j++)
                if (parts[j].Type != "text") throw new TandemException($"messages[{i}].content[{j}]: parts of type '{parts[j].Type}' are not supported by this model; accepted: text");
        }
    }
}
