using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tandem.Models.Tests.Tokenizers;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Where the characters of a rendered text came from: control tokens that the template writes are parsed, typed ones are text.</summary>
public sealed partial class TemplateOriginTests
{
    private const char Open = '\uE000', Close = '\uE001';

    private static readonly Lazy<Tokenizer> Qwen = new(() => TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, "bpe_qwen2_nfc")));

    /// <summary>In the expected text, what came from the input stands between braces.</summary>
    [Theory]
    [InlineData("<{{ x }}>", "<{aBc}>")]
    [InlineData("{{ '<' + x + '>' }}{{ 1 ~ x ~ none }}", "<{aBc}>1{aBc}None")]
    [InlineData("{{ x | upper }}{{ x.lower() }}{{ x | title | capitalize }}", "{ABCabcAbc}")]
    [InlineData("{{ ('<' ~ x ~ '>') | upper }}", "<{ABC}>")]
    [InlineData("{{ ('ß' ~ x) | upper }}", "{SSABC}")]
    [InlineData("{{ ('<' ~ x ~ '>')[0:3] }}{{ ('<' ~ x)[1] }}{{ ('<' ~ x)[::-1] }}", "<{aBacBa<}")]
    [InlineData("{{ x.split('B') | join('-') }}", "{a}-{c}")]
    [InlineData("{{ ['<', x, 1] | join(',') }}{{ ','.join(['<', x]) }}", "<,{aBc},1<,{aBc}")]
    [InlineData("{{ x.replace('B', '-') }}{{ 'aBc'.replace('B', x) }}", "{a}-{c}a{aBc}c")]
    [InlineData("{{ (' ' ~ x ~ ' ') | trim }}{{ (x ~ '>').rstrip('>') }}{{ ('<' ~ x).lstrip('<a') }}", "{aBcaBcBc}")]
    [InlineData("{{ '%s|%5s' % (x, x) }}{{ '{}:{:>4}'.format(x, x) }}{{ '%s' | format(x) }}{{ x % () }}", "{aBc}|  {aBcaBc}: {aBcaBcaBc}")]
    [InlineData("{{ {'k': x} | tojson }}{{ [x] }}", "{\"k\": \"{aBc}\"}[{'aBc'}]")]
    [InlineData("{{ d | tojson }}{{ d }}", "{\"{k}\": \"{v}\"}{{'k'}: {'v'}}")]
    [InlineData("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(x) }}{% set s %}[{{ x }}]{% endset %}{{ s }}{% macro n() %}({{ caller() }}){% endmacro %}{% call n() %}{{ x }}{% endcall %}", "<{aBc}>[{aBc}]({aBc})")]
    [InlineData("{% filter upper %}<{{ x }}>{% endfilter %}{% for c in '<' ~ x %}{{ c }},{% endfor %}", "<{ABC}><,{a},{B},{c},")]
    [InlineData("{% set n = namespace(t='<') %}{% for c in x %}{% set n.t = n.t ~ c %}{% endfor %}{{ n.t }}", "<{aBc}")]
    [InlineData("{% for k, v in d.items() %}<{{ k }}={{ v }}>{% endfor %}{{ d.k }}{{ d | first }}{{ d | dictsort }}", "<{k}={v}>{vk}[({'k'}, {'v'})]")]
    [InlineData("{{ x | indent(2, true) }}{{ x.center(5) }}{{ x | truncate(2, true, '>', 0) }}{{ x.partition('B') }}", "  {aBc} {aBc} {a}>({'a'}, {'B'}, {'c'})")]
    [InlineData("{{ x | escape }}{{ ('<b>' ~ x) | escape }}{{ x | urlencode }}{{ x | wordwrap(1) }}{{ x * 2 }}{{ x | reverse }}", "{aBc&lt;b&gt;aBcaBca\nB\ncaBcaBccBa}")]
    [InlineData("{{ bos }}{{ x or bos }}{{ none | default(bos) }}{{ missing | default(bos) }}{{ [bos] | first }}{{ {'a': bos}.get('a') }}", "<s>{aBc}None<s><s><s>")]
    [InlineData("{{ x.encode().decode() }}{{ dict(**d) | first }}{{ x.removeprefix('a').removesuffix('c') }}{{ x.splitlines()[0] }}", "{aBckBaBc}")]
    [InlineData("{{ joiner(x)() }}{% set j = joiner(x) %}{{ j() }}{{ j() }}{{ cycler(x, bos).next() }}{{ x | map('upper') | join }}", "{aBcaBcABC}")]
    public void The_origin_is_kept_by_every_operation(string template, string expected)
    {
        RenderedTemplate rendered = ChatTemplate.Parse(template).Render(new Dictionary<string, TemplateValue>
        {
            ["x"] = "aBc",
            ["d"] = TemplateValue.Mapping([KeyValuePair.Create<string, TemplateValue>("k", "v")]),
            ["bos"] = TemplateValue.FromTrusted("<s>"),
        });
        var text = new StringBuilder(rendered.Text);
        foreach (TextSpan span in rendered.InputSpans.Reverse()) text.Insert(span.End, '}').Insert(span.Start, '{');
        Assert.Equal(expected, text.ToString());
    }

    [Fact]
    public void Typed_control_tokens_are_text_and_merges_are_those_of_the_whole()
    {
        int count = 0;
        foreach (JsonElement golden in TemplateGoldens.Own("control_tokens_in_input"))
        {
            count++;
            RenderedTemplate rendered = ChatTemplate.Parse(golden.GetProperty("template").GetString()!).Apply(new ChatTemplateInput
            {
                Messages = [.. golden.GetProperty("messages").EnumerateArray().Select(TemplateValue.FromJson)],
                AddGenerationPrompt = true,
                SpecialTokens = new Dictionary<string, string> { ["eos_token"] = "<|im_end|>" },
            });
            Assert.Equal(golden.Ints("ids_default"), Qwen.Value.Encode(rendered.Text, SpecialTokens.Parse));
            Assert.Equal(golden.Ints("ids_sanitized"), Qwen.Value.Encode(rendered));
        }

        Assert.Equal(5, count);
    }

    [Fact]
    public void A_token_counts_only_if_all_its_characters_are_the_templates()
    {
        Tokenizer tokenizer = Tokenizer.OfBytes("<s>", "<s><s>", "x<s>");
        int[] Ids(string template) => tokenizer.Encode(ChatTemplate.Parse(template).Render(new Dictionary<string, TemplateValue> { ["less"] = "<", ["s"] = "<s>", ["x"] = "x" }));
        Assert.Equal([(int)'<', 's', '>'], Ids("{{ less }}s>"));
        Assert.Equal([256], Ids("<{{ 's' }}>"));
        Assert.Equal([257, 256], Ids("<s><s><s>"));

        // Neither a longer token that reaches into the input nor one that starts there takes the template's own.
        Assert.Equal([256, '<', 's', '>'], Ids("<s>{{ s }}"));
        Assert.Equal(['<', 's', '>', 256], Ids("{{ s }}<s>"));
        Assert.Equal(['x', 256], Ids("{{ x }}<s>"));
        Assert.Equal([258], Ids("x<s>"));
    }

    [Fact]
    public void Masks_mark_the_tokens_of_generation_blocks()
    {
        foreach (JsonElement golden in TemplateGoldens.Own("generation_mask"))
        {
            RenderedTemplate rendered = ChatTemplate.Parse(golden.GetProperty("template").GetString()!).Apply(new ChatTemplateInput
            {
                Messages = [.. golden.GetProperty("messages").EnumerateArray().Select(TemplateValue.FromJson)],
                SpecialTokens = new Dictionary<string, string> { ["eos_token"] = "<|im_end|>" },
            });
            (int[] ids, bool[] mask) = new ChatPrompt("", rendered).EncodeForTraining(Qwen.Value);
            Assert.Equal(golden.Ints("ids"), ids);

            // In set blocks, and where a span ends with the first token, the reference marks what it should not.
            if (golden.GetProperty("id").GetString() != "in_set_block" && Array.LastIndexOf(mask, true) != 0)
                Assert.Equal(golden.Ints("assistant_mask"), mask.Select(x => x ? 1 : 0));
        }
    }

    /// <summary>
    /// Every control token of a template is typed into every text of every conversation, between two marks: no typed one becomes a token, and where the template takes the same way as
    /// with harmless words in their place, its own tokens are the same.
    /// </summary>
    [Theory]
    [MemberData(nameof(TemplateRenderingTests.Templates), MemberType = typeof(TemplateRenderingTests))]
    public void No_control_token_can_be_typed(string name)
    {
        string? folder = CheckpointFiles.Shared("templates");
        Assert.SkipWhen(folder is null, $"shared/goldens/templates ({name}) is not beside the repository");
        string source = File.ReadAllText(Path.Combine(folder, "jinja", name + ".jinja"));
        JsonElement head = TemplateGoldens.Lines(File.ReadAllText(Path.Combine(folder, "goldens", name + ".jsonl"))).First();
        var tokens = head.GetProperty("special_tokens").EnumerateObject().ToDictionary(x => x.Name, x => x.Value.GetString()!);
        string[] control = [.. ControlToken().Matches(source).Select(m => m.Value).Concat(tokens.Values).Distinct().Order(StringComparer.Ordinal)];
        Tokenizer tokenizer = Tokenizer.OfBytes(control);
        string typed = string.Concat(control.Select(t => $"{Open}{t}{Close}")), harmless = string.Concat(control.Select((_, i) => $"{Open}{i}{Close}"));
        var template = ChatTemplate.Parse(source, TemplateGoldens.Options());
        int compared = 0, rendered = 0;
        foreach (JsonElement conversation in TemplateGoldens.Lines(File.ReadAllText(Path.Combine(folder, "conversations.jsonl"))))
        {
            if (Render(template, conversation, tokens, typed) is not { } hostile) continue;
            rendered++;
            TokenEncoding encoding = tokenizer.EncodeWithOffsets(hostile);

            Assert.All(encoding.Tokens.Where(IsOwn), t => Assert.False(IsTyped(hostile.Text, t), $"{conversation.GetProperty("id")}: {t.Text} at {t.Start}"));
            if (Render(template, conversation, tokens, harmless) is not { } plain) continue;
            string same = control.Select((t, i) => (t, i)).Aggregate(hostile.Text, (text, x) => text.Replace($"{Open}{x.t}{Close}", $"{Open}{x.i}{Close}", StringComparison.Ordinal));
            if (same != plain.Text) continue;
            compared++;
            Assert.Equal(tokenizer.EncodeWithOffsets(plain).Tokens.Where(IsOwn).Select(t => t.Id), encoding.Tokens.Where(IsOwn).Select(t => t.Id));
        }

        // One template cuts answers at the ends of their thoughts and writes that token itself between what was around it: as often as it was typed.
        bool IsOwn(EncodedToken t) => tokenizer.IsSpecial(t.Id) && !(t.Text == "</think>" && name.StartsWith("Bielik", StringComparison.Ordinal));

        Assert.True(rendered > 0);
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {control.Length} control tokens, {rendered} conversations, {compared} compared");
    }

    private static bool IsTyped(string text, EncodedToken token) => token.Start > 0 && text[token.Start - 1] == Open && token.End < text.Length && text[token.End] == Close;

    private static RenderedTemplate? Render(ChatTemplate template, JsonElement conversation, Dictionary<string, string> tokens, string typed)
    {
        try
        {
            return template.Apply(new ChatTemplateInput
            {
                Messages = [.. conversation.GetProperty("messages").EnumerateArray().Select(m => Typed(m, typed))],
                Tools = conversation.TryGetProperty("tools", out JsonElement tools) ? Typed(tools, typed) : TemplateValue.None,
                Documents = conversation.TryGetProperty("documents", out JsonElement documents) ? Typed(documents, typed) : TemplateValue.None,
                AddGenerationPrompt = conversation.TryGetProperty("add_generation_prompt", out JsonElement add) && add.GetBoolean(),
                SpecialTokens = tokens,
            });
        }
        catch (TemplateException)
        {
            return null;
        }
    }

    // Texts that templates decide by stay as they are.
    private static TemplateValue Typed(JsonElement json, string typed, string name = "") => json.ValueKind switch
    {
        JsonValueKind.Object => TemplateValue.Mapping(json.EnumerateObject().Select(x => KeyValuePair.Create(x.Name, Typed(x.Value, typed, x.Name)))),
        JsonValueKind.Array => TemplateValue.List(json.EnumerateArray().Select(x => Typed(x, typed, name))),
        JsonValueKind.String when name is not ("role" or "type" or "id" or "tool_call_id") => json.GetString() + typed + json.GetString(),
        _ => TemplateValue.FromJson(json),
    };

    [GeneratedRegex(@"<[^<>\s'""{}]{1,40}>|\[/?[A-Z_]{3,30}\]")]
    private static partial Regex ControlToken();
}
