using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Conversations through templates of published models, against transformers; and generation spans.</summary>
public sealed class TemplateRenderingTests
{
    private static readonly Lazy<JsonElement[]> Conversations = new(() => [.. TemplateGoldens.Lines(File.ReadAllText(Path.Combine(CheckpointFiles.Shared("templates")!, "conversations.jsonl")))]);

    public static TheoryData<string> Templates()
    {
        string? folder = CheckpointFiles.Shared("templates");
        string[] names = folder is null ? ["all"] : [.. Directory.GetFiles(Path.Combine(folder, "goldens"), "*.jsonl").Select(x => Path.GetFileNameWithoutExtension(x)).Order(StringComparer.Ordinal)];
        return [.. names];
    }

    [Theory]
    [MemberData(nameof(Templates))]
    public void Conversations_render_exactly(string name)
    {
        string? folder = CheckpointFiles.Shared("templates");
        Assert.SkipWhen(folder is null, $"shared/goldens/templates ({name}) is not beside the repository");
        var template = ChatTemplate.Parse(File.ReadAllText(Path.Combine(folder, "jinja", name + ".jinja")), TemplateGoldens.Options());
        JsonElement[] goldens = [.. TemplateGoldens.Lines(File.ReadAllText(Path.Combine(folder, "goldens", name + ".jsonl")))];
        var tokens = goldens[0].GetProperty("special_tokens").EnumerateObject().ToDictionary(x => x.Name, x => x.Value.GetString()!);
        var wrong = new List<string>();
        foreach (JsonElement golden in goldens.Skip(1))
        {
            if (Difference(template, golden, tokens) is { } difference)
                wrong.Add($"{golden.GetProperty("case").GetString()}: {difference}");
        }

        Assert.Equal(Conversations.Value.Length, goldens.Length - 1);
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {goldens.Length - 1} renderings of {name} differ\n{string.Join('\n', wrong)}");
    }

    [Fact]
    public void Generation_spans_are_those_of_the_text()
    {
        int count = 0;
        foreach (JsonElement golden in TemplateGoldens.Own("generation_mask"))
        {
            count++;
            var values = new Dictionary<string, TemplateValue>
            {
                ["messages"] = TemplateValue.FromJson(golden.GetProperty("messages")),
                ["tools"] = TemplateValue.None,
                ["documents"] = TemplateValue.None,
                ["add_generation_prompt"] = false,
                ["eos_token"] = "<|im_end|>",
            };
            RenderedTemplate rendered = ChatTemplate.Parse(golden.GetProperty("template").GetString()!).Render(values);
            Assert.Equal(golden.GetProperty("output").GetString(), rendered.Text);
            (int, int)[] spans = [.. rendered.GenerationSpans.Select(x => (PythonText.CodePoints(rendered.Text.AsSpan(0, x.Start)), PythonText.CodePoints(rendered.Text.AsSpan(0, x.End))))];

            // The reference counts from the start of the set block; these are where the text stands.
            (int, int)[] wanted = golden.GetProperty("id").GetString() == "in_set_block"
                ? [(2, 3), (7, 8)]
                : [.. golden.GetProperty("spans").EnumerateArray().Select(x => (x[0].GetInt32(), x[1].GetInt32()))];
            Assert.Equal(wanted, spans);
        }

        Assert.Equal(11, count);
    }

    private static string? Difference(ChatTemplate template, JsonElement golden, Dictionary<string, string> tokens)
    {
        JsonElement conversation = Array.Find(Conversations.Value, x => x.GetProperty("id").GetString() == golden.GetProperty("case").GetString());
        string? error = TemplateGoldens.Text(golden, "error");
        try
        {
            string text = template.Apply(Input(conversation, tokens)).Text;
            if (error is not null)
                return $"gave {JsonSerializer.Serialize(text)} instead of {error} {golden.GetProperty("message")}";
            return text == golden.GetProperty("output").GetString() ? null : $"gave\n  {JsonSerializer.Serialize(text)} instead of\n  {JsonSerializer.Serialize(golden.GetProperty("output").GetString())}";
        }
        catch (TemplateException e)
        {
            if (e.Category != error)
                return $"{e.Message} instead of {error ?? "a text"}";
            return error == "raise_exception" && e.Reason != TemplateGoldens.Text(golden, "message") ? $"message {e.Reason}" : null;
        }
    }

    private static ChatTemplateInput Input(JsonElement conversation, Dictionary<string, string> tokens) => new()
    {
        Messages = [.. conversation.GetProperty("messages").EnumerateArray().Select(TemplateValue.FromJson)],
        Tools = Value(conversation, "tools"),
        Documents = Value(conversation, "documents"),
        AddGenerationPrompt = conversation.TryGetProperty("add_generation_prompt", out JsonElement add) && add.GetBoolean(),
        ContinueFinalMessage = conversation.TryGetProperty("continue_final_message", out JsonElement go) && go.GetBoolean(),
        SpecialTokens = tokens,
        Arguments = conversation.TryGetProperty("kwargs", out JsonElement more) ? TemplateGoldens.Values(more).ToDictionary() : [],
    };

    private static TemplateValue Value(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) ? TemplateValue.FromJson(value) : TemplateValue.None;
}
