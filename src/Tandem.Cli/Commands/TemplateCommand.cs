using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Shows what a model receives for a conversation, and where its answers stop.</summary>
internal static class TemplateCommand
{
    // Text of the input is shown plain, the template's own dimmed, its special tokens as blocks.
    private const string TemplateColour = "\u001b[36m", SpecialColour = "\u001b[30;48;5;223m", NoColour = "\u001b[0m";

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model directory, GGUF file, or a template (.jinja)" };
        var messages = new Option<string?>("--messages") { Description = "JSON: a list of messages, or an object with messages, tools, documents; '-' reads standard input" };
        var tools = new Option<string?>("--tools") { Description = "JSON: a list of tools" };
        var documents = new Option<string?>("--documents") { Description = "JSON: a list of documents" };
        var name = new Option<string?>("--name") { Description = "Which of several templates; without it tool_use or rag where the conversation has tools or documents, else default" };
        var generation = new Option<bool>("--add-generation-prompt") { Description = "End with the start of the model's turn" };
        var go = new Option<bool>("--continue-final-message") { Description = "End inside the last message, for the model to go on with it" };
        var tokens = new Option<bool>("--tokens") { Description = "The token ids too" };
        var json = new Option<bool>("--json") { Description = "Text, spans of the input and of what is trained on, and with --tokens ids and mask, as JSON" };
        var flags = new ChatFlags();
        var command = new Command("template", """
            Print the text that a chat template makes of a conversation: what the conversation says plain, what the template writes in colour.
            Without --messages, print the names of the templates and the tokens that end an answer.

            Examples:
              tandem template my-model --messages chat.json --add-generation-prompt --tokens
              tandem template model.gguf --messages - --set enable_thinking=false < chat.json
              tandem template my-model
            """)
        {
            model, messages, tools, documents, name, generation, go, tokens, json,
        };
        flags.AddTo(command);
        command.SetAction(parse =>
        {
            string path = parse.GetValue(model)!;
            ModelTemplates templates = flags.Templates(parse, path);
            bool needsTokens = parse.GetValue(tokens);
            Tokenizer? tokenizer = needsTokens ? TokenizerFiles.Load(path) : TryLoadTokenizer(path);
            if (parse.GetValue(messages) is not { } file)
            {
                ShowModel(path, templates, tokenizer);
                return 0;
            }

            ChatFlags.Require(templates, path);
            Conversation conversation = ConversationJson.Parse(Read(file), "--messages");
            if (parse.GetValue(tools) is { } toolsFile) conversation = conversation with { Tools = ConversationJson.ParseObjects(Read(toolsFile), "--tools") };
            if (parse.GetValue(documents) is { } documentsFile) conversation = conversation with { Documents = ConversationJson.ParseObjects(Read(documentsFile), "--documents") };
            ChatPrompt prompt = ChatPrompt.Render(conversation, templates, flags.Options(parse) with
            {
                Template = parse.GetValue(name),
                AddGenerationPrompt = parse.GetValue(generation),
                ContinueFinalMessage = parse.GetValue(go),
            });
            if (parse.GetValue(json)) Console.WriteLine(Json(prompt, needsTokens ? tokenizer : null));
            else Show(prompt, tokenizer, needsTokens);
            return 0;
        });
        return command;
    }

    // Templates can be shown without a tokenizer; why there is none is said.
    private static Tokenizer? TryLoadTokenizer(string path)
    {
        try
        {
            return TokenizerFiles.Load(path);
        }
        catch (TandemException e)
        {
            Console.Error.WriteLine("no tokens: " + e.Message);
            return null;
        }
    }

    private static void ShowModel(string path, ModelTemplates templates, Tokenizer? tokenizer)
    {
        Console.WriteLine($"templates: {(templates.Names.Count == 0 ? "none; see --chat-template" : string.Join(", ", templates.Names))}");
        if (tokenizer == null) return;
        foreach (StopToken stop in StopTokens.Load(path, tokenizer, templates))
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"stop: {stop.Id,8}  {Escaped(stop.Text),-24}  {stop.Source}"));
    }

    private static void Show(ChatPrompt prompt, Tokenizer? tokenizer, bool tokens)
    {
        bool colours = !Console.IsOutputRedirected;
        TokenEncoding? encoding = tokenizer?.EncodeWithOffsets(prompt.Rendered);
        Console.Write(colours ? Coloured(prompt.Rendered, encoding, tokenizer) : prompt.Text);
        if (!tokens) return;
        var rows = new StringBuilder($"\n\n{encoding!.Tokens.Count} tokens");
        foreach (EncodedToken token in encoding.Tokens)
        {
            string shown = Escaped(tokenizer!.Decode([token.Id], skipSpecial: false));
            rows.Append(CultureInfo.InvariantCulture, $"\n{token.Id,8}  {(colours && tokenizer.IsSpecial(token.Id) ? SpecialColour + shown + NoColour : shown)}");
        }

        Console.WriteLine(rows);
    }

    private static string Coloured(RenderedTemplate rendered, TokenEncoding? encoding, Tokenizer? tokenizer)
    {
        var colours = new string[rendered.Text.Length];
        Array.Fill(colours, TemplateColour);
        foreach (TextSpan span in rendered.InputSpans) Array.Fill(colours, NoColour, span.Start, span.End - span.Start);
        foreach (EncodedToken token in encoding?.Tokens ?? [])
            if (tokenizer!.IsSpecial(token.Id)) Array.Fill(colours, SpecialColour, token.Start, token.End - token.Start);
        var text = new StringBuilder();
        for (int i = 0; i < colours.Length; i++)
        {
            if (i == 0 || !ReferenceEquals(colours[i], colours[i - 1])) text.Append(NoColour).Append(colours[i]);
            text.Append(rendered.Text[i]);
        }

        return text.Append(NoColour).ToString();
    }

    private static string Json(ChatPrompt prompt, Tokenizer? tokenizer)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("template", prompt.TemplateName);
            json.WriteString("text", prompt.Text);
            WriteSpans(json, "input", prompt.Text, prompt.Rendered.InputSpans);
            WriteSpans(json, "generation", prompt.Text, prompt.Rendered.GenerationSpans);
            if (tokenizer != null)
            {
                (int[] ids, bool[] mask) = prompt.EncodeForTraining(tokenizer);
                json.WriteStartArray("ids");
                foreach (int id in ids) json.WriteNumberValue(id);
                json.WriteEndArray();
                json.WriteStartArray("mask");
                foreach (bool isTrained in mask) json.WriteNumberValue(isTrained ? 1 : 0);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    // Places count code points, as programs in other languages do.
    private static void WriteSpans(Utf8JsonWriter json, string name, string text, IReadOnlyList<TextSpan> spans)
    {
        json.WriteStartArray(name);
        foreach (TextSpan span in spans)
        {
            json.WriteStartArray();
            json.WriteNumberValue(CodePoints(text.AsSpan(0, span.Start)));
            json.WriteNumberValue(CodePoints(text.AsSpan(0, span.End)));
            json.WriteEndArray();
        }

        json.WriteEndArray();

        static int CodePoints(ReadOnlySpan<char> part)
        {
            int count = 0;
            foreach (Rune _ in part.EnumerateRunes()) count++;
            return count;
        }
    }

    private static string Escaped(string text) => text.Replace("\n", "\\n", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal);

    private static byte[] Read(string path)
    {
        try
        {
            return path == "-" ? Encoding.UTF8.GetBytes(Console.In.ReadToEnd()) : File.ReadAllBytes(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }
}
