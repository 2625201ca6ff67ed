using System.CommandLine;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Shows what a model receives for a conversation.</summary>
internal static class TemplateCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model directory, GGUF file, or a template (.jinja)" };
        var messages = new Option<string>("--messages") { Description = "JSON: a list of messages, or an object with messages, tools, documents; '-' reads standard input", Required = true };
        var name = new Option<string>("--name") { Description = "Which of several templates", DefaultValueFactory = _ => ModelTemplates.DefaultName };
        var generation = new Option<bool>("--add-generation-prompt") { Description = "End with the start of the model's turn" };
        var go = new Option<bool>("--continue-final-message") { Description = "End inside the last message, for the model to go on with it" };
        var set = new Option<string[]>("--set") { Description = "Sets a variable of the template: --set enable_thinking=false" };
        var command = new Command("template", """
            Print the text that a chat template makes of a conversation.

            Examples:
              tandem template my-model --messages chat.json --add-generation-prompt
              tandem template model.gguf --messages - --set enable_thinking=false < chat.json
            """)
        {
            model, messages, name, generation, go, set,
        };
        command.SetAction(parse =>
        {
            string path = parse.GetValue(model)!;
            (ChatTemplate template, IReadOnlyDictionary<string, string> tokens) = Load(path, parse.GetValue(name)!);
            using JsonDocument json = ReadJson(parse.GetValue(messages)!);
            JsonElement root = json.RootElement;
            JsonElement list = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("messages", out JsonElement inner) ? inner : root;
            if (list.ValueKind != JsonValueKind.Array) throw new TandemException("--messages; accepted: a JSON list of messages, or an object with messages");
            Console.Write(template.Apply(new ChatTemplateInput
            {
                Messages = [.. list.EnumerateArray().Select(TemplateValue.FromJson)],
                Tools = Optional(root, "tools"),
                Documents = Optional(root, "documents"),
                AddGenerationPrompt = parse.GetValue(generation),
                ContinueFinalMessage = parse.GetValue(go),
                SpecialTokens = tokens,
                Arguments = (parse.GetValue(set) ?? []).Select(Argument).ToDictionary(),
            }).Text);
            return 0;
        });
        return command;
    }

    private static (ChatTemplate Template, IReadOnlyDictionary<string, string> Tokens) Load(string path, string name)
    {
        if (path.EndsWith(".jinja", StringComparison.OrdinalIgnoreCase)) return (ChatTemplate.Parse(Read(path)), new Dictionary<string, string>());
        ModelTemplates templates = ModelTemplates.Load(path);
        return (templates.Get(name), templates.SpecialTokens);
    }

    private static TemplateValue Optional(JsonElement root, string key) =>
        root.ValueKind == JsonValueKind.Object && root.TryGetProperty(key, out JsonElement value) ? TemplateValue.FromJson(value) : TemplateValue.None;

    // A value that is no JSON is a string.
    private static (string Name, TemplateValue Value) Argument(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new TandemException($"--set {text}; accepted: NAME=VALUE");
        try
        {
            using JsonDocument json = JsonDocument.Parse(text[(equals + 1)..]);
            return (text[..equals], TemplateValue.FromJson(json.RootElement));
        }
        catch (JsonException)
        {
            return (text[..equals], text[(equals + 1)..]);
        }
    }

    private static JsonDocument ReadJson(string path)
    {
        try
        {
            return JsonDocument.Parse(path == "-" ? Console.In.ReadToEnd() : Read(path));
        }
        catch (JsonException e)
        {
            throw new TandemException($"'{path}' is not valid JSON: {e.Message}", e);
        }
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TandemException($"cannot read '{path}': {e.Message}", e);
        }
    }
}
