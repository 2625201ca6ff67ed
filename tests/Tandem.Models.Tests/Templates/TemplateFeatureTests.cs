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

    /// <summary>What the goldens leave open, as jinja2 3.1.6 does it.</summary>
    [Theory]
    [InlineData("{% for i in [1] %}{% continue %}{% else %}none{% endfor %}", "none")]
    [InlineData("{% for i in [1] %}{% break %}{% else %}none{% endfor %}", "none")]
    [InlineData("{{ none | select | list }}{{ none | map('upper') | list }}", "[][]")]
    [InlineData("{{ '<'|safe + '<' + '\"' }}", "<&lt;&#34;")]
    [InlineData("{{ ('<%s>'|safe) % '<' }}{{ ', '|safe ~ '<' }}", "<&lt;>, <")]
    [InlineData("{% if 'text' | items %}a generator{% endif %}", "a generator")]
    [InlineData("{{ 0.125 | round(2) }} {{ '%.2f' % 0.375 }} {{ '%.0f' % 2.5 }} {{ '{:,.1f}'.format(1234567.25) }}", "0.12 0.38 2 1,234,567.2")]
    [InlineData("{{ 1e22 }} {{ 123456789012345.6 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1e15 }} {{ 12345678901234567.0 }}", "1e+22 123456789012345.6 0.0001 1e-05 1000000000000000.0 1.2345678901234568e+16")]
    public void Details_are_those_of_jinja(string template, string text) => Assert.Equal(text, ChatTemplate.Parse(template).Render([]).Text);

    [Fact]
    public void What_users_type_stays_in_the_text()
    {
        foreach (JsonElement golden in TemplateGoldens.Own("control_tokens_in_input"))
        {
            var input = new ChatTemplateInput
            {
                Messages = [.. golden.GetProperty("messages").EnumerateArray().Select(TemplateValue.FromJson)],
                AddGenerationPrompt = true,
                SpecialTokens = new Dictionary<string, string> { ["eos_token"] = "<|im_end|>" },
            };
            Assert.Equal(golden.GetProperty("text").GetString(), ChatTemplate.Parse(golden.GetProperty("template").GetString()!).Apply(input).Text);
        }
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
