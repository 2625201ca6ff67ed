using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Where a model's chat templates come from.</summary>
public sealed class ModelTemplatesTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void A_config_has_one_template_or_several_and_special_tokens_in_both_spellings()
    {
        string config = _files.At("tokenizer_config.json");
        File.WriteAllText(config, """{"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null, "chat_template": "{{ bos_token }}{{ messages[0].content }}"}""");
        ModelTemplates one = ModelTemplates.Load(_files.Folder);
        Assert.Equal(["default"], one.Names);
        Assert.Equal(new Dictionary<string, string> { ["bos_token"] = "<s>", ["eos_token"] = "</s>" }, one.SpecialTokens);
        Assert.Equal("<s>hello", Apply(one.Get(), one));

        File.WriteAllText(config, """{"chat_template": [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]}""");
        ModelTemplates several = ModelTemplates.Load(_files.Folder);
        Assert.Equal("b", Apply(several.Get("tool_use"), several));
        Assert.Contains("accepted: default, tool_use", Assert.Throws<TandemException>(() => several.Get("rag")).Message, StringComparison.Ordinal);

        File.WriteAllText(_files.At("chat_template.jinja"), "from the file");
        ModelTemplates file = ModelTemplates.Load(_files.Folder);
        Assert.Equal("from the file", Apply(file.Get(), file));
    }

    [Theory]
    [InlineData("""{"chat_template": 3}""", "a string, or a list of objects with name and template")]
    [InlineData("""{"chat_template": [{"name": "x"}]}""", "a string, or a list of objects with name and template")]
    [InlineData("""{"chat_template": [{"name": "x", "template": ""}, {"name": "x", "template": ""}]}""", "'x' twice")]
    [InlineData("""{"bos_token": 5}""", "bos_token is no token")]
    [InlineData("[]", "accepted is a JSON object")]
    public void What_is_malformed_is_named(string json, string expected)
    {
        File.WriteAllText(_files.At("tokenizer_config.json"), json);
        Assert.Contains(expected, Assert.Throws<TandemException>(() => ModelTemplates.Load(_files.Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_without_one_says_where_it_could_be() =>
        Assert.Contains("chat_template.jinja", Assert.Throws<TandemException>(() => ModelTemplates.Load(_files.Folder).Get()).Message, StringComparison.Ordinal);

    [Fact]
    public void The_real_models_prompts_are_rendered_exactly()
    {
        string? model = CheckpointFiles.SharedData("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"), goldens = CheckpointFiles.Shared("smollm2/goldens.json");
        Assert.SkipWhen(model == null || goldens == null, "shared/data or shared/goldens is not beside the repository");
        ModelTemplates templates = ModelTemplates.Load(model!);
        ChatTemplate template = templates.Get();
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(goldens!));
        JsonElement[] chats = [.. json.RootElement.GetProperty("cases").EnumerateArray().Where(c => c.GetProperty("messages").ValueKind == JsonValueKind.Array)];
        Assert.NotEmpty(chats);
        foreach (JsonElement chat in chats)
        {
            RenderedTemplate rendered = template.Apply(new ChatTemplateInput
            {
                Messages = [.. chat.GetProperty("messages").EnumerateArray().Select(TemplateValue.FromJson)],
                AddGenerationPrompt = true,
                SpecialTokens = templates.SpecialTokens,
            });
            Assert.Equal(chat.GetProperty("text").GetString(), rendered.Text);
        }
    }

    private static string Apply(ChatTemplate template, ModelTemplates templates) => template.Apply(new ChatTemplateInput
    {
        Messages = [TemplateValue.Mapping([KeyValuePair.Create<string, TemplateValue>("role", "user"), KeyValuePair.Create<string, TemplateValue>("content", "hello")])],
        SpecialTokens = templates.SpecialTokens,
    }).Text;
}
