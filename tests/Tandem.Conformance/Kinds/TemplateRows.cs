using System.Globalization;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>Comparisons of the rows of template goldens: texts are exact, of errors the category, and the message where it is the template's own.</summary>
internal static class TemplateRows
{
    /// <summary>Features, generation masks, typed control tokens.</summary>
    public static IReadOnlyList<Action<JsonElement[], Func<Tokenizer>, Checks>> Features { get; } = [CompareFeatures, CompareMasks, CompareControlTokens];

    /// <summary>Renderings of conversations by one template.</summary>
    public static void CompareRenderings(string source, JsonElement head, JsonElement[] rows, Dictionary<string, JsonElement> conversations, Checks checks)
    {
        var template = ChatTemplate.Parse(source, new TemplateOptions { Clock = new FrozenClock(Text(head, "now")) });
        Dictionary<string, string> tokens = head.TryGetProperty("special_tokens", out JsonElement given) && given.ValueKind == JsonValueKind.Object
            ? given.EnumerateObject().Where(t => t.Value.ValueKind == JsonValueKind.String).ToDictionary(t => t.Name, t => t.Value.GetString()!)
            : [];
        checks.Rows("rendering", rows, row =>
        {
            string id = Text(row, "case") ?? throw new TandemException("a rendering names no case");
            if (!conversations.TryGetValue(id, out JsonElement conversation)) return $"there is no conversation '{id}'";
            return Outcome(row, () => template.Apply(Input(conversation, tokens)).Text) is { } difference ? $"{id}: {difference}" : null;
        });
    }

    private static void CompareFeatures(JsonElement[] rows, Func<Tokenizer> tokenizer, Checks checks) => checks.Rows("feature", rows, row =>
    {
        var options = new TemplateOptions { StrictUndefined = Text(row, "undefined") == "strict", Clock = new FrozenClock(Text(row, "now")) };
        string? difference = Outcome(row, () => ChatTemplate.Parse(Text(row, "template")!, options).Render(Values(row.GetProperty("context"))).Text);
        return difference is null ? null : $"{Text(row, "id")}: {difference}";
    });

    private static void CompareMasks(JsonElement[] rows, Func<Tokenizer> tokenizer, Checks checks)
    {
        Tokenizer loaded = tokenizer();
        checks.Rows("mask", rows, row =>
        {
            RenderedTemplate rendered = ChatTemplate.Parse(Text(row, "template")!).Apply(Input(row, EndOfTurn));
            (int[] ids, bool[] mask) = new ChatPrompt("", rendered).EncodeForTraining(loaded);
            (int, int)[] spans = [.. rendered.GenerationSpans.Select(s => (CodePoints(rendered.Text, s.Start), CodePoints(rendered.Text, s.End)))];
            string? difference = Checks.FirstDifference([Text(row, "output")!], [rendered.Text]) ?? Checks.FirstDifference(Ints(row, "ids"), ids);

            // In set blocks the reference counts from the block's start, and a span that ends with the first token marks all: its own mistakes.
            if (Text(row, "id") is not "in_set_block")
            {
                difference ??= Checks.FirstDifference([.. row.GetProperty("spans").EnumerateArray().Select(s => (s[0].GetInt32(), s[1].GetInt32()))], spans);
                bool firstOnly = Array.LastIndexOf(mask, true) == 0;
                difference ??= firstOnly ? null : Checks.FirstDifference(Ints(row, "assistant_mask"), [.. mask.Select(m => m ? 1 : 0)]);
            }

            return difference is null ? null : $"{Text(row, "id")}: {difference}";
        });
    }

    private static void CompareControlTokens(JsonElement[] rows, Func<Tokenizer> tokenizer, Checks checks)
    {
        Tokenizer loaded = tokenizer();
        checks.Rows("conversation", rows, row =>
        {
            RenderedTemplate rendered = ChatTemplate.Parse(Text(row, "template")!).Apply(Input(row, EndOfTurn) with { AddGenerationPrompt = true });
            return Checks.FirstDifference([Text(row, "text")!], [rendered.Text])
                ?? Checks.FirstDifference(Ints(row, "ids_default"), loaded.Encode(rendered.Text, SpecialTokens.Parse))
                ?? Checks.FirstDifference(Ints(row, "ids_sanitized"), loaded.Encode(rendered));
        });
    }

    private static Dictionary<string, string> EndOfTurn => new() { ["eos_token"] = "<|im_end|>" };

    // A text or an error, as the row wants it.
    private static string? Outcome(JsonElement row, Func<string> render)
    {
        string? error = Text(row, "error");
        try
        {
            string text = render();
            if (error is not null) return $"gave '{text}' instead of {error}";

            // Where Python prints an address, any text is right.
            return Text(row, "output") is not { } wanted ? (text.Length > 0 ? null : "gave no text") : Checks.FirstDifference([wanted], [text]);
        }
        catch (TemplateException e)
        {
            if (e.Category != error) return $"{e.Message} instead of {error ?? "a text"}";
            if (row.TryGetProperty("line", out JsonElement line) && line.ValueKind == JsonValueKind.Number && e.Line != line.GetInt32()) return $"error at line {e.Line}, wanted {line}";
            return error == "raise_exception" && e.Reason != Text(row, "message") ? $"message '{e.Reason}', wanted '{Text(row, "message")}'" : null;
        }
    }

    private static ChatTemplateInput Input(JsonElement conversation, IReadOnlyDictionary<string, string> tokens) => new()
    {
        Messages = [.. conversation.GetProperty("messages").EnumerateArray().Select(TemplateValue.FromJson)],
        Tools = Value(conversation, "tools"),
        Documents = Value(conversation, "documents"),
        AddGenerationPrompt = IsTrue(conversation, "add_generation_prompt"),
        ContinueFinalMessage = IsTrue(conversation, "continue_final_message"),
        SpecialTokens = tokens,
        Arguments = conversation.TryGetProperty("kwargs", out JsonElement more) && more.ValueKind == JsonValueKind.Object ? Values(more).ToDictionary() : [],
    };

    private static IEnumerable<KeyValuePair<string, TemplateValue>> Values(JsonElement json) => json.EnumerateObject().Select(x => KeyValuePair.Create(x.Name, TemplateValue.FromJson(x.Value)));

    private static TemplateValue Value(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) ? TemplateValue.FromJson(value) : TemplateValue.None;

    private static bool IsTrue(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static int[] Ints(JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(x => x.ValueKind == JsonValueKind.True ? 1 : x.ValueKind == JsonValueKind.False ? 0 : x.GetInt32())];

    private static int CodePoints(string text, int end) => text[..end].EnumerateRunes().Count();

    /// <summary>The clock that goldens were made with.</summary>
    private sealed class FrozenClock(string? now) : TimeProvider
    {
        private readonly DateTimeOffset _now = DateTimeOffset.TryParse(now, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset given)
            ? given
            : new DateTimeOffset(2025, 3, 14, 15, 9, 26, TimeSpan.Zero);

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => _now;
    }
}
