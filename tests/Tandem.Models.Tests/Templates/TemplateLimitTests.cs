using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Templates that would not end, or would fill the memory; and damaged templates: an error in words, never anything else.</summary>
public sealed class TemplateLimitTests
{
    private static readonly TemplateOptions Small = TemplateGoldens.Options() with { MaxSteps = 100_000, MaxLength = 1 << 20 };

    [Theory]
    [InlineData("{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}", "LimitError")]
    [InlineData("{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", "LimitError")]
    [InlineData("{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "LimitError")]
    [InlineData("{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}", "LimitError")]
    [InlineData("{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}", "LimitError")]
    [InlineData("{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}", "LimitError")]
    [InlineData("{% set ns = namespace(s=1) %}{% for i in range(999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}", "RecursionError")]
    [InlineData("{% set ns = namespace() %}{% set ns.s = ns %}{{ ns }}", "RecursionError")]
    [InlineData("{{ 'a' * 10 ** 12 }}", "LimitError")]
    [InlineData("{{ [1] * 10 ** 12 }}", "LimitError")]
    [InlineData("{{ 'a'.center(10 ** 12) }}", "LimitError")]
    [InlineData("{{ '%0999999999d' % 1 }}", "ValueError")]
    [InlineData("{{ '{:>999999999}'.format(1) }}", "ValueError")]
    [InlineData("{{ 10 ** 100000 }}", "OverflowError")]
    [InlineData("{{ 'a'.replace('', 'b' * 1000000) | length }}", "LimitError")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError")]
    [InlineData("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "RecursionError")]
    [InlineData("{% block a %}{{ self.a() }}{% endblock %}", "RecursionError")]
    public void What_would_not_end_is_stopped(string template, string category)
    {
        TemplateException error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse(template, Small).Render([]));
        Assert.Equal(category, error.Category);
        Assert.Equal(1, error.Line);
    }

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("-", "")]
    [InlineData("not ", "")]
    [InlineData("1 if 1 else ", "")]
    public void Deep_nesting_is_refused(string open, string close)
    {
        string text = "{{ " + string.Concat(Enumerable.Repeat(open, 100_000)) + "1" + string.Concat(Enumerable.Repeat(close, 100_000)) + " }}";
        TemplateException error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse(text));
        Assert.Equal("TemplateSyntaxError", error.Category);
    }

    [Theory]
    [InlineData("{{ 1", " + 1", " }}")]
    [InlineData("{{ 'a'", " | upper", " }}")]
    [InlineData("{{ a", ".b", " }}")]
    [InlineData("{% if 0 %}", "{% elif 0 %}", "{% endif %}")]
    public void Long_chains_render_or_fail_in_words(string start, string link, string end)
    {
        string text = start + string.Concat(Enumerable.Repeat(link, 100_000)) + end;
        try
        {
            ChatTemplate.Parse(text).Render([]);
        }
        catch (TemplateException e)
        {
            Assert.NotEmpty(e.Reason);
        }
    }

    [Fact]
    public void Errors_name_the_place()
    {
        TemplateException error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse("a\n  {{ b.c }}").Render([]));
        Assert.Equal(("UndefinedError", 2, 6, "  {{ b.c }}"), (error.Category, error.Line, error.Column, error.LineText));
        Assert.Equal("UndefinedError: 'b' is undefined (line 2, column 6 of the template: {{ b.c }})", error.Message);
    }

    [Fact]
    public void Damaged_templates_fail_in_words()
    {
        string[] pieces = ["{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "\n", " ", "'", "\"", "(", ")", "[", "]", "|", ".", ",", "~", "*", "**", "if", "for", "in", "set", "endfor", "0", "9", "9999", "is", "not", "loop", "range(9)", "\\", "\uD83D", "\u00A0", "%s"];
        JsonElement[] features = [.. TemplateGoldens.Own("features")];
        var random = new Random(5);
        int rendered = 0, refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            JsonElement feature = features[random.Next(features.Length)];
            string text = feature.GetProperty("template").GetString()!;
            for (int changes = random.Next(1, 4); changes > 0; changes--)
            {
                int at = random.Next(text.Length + 1), end = Math.Min(text.Length, at + random.Next(4));
                text = random.Next(3) switch
                {
                    0 => text[..at] + text[end..],
                    1 => text[..at] + pieces[random.Next(pieces.Length)] + text[at..],
                    _ => text[..at] + features[random.Next(features.Length)].GetProperty("template").GetString() + text[end..],
                };
            }

            try
            {
                ChatTemplate.Parse(text, Small).Render(TemplateGoldens.Values(feature.GetProperty("context")));
                rendered++;
            }
            catch (TemplateException)
            {
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"{JsonSerializer.Serialize(text)}: {e}");
            }
        }

        Assert.True(rendered > 1000 && refused > 1000, $"{rendered} rendered, {refused} refused");
    }
}
