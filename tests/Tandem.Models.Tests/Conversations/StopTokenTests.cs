using System.Text.RegularExpressions;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Where answers stop.</summary>
public sealed partial class StopTokenTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void Stops_are_the_union_of_what_the_files_and_the_template_say()
    {
        Tokenizer tokenizer = Tokenizer.OfBytes("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<eot>");
        File.WriteAllText(_files.At("generation_config.json"), """{"eos_token_id": [260, 257]}""");
        File.WriteAllText(_files.At("config.json"), "not read, as the first names some");
        File.WriteAllText(_files.At("tokenizer_config.json"), """{"bos_token": "<s>", "eos_token": "</s>"}""");
        ModelTemplates templates = ModelTemplates.Load(_files.Folder);
        Assert.Equal([new StopToken(260, "<eot>", "generation_config.json"), new StopToken(257, "</s>", "generation_config.json")], StopTokens.Load(_files.Folder, tokenizer, templates));
        File.WriteAllText(_files.At("generation_config.json"), """{"eos_token_id": 260}""");
        Assert.Equal(
            [new StopToken(260, "<eot>", "generation_config.json"), new StopToken(257, "</s>", "eos_token of the tokenizer"), new StopToken(259, "<|im_end|>", "chat template")],
            StopTokens.Load(_files.Folder, tokenizer, templates.With(BuiltInTemplates.All["chatml"].Source)));
    }

    [Theory]
    [InlineData("{% for m in messages %}<a>{{ m.content }}<b>{% endfor %}", 257)]
    [InlineData("{% for m in messages %}<a>{{ m.content }}{% if not loop.last %}<b>{% endif %}{% endfor %}", 257)]
    [InlineData("{% for m in messages %}<a>{{ m.content }}{% endfor %}", null)]
    [InlineData("{% for m in messages %}<a>{% if m.thinking %}{{ m.thinking }}<b><a>{% endif %}{{ m.content }}{{ '<c>' if loop.last else '<b>' }}{% endfor %}", 258)]
    [InlineData("{% for m in messages %}<a>{% if m.thinking %}{{ m.thinking }}<b>{% endif %}{{ m.content }}<b>{% endfor %}", null)]
    [InlineData("{{ raise_exception('no') }}", null)]
    [InlineData("{% if", null)]
    [InlineData("{% for m in messages %}<a>{{ m.content | upper }}<b>{% endfor %}", null)]
    public void The_end_of_a_turn_is_what_stands_behind_an_answer_and_nowhere_inside(string template, int? expected) =>
        Assert.Equal(expected, StopTokens.OfTemplate(ModelTemplates.Of(template), Tokenizer.OfBytes("<a>", "<b>", "<c>")));

    [Theory]
    [InlineData("Qwen-Qwen3-0.6B", "<|im_end|>")]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", "<|eot_id|>")]
    [InlineData("google-gemma-2-2b-it", "<end_of_turn>")]
    [InlineData("mistralai-Mistral-Nemo-Instruct-2407", "</s>")]
    [InlineData("openai-gpt-oss-120b", "<|return|>")]
    [InlineData("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "<｜end▁of▁sentence｜>")]
    public void Published_templates_end_turns_with_their_tokens(string name, string expected)
    {
        string? folder = CheckpointFiles.Shared("templates");
        Assert.SkipWhen(folder is null, "shared/goldens/templates is not beside the repository");
        string source = File.ReadAllText(Path.Combine(folder, "jinja", name + ".jinja"));
        string config = "{" + string.Join(",", TemplateGoldens.Lines(File.ReadAllText(Path.Combine(folder, "goldens", name + ".jsonl"))).First().GetProperty("special_tokens").EnumerateObject().Select(t => t.ToString())) + "}";
        File.WriteAllText(_files.At("tokenizer_config.json"), config);
        string[] control = [.. ControlToken().Matches(source).Select(m => m.Value).Append("</s>").Append("<｜end▁of▁sentence｜>").Distinct()];
        Tokenizer tokenizer = Tokenizer.OfBytes(control);
        int? stop = StopTokens.OfTemplate(ModelTemplates.Load(_files.Folder).With(source), tokenizer);
        Assert.Equal(expected, stop is { } id ? tokenizer.TokenText(id) : null);
    }

    [GeneratedRegex(@"<[|｜][^<>\s'""{}]{1,40}[|｜]>|<(start|end)_of_turn>")]
    private static partial Regex ControlToken();
}
