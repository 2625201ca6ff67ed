using System.Globalization;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Cli.Bench;

/// <summary>Rendering a long conversation with chat templates, origin of every character included: time, memory, length of the text.</summary>
internal static class TemplateBench
{
    private const double GoalMilliseconds = 2;
    private const int Tools = 10, TurnsOfOneCall = 5;

    /// <param name="report">Where the rows go.</param>
    /// <param name="paths">Templates (.jinja) or models.</param>
    /// <param name="messages">Messages of the conversation.</param>
    /// <param name="repetitions">Times that all are measured in turn.</param>
    /// <param name="cancel">Ends the measurement.</param>
    public static void Run(BenchReport report, IReadOnlyList<string> paths, int messages, int repetitions, CancellationToken cancel)
    {
        Conversation conversation = ConversationJson.Parse(Conversation(messages), "the generated conversation");
        ChatTemplateInput input = conversation.ToTemplateInput() with { AddGenerationPrompt = true };
        var measured = new List<(BenchCase Case, Func<RenderedTemplate> Render)>();
        foreach (string path in paths)
        {
            bool isTemplate = path.EndsWith(".jinja", StringComparison.Ordinal);
            ModelTemplates templates = isTemplate ? ModelTemplates.Of(File.ReadAllText(path)) : ModelTemplates.Load(path);
            ChatTemplate template = templates.Get(templates.Choose(conversation));
            IReadOnlyDictionary<string, string> tokens = templates.SpecialTokens.Count > 0 ? templates.SpecialTokens : new Dictionary<string, string> { ["bos_token"] = "<s>", ["eos_token"] = "</s>" };
            ChatTemplateInput own = input with { SpecialTokens = tokens };
            RenderedTemplate Render() => template.Apply(own);
            string name = Path.GetFileNameWithoutExtension(path.TrimEnd('/'));
            try
            {
                Render();
                measured.Add((new BenchCase(name, () => Render()), Render));
            }
            catch (TemplateException e)
            {
                report.Notes.Add($"{name}: {e.Message}");
            }
        }

        BenchCase.RunInterleaved([.. measured.Select(m => m.Case)], repetitions, cancel);
        foreach ((BenchCase c, Func<RenderedTemplate> render) in measured)
        {
            report.Rows.Add(new BenchRow(c.Name, c.Median * 1e3, "ms")
            {
                Spread = c.Spread,
                Limit = GoalMilliseconds,
                LimitName = "goal",
                Ratio = c.Median * 1e3 / GoalMilliseconds,
            });
            long before = GC.GetAllocatedBytesForCurrentThread();
            int length = render().Text.Length;
            report.Rows.Add(new BenchRow(c.Name + ", allocated", (GC.GetAllocatedBytesForCurrentThread() - before) / 1e3, "kB"));
            report.Rows.Add(new BenchRow(c.Name + ", text", length, "characters"));
        }
    }

    /// <summary>User and assistant in turn, and every few turns a call of a tool with its result: what most templates accept.</summary>
    private static byte[] Conversation(int messages)
    {
        string text = BenchTexts.Make("english", 300 * messages);
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory))
        {
            json.WriteStartObject();
            json.WriteStartArray("messages");
            for (int i = 0; i < messages; i++)
            {
                // Of ten messages: question, answer, ..., question, call, result, answer.
                int place = i % (2 * TurnsOfOneCall);
                json.WriteStartObject();
                json.WriteString("role", place == 8 ? "tool" : place is 7 or 9 || place % 2 == 1 ? "assistant" : "user");
                if (place == 8)
                {
                    json.WriteString("tool_call_id", CallId(i - 1));
                    json.WriteString("name", "tool_" + (i % Tools).ToString(CultureInfo.InvariantCulture));
                }

                json.WriteString("content", place == 7 ? "" : text.AsSpan(300 * i, 150 + (i * 37 % 150)));
                if (place == 7) WriteCall(json, i);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("tools");
            for (int i = 0; i < Tools; i++) WriteTool(json, i);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return memory.ToArray();
    }

    private static void WriteCall(Utf8JsonWriter json, int message)
    {
        json.WriteStartArray("tool_calls");
        json.WriteStartObject();
        json.WriteString("id", CallId(message));
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", "tool_" + ((message + 1) % Tools).ToString(CultureInfo.InvariantCulture));
        json.WriteStartObject("arguments");
        json.WriteString("city", "Lisbon");
        json.WriteNumber("days", message);
        json.WriteBoolean("detailed", message % 20 == 7);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void WriteTool(Utf8JsonWriter json, int tool)
    {
        string number = tool.ToString(CultureInfo.InvariantCulture);
        json.WriteStartObject();
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", "tool_" + number);
        json.WriteString("description", "Says what tool " + number + " finds for a city and a number of days.");
        json.WriteStartObject("parameters");
        json.WriteString("type", "object");
        json.WriteStartObject("properties");
        foreach ((string name, string type) in new[] { ("city", "string"), ("days", "integer"), ("detailed", "boolean") })
        {
            json.WriteStartObject(name);
            json.WriteString("type", type);
            json.WriteString("description", "The " + name + " to look at");
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteStartArray("required");
        json.WriteStringValue("city");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    // Nine letters and digits, as the strictest templates demand.
    private static string CallId(int message) => "call" + message.ToString("D5", CultureInfo.InvariantCulture);
}
