using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Small templates, each one feature, against what jinja2 and transformers made of them: the exact text, or the kind of error and its line.</summary>
public sealed class TemplateFeatureTests
{
    [Fact]
    public void Every_feature_gives_the_golden_text_or_error()
    {
        var wrong = new List<string>();
        int count = 0;
        foreach (JsonElement feature in TemplateGoldens.Own("features"))
        {
            count++;
            if (Difference(feature) is { } difference)
                wrong.Add($"{feature.GetProperty("id").GetString()}: {difference}");
        }

        Assert.Equal(658, count);
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {count} features differ\n{string.Join('\n', wrong)}");
    }

    private static string? Difference(JsonElement feature)
    {
        string? error = TemplateGoldens.Text(feature, "error");
        try
        {
            ChatTemplate template = ChatTemplate.Parse(feature.GetProperty("template").GetString()!, TemplateGoldens.Options(TemplateGoldens.Text(feature, "undefined") == "strict"));
            string text = template.Render(TemplateGoldens.Values(feature.GetProperty("context"))).Text;
            if (error is not null)
                return $"gave {JsonSerializer.Serialize(text)} instead of {error}";

            // Where Python prints an address, any text is right.
            string? wanted = TemplateGoldens.Text(feature, "output");
            if (wanted is null)
                return text.Length > 0 ? null : "gave no text";
            return text == wanted ? null : $"gave {JsonSerializer.Serialize(text)} instead of {JsonSerializer.Serialize(wanted)}";
        }
        catch (TemplateException e)
        {
            if (e.Category != error)
                return $"{e.Message} instead of {error ?? "a text"}";
            if (feature.GetProperty("line").ValueKind == JsonValueKind.Number && e.Line != feature.GetProperty("line").GetInt32())
                return $"error at line {e.Line} instead of {feature.GetProperty("line")}";
            return error == "raise_exception" && e.Reason != TemplateGoldens.Text(feature, "message") ? $"message {e.Reason}" : null;
        }
    }
}
