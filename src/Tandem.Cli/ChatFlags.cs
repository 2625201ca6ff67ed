using System.CommandLine;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Cli;

/// <summary>The options that say how a conversation becomes a prompt, shared by the commands that render one.</summary>
internal sealed class ChatFlags
{
    private readonly Option<string?> _template = new("--chat-template") { Description = $"A template of your own (file), or one of {string.Join(", ", BuiltInTemplates.All.Keys)}; without it the model's" };
    private readonly Option<string[]> _arguments = new("--template-arg", "--set") { Description = "Sets a variable of the template: --template-arg enable_thinking=false" };
    private readonly Option<bool> _noThinking = new("--no-thinking") { Description = "Short for --template-arg enable_thinking=false" };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_template, _arguments, _noThinking]) command.Add(option);
    }

    /// <summary>The model's templates, or the one that was chosen.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="model">A model directory or GGUF file, or a template (.jinja).</param>
    public ModelTemplates Templates(ParseResult parse, string model)
    {
        bool isTemplate = model.EndsWith(".jinja", StringComparison.OrdinalIgnoreCase);
        ModelTemplates templates = isTemplate ? ModelTemplates.Of(Read(model)) : ModelTemplates.Load(model);
        if (parse.GetValue(_template) is not { } chosen) return templates;
        if (BuiltInTemplates.All.TryGetValue(chosen, out BuiltInTemplate? known)) return templates.With(known.Source);
        if (!File.Exists(chosen)) throw new TandemException($"--chat-template '{chosen}' is neither a file nor one of {string.Join(", ", BuiltInTemplates.All.Keys)}");
        return templates.With(Read(chosen));
    }

    /// <summary>Texts that end an answer, where the chosen template has no control token for it.</summary>
    public IReadOnlyList<string> Stop(ParseResult parse) =>
        parse.GetValue(_template) is { } chosen && BuiltInTemplates.All.TryGetValue(chosen, out BuiltInTemplate? known) ? known.Stop : [];

    /// <summary>How a prompt is rendered.</summary>
    public ChatPromptOptions Options(ParseResult parse)
    {
        var arguments = new Dictionary<string, TemplateValue>();
        if (parse.GetValue(_noThinking)) arguments["enable_thinking"] = false;
        foreach (string text in parse.GetValue(_arguments) ?? [])
        {
            (string name, TemplateValue value) = Argument(text);
            arguments[name] = value;
        }

        return new ChatPromptOptions { Arguments = arguments };
    }

    /// <summary>Refuses a model without a template, and says what there is.</summary>
    public static void Require(ModelTemplates templates, string model)
    {
        if (templates.Names.Count == 0)
            throw new TandemException($"'{model}' has no chat template; choose one with --chat-template: a file, or {string.Join(", ", BuiltInTemplates.All.Keys)} (plain suits models that were never trained on conversations)");
    }

    // A value that is no JSON is a string.
    private static (string Name, TemplateValue Value) Argument(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new TandemException($"--template-arg {text}; accepted: NAME=VALUE");
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

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }
}
