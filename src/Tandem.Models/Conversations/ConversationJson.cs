using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// Conversations as JSON: a list of messages, or an object with <c>messages</c>, <c>tools</c> and <c>documents</c>, in the shape that chat services take. What is wrong is named by its path.
/// </summary>
public static class ConversationJson
{
    private const int MaxBytes = 64 << 20;
    private const int MaxDepth = 64;

    private static readonly string[] ReasoningNames = ["reasoning_content", "thinking", "reasoning"];

    /// <summary>Reads a file.</summary>
    /// <exception cref="TandemException">It cannot be read, or is no conversation.</exception>
    public static Conversation Load(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxBytes } file) throw new TandemException($"'{path}': {file.Length} bytes; accepted: up to {MaxBytes}");
            return Parse(File.ReadAllBytes(path), $"'{path}'");
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }

    /// <summary>Reads a conversation.</summary>
    /// <exception cref="TandemException">It is none.</exception>
    public static Conversation Parse(ReadOnlyMemory<byte> utf8, string place)
    {
        using JsonDocument json = ParseJson(utf8, place);
        return Read(json.RootElement, place);
    }

    /// <summary>Reads a list of JSON objects, such as tools or documents.</summary>
    /// <exception cref="TandemException">It is none.</exception>
    public static IReadOnlyList<JsonElement> ParseObjects(ReadOnlyMemory<byte> utf8, string place)
    {
        using JsonDocument json = ParseJson(utf8, place);
        return Objects(json.RootElement, place)!;
    }

    /// <summary>Reads a conversation.</summary>
    /// <exception cref="TandemException">It is none.</exception>
    public static Conversation Read(JsonElement json, string place)
    {
        if (json.ValueKind == JsonValueKind.Array) return new Conversation { Messages = ReadMessages(json, place) };
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("messages", out JsonElement messages))
            throw new TandemException($"{place}; accepted: a JSON list of messages, or an object with messages");
        return new Conversation
        {
            Messages = ReadMessages(messages, $"{place}: messages"),
            Tools = json.TryGetProperty("tools", out JsonElement tools) ? Objects(tools, $"{place}: tools") : null,
            Documents = json.TryGetProperty("documents", out JsonElement documents) ? Objects(documents, $"{place}: documents") : null,
        };
    }

    /// <summary>The conversation as JSON: a list where there are neither tools nor documents.</summary>
    public static byte[] Write(Conversation conversation)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            bool isObject = conversation.Tools is not null || conversation.Documents is not null;
            if (isObject) json.WriteStartObject();
            if (isObject) json.WritePropertyName("messages");
            json.WriteStartArray();
            foreach (ChatMessage message in conversation.Messages) WriteMessage(json, message);
            json.WriteEndArray();
            WriteObjects(json, "tools", conversation.Tools);
            WriteObjects(json, "documents", conversation.Documents);
            if (isObject) json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static JsonDocument ParseJson(ReadOnlyMemory<byte> utf8, string place)
    {
        if (utf8.Length > MaxBytes) throw new TandemException($"{place}: {utf8.Length} bytes; accepted: up to {MaxBytes}");
        if (utf8.Span.StartsWith("\uFEFF"u8)) utf8 = utf8[3..];
        try
        {
            return JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
        }
        catch (JsonException e)
        {
            throw new TandemException($"{place} is not valid JSON: {e.Message}", e);
        }
    }

    private static ChatMessage[] ReadMessages(JsonElement json, string place)
    {
        if (json.ValueKind != JsonValueKind.Array) throw new TandemException($"{place}: is {Kind(json)}, wanted a list of messages");
        return [.. json.EnumerateArray().Select((m, i) => ReadMessage(m, $"{place}[{i}]"))];
    }

    private static ChatMessage ReadMessage(JsonElement json, string place)
    {
        Need(json, JsonValueKind.Object, place);
        var message = new ChatMessage { Role = Text(Property(json, "role", place), $"{place}.role") };
        var more = new Dictionary<string, JsonElement>();
        foreach (JsonProperty field in json.EnumerateObject())
        {
            string at = $"{place}.{field.Name}";
            if (field.Value.ValueKind == JsonValueKind.Null || field.Name == "role") continue;
            if (field.Name == "content" && field.Value.ValueKind == JsonValueKind.String)
                message = message with { Text = Text(field.Value, at) };
            else if (field.Name == "content" && field.Value.ValueKind == JsonValueKind.Array)
                message = message with { Parts = [.. field.Value.EnumerateArray().Select((p, i) => ReadPart(p, $"{at}[{i}]"))] };
            else if (field.Name == "content" && field.Value.ValueKind != JsonValueKind.Object)
                throw new TandemException($"{at}: is {Kind(field.Value)}, wanted a string, or a list of parts");
            else if (Array.IndexOf(ReasoningNames, field.Name) >= 0)
                message = message with { Reasoning = message.Reasoning is null || field.Name == ReasoningNames[0] ? Text(field.Value, at) : message.Reasoning };
            else if (field.Name == "tool_calls")
                message = message with { ToolCalls = ReadCalls(field.Value, at) };
            else
                more[field.Name] = Checked(field.Value, at).Clone();
        }

        return message with { More = more };
    }

    private static ContentPart ReadPart(JsonElement json, string place)
    {
        Need(json, JsonValueKind.Object, place);
        var part = new ContentPart(Text(Property(json, "type", place), $"{place}.type"));
        var more = new Dictionary<string, JsonElement>();
        foreach (JsonProperty field in json.EnumerateObject())
        {
            if (field.Name == "text") part = part with { Text = Text(field.Value, $"{place}.text") };
            else if (field.Name != "type") more[field.Name] = Checked(field.Value, $"{place}.{field.Name}").Clone();
        }

        return part.Type == "text" && part.Text is null ? throw new TandemException($"{place}.text: is missing, wanted a string") : part with { More = more };
    }

    private static ToolCall[] ReadCalls(JsonElement json, string place)
    {
        Need(json, JsonValueKind.Array, place);
        return [.. json.EnumerateArray().Select((c, i) => ReadCall(c, $"{place}[{i}]"))];
    }

    private static ToolCall ReadCall(JsonElement json, string place)
    {
        Need(json, JsonValueKind.Object, place);
        JsonElement function = Need(Property(json, "function", place), JsonValueKind.Object, $"{place}.function");
        JsonElement? arguments = function.TryGetProperty("arguments", out JsonElement given) && given.ValueKind != JsonValueKind.Null ? Checked(given, $"{place}.function.arguments").Clone() : null;
        if (arguments is { ValueKind: not (JsonValueKind.Object or JsonValueKind.String) } other)
            throw new TandemException($"{place}.function.arguments: is {Kind(other)}, wanted an object, or the text of one");
        return new ToolCall(Text(Property(function, "name", $"{place}.function"), $"{place}.function.name"))
        {
            Id = Optional(json, "id", place),
            Type = Optional(json, "type", place),
            Arguments = arguments,
        };
    }

    private static JsonElement[]? Objects(JsonElement json, string place)
    {
        if (json.ValueKind == JsonValueKind.Null) return null;
        Need(json, JsonValueKind.Array, place);
        return [.. json.EnumerateArray().Select((x, i) => Checked(Need(x, JsonValueKind.Object, $"{place}[{i}]"), $"{place}[{i}]").Clone())];
    }

    private static string? Optional(JsonElement json, string name, string place) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? Text(value, $"{place}.{name}") : null;

    private static JsonElement Property(JsonElement json, string name, string place) =>
        json.TryGetProperty(name, out JsonElement value) ? value : throw new TandemException($"{place}.{name}: is missing");

    private static JsonElement Need(JsonElement json, JsonValueKind kind, string place) =>
        json.ValueKind == kind ? json : throw new TandemException($"{place}: is {Kind(json)}, wanted {(kind == JsonValueKind.Object ? "an object" : "a list")}");

    private static string Text(JsonElement json, string place)
    {
        if (json.ValueKind != JsonValueKind.String) throw new TandemException($"{place}: is {Kind(json)}, wanted a string");
        return Checked(json, place).GetString()!;
    }

    // Half a surrogate pair, written as an escape, is no text; what is kept as JSON must not fail later.
    private static JsonElement Checked(JsonElement json, string place)
    {
        try
        {
            if (json.ValueKind == JsonValueKind.String) _ = json.GetString();
            foreach (JsonElement item in json.ValueKind == JsonValueKind.Array ? json.EnumerateArray() : default) Checked(item, place);
            foreach (JsonProperty field in json.ValueKind == JsonValueKind.Object ? json.EnumerateObject() : default) Checked(field.Value, $"{place}.{field.Name}");
            return json;
        }
        catch (InvalidOperationException e)
        {
            throw new TandemException($"{place}: holds a string that is not valid Unicode", e);
        }
    }

    private static string Kind(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => $"the number {json.GetRawText()}",
        _ => json.GetRawText(),
    };

    private static void WriteMessage(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteStartObject();
        json.WriteString("role", message.Role);
        if (message.Text is not null) json.WriteString("content", message.Text);
        if (message.Parts is not null)
        {
            json.WriteStartArray("content");
            foreach (ContentPart part in message.Parts)
            {
                json.WriteStartObject();
                json.WriteString("type", part.Type);
                if (part.Text is not null) json.WriteString("text", part.Text);
                WriteMore(json, part.More);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        if (message.Reasoning is not null) json.WriteString("reasoning_content", message.Reasoning);
        if (message.ToolCalls.Count > 0)
        {
            json.WriteStartArray("tool_calls");
            foreach (ToolCall call in message.ToolCalls) WriteCall(json, call);
            json.WriteEndArray();
        }

        WriteMore(json, message.More);
        json.WriteEndObject();
    }

    private static void WriteCall(Utf8JsonWriter json, ToolCall call)
    {
        json.WriteStartObject();
        if (call.Id is not null) json.WriteString("id", call.Id);
        if (call.Type is not null) json.WriteString("type", call.Type);
        json.WriteStartObject("function");
        json.WriteString("name", call.Name);
        if (call.Arguments is { } arguments)
        {
            json.WritePropertyName("arguments");
            arguments.WriteTo(json);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteMore(Utf8JsonWriter json, IReadOnlyDictionary<string, JsonElement> fields)
    {
        foreach ((string name, JsonElement value) in fields)
        {
            json.WritePropertyName(name);
            value.WriteTo(json);
        }
    }

    private static void WriteObjects(Utf8JsonWriter json, string name, IReadOnlyList<JsonElement>? items)
    {
        if (items is null) return;
        json.WriteStartArray(name);
        foreach (JsonElement item in items) item.WriteTo(json);
        json.WriteEndArray();
    }
}
