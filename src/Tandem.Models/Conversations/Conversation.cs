using System.Text.Json;

namespace Tandem.Models;

/// <summary>What a model is asked to answer: messages, and the tools and documents that it may use.</summary>
public sealed record Conversation
{
    /// <summary>The messages in order.</summary>
    public IReadOnlyList<ChatMessage> Messages { get; init; } = [];

    /// <summary>The tools as JSON schemas; null when none are given, which templates tell from an empty list.</summary>
    public IReadOnlyList<JsonElement>? Tools { get; init; }

    /// <summary>The documents to answer from, as templates read them; null when none are given.</summary>
    public IReadOnlyList<JsonElement>? Documents { get; init; }

    /// <summary>The same conversation with one more message.</summary>
    public Conversation With(ChatMessage message) => this with { Messages = [.. Messages, message] };

    /// <summary>What a template receives.</summary>
    public ChatTemplateInput ToTemplateInput() => new()
    {
        Messages = [.. Messages.Select(m => m.ToTemplateValue())],
        Tools = Optional(Tools),
        Documents = Optional(Documents),
    };

    private static TemplateValue Optional(IReadOnlyList<JsonElement>? items) => items is null ? TemplateValue.None : TemplateValue.List(items.Select(TemplateValue.FromJson));
}

/// <summary>One message of a conversation.</summary>
public sealed record ChatMessage
{
    /// <summary>Who speaks: system, user, assistant, tool, or whatever else the template knows.</summary>
    public required string Role { get; init; }

    /// <summary>The content as one text; null where there is none, or where it has parts.</summary>
    public string? Text { get; init; }

    /// <summary>The content in parts, such as texts and images; null where it is one text.</summary>
    public IReadOnlyList<ContentPart>? Parts { get; init; }

    /// <summary>What the model thought before it answered.</summary>
    public string? Reasoning { get; init; }

    /// <summary>The tools that the model calls.</summary>
    public IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];

    /// <summary>Further fields, such as <c>name</c> and <c>tool_call_id</c> of a tool's result.</summary>
    public IReadOnlyDictionary<string, JsonElement> More { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>A message of one text.</summary>
    public static ChatMessage Of(string role, string text) => new() { Role = role, Text = text };

    internal TemplateValue ToTemplateValue()
    {
        var fields = new List<KeyValuePair<string, TemplateValue>> { new("role", Role) };
        if (Text is not null) fields.Add(new("content", Text));
        else if (Parts is not null) fields.Add(new("content", TemplateValue.List(Parts.Select(p => p.ToTemplateValue()))));
        if (Reasoning is not null) fields.Add(new("reasoning_content", Reasoning));
        if (ToolCalls.Count > 0) fields.Add(new("tool_calls", TemplateValue.List(ToolCalls.Select(c => c.ToTemplateValue()))));
        foreach ((string name, JsonElement value) in More) fields.Add(new(name, TemplateValue.FromJson(value)));
        return TemplateValue.Mapping(fields);
    }
}

/// <summary>A part of a content.</summary>
/// <param name="Type">What it is: text, image, audio, ...</param>
public sealed record ContentPart(string Type)
{
    /// <summary>The text of a part that has one.</summary>
    public string? Text { get; init; }

    /// <summary>Further fields, such as where an image is.</summary>
    public IReadOnlyDictionary<string, JsonElement> More { get; init; } = new Dictionary<string, JsonElement>();

    internal TemplateValue ToTemplateValue()
    {
        var fields = new List<KeyValuePair<string, TemplateValue>> { new("type", Type) };
        if (Text is not null) fields.Add(new("text", Text));
        foreach ((string name, JsonElement value) in More) fields.Add(new(name, TemplateValue.FromJson(value)));
        return TemplateValue.Mapping(fields);
    }
}

/// <summary>A call of a tool.</summary>
/// <param name="Name">The tool's name.</param>
public sealed record ToolCall(string Name)
{
    /// <summary>What the tool's result refers to; null where it has none.</summary>
    public string? Id { get; init; }

    /// <summary>The kind of tool, such as function; null where it is not said.</summary>
    public string? Type { get; init; }

    /// <summary>The arguments: an object, or the text of one. Templates receive them as they are.</summary>
    public JsonElement? Arguments { get; init; }

    internal TemplateValue ToTemplateValue()
    {
        var function = new List<KeyValuePair<string, TemplateValue>> { new("name", Name) };
        if (Arguments is { } arguments) function.Add(new("arguments", TemplateValue.FromJson(arguments)));
        var fields = new List<KeyValuePair<string, TemplateValue>>();
        if (Id is not null) fields.Add(new("id", Id));
        if (Type is not null) fields.Add(new("type", Type));
        fields.Add(new("function", TemplateValue.Mapping(function)));
        return TemplateValue.Mapping(fields);
    }
}
