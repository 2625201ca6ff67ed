using System.Text;
using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Conversations as JSON, as prompts, and where answers stop.</summary>
public sealed class ConversationTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [MemberData(nameof(TemplateRenderingTests.Templates), MemberType = typeof(TemplateRenderingTests))]
    public void Conversations_read_from_JSON_and_written_again_give_templates_the_same(string name)
    {
        string? folder = CheckpointFiles.Shared("templates");
        Assert.SkipWhen(folder is null, $"shared/goldens/templates ({name}) is not beside the repository");
        var template = ChatTemplate.Parse(File.ReadAllText(Path.Combine(folder, "jinja", name + ".jinja")), TemplateGoldens.Options());
        JsonElement[] goldens = [.. TemplateGoldens.Lines(File.ReadAllText(Path.Combine(folder, "goldens", name + ".jsonl")))];
        var tokens = goldens[0].GetProperty("special_tokens").EnumerateObject().ToDictionary(x => x.Name, x => x.Value.GetString()!);
        var byId = goldens.Skip(1).ToDictionary(x => x.GetProperty("case").GetString()!);
        int count = 0;
        foreach (JsonElement json in TemplateGoldens.Lines(File.ReadAllText(Path.Combine(folder, "conversations.jsonl"))))
        {
            string id = json.GetProperty("id").GetString()!;
            if (TemplateGoldens.Text(byId[id], "output") is not { } wanted) continue;
            Conversation conversation = ConversationJson.Parse(ConversationJson.Write(ConversationJson.Read(json, id)), id);
            string text = template.Apply(conversation.ToTemplateInput() with
            {
                AddGenerationPrompt = json.TryGetProperty("add_generation_prompt", out JsonElement add) && add.GetBoolean(),
                ContinueFinalMessage = json.TryGetProperty("continue_final_message", out JsonElement go) && go.GetBoolean(),
                SpecialTokens = tokens,
                Arguments = json.TryGetProperty("kwargs", out JsonElement more) ? TemplateGoldens.Values(more).ToDictionary() : [],
            }).Text;
            Assert.True(wanted == text, $"{id}: {JsonSerializer.Serialize(text)} instead of {JsonSerializer.Serialize(wanted)}");
            count++;
        }

        Assert.True(count > 0);
    }

    [Theory]
    [InlineData("3", "here; accepted: a JSON list of messages, or an object with messages")]
    [InlineData("[", "here is not valid JSON")]
    [InlineData("[3]", "here[0]: is the number 3, wanted an object")]
    [InlineData("[{}]", "here[0].role: is missing")]
    [InlineData("""[{"role": "user", "content": 3}]""", "here[0].content: is the number 3, wanted a string, or a list of parts")]
    [InlineData("""[{"role": "user", "content": [{"type": "text"}]}]""", "here[0].content[0].text: is missing, wanted a string")]
    [InlineData("""[{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 3}}]}]""", "here[0].tool_calls[0].function.arguments: is the number 3, wanted an object, or the text of one")]
    [InlineData("""{"messages": [], "tools": [3]}""", "here: tools[0]: is the number 3, wanted an object")]
    [InlineData("""[{"role": "user", "content": "\ud800"}]""", "here[0].content: holds a string that is not valid Unicode")]
    [InlineData("""[{"role": "user", "role": "user"}]""", "here is not valid JSON")]
    public void What_is_wrong_is_named_by_its_path(string json, string expected) =>
        Assert.Contains(expected, Assert.Throws<TandemException>(() => ConversationJson.Parse(Encoding.UTF8.GetBytes(json), "here")).Message, StringComparison.Ordinal);

    [Fact]
    public void The_template_is_chosen_by_what_the_conversation_has()
    {
        File.WriteAllText(_files.At("tokenizer_config.json"), """{"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}, {"name": "rag", "template": "r"}]}""");
        ModelTemplates templates = ModelTemplates.Load(_files.Folder);
        var plain = new Conversation { Messages = [ChatMessage.Of("user", "Hi")] };
        Assert.Equal("default", ChatPrompt.Render(plain, templates).TemplateName);
        Assert.Equal("t", ChatPrompt.Render(plain with { Tools = [] }, templates).Text);
        Assert.Equal("r", ChatPrompt.Render(plain with { Documents = [] }, templates).Text);
        Assert.Equal("d", ChatPrompt.Render(plain with { Tools = [] }, templates, new ChatPromptOptions { Template = "default" }).Text);
    }

    [Fact]
    public void Parts_that_are_no_text_are_refused_by_name()
    {
        Conversation conversation = ConversationJson.Parse("""[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "url": "x"}]}]"""u8.ToArray(), "here");
        TandemException error = Assert.Throws<TandemException>(() => ChatPrompt.Render(conversation, ModelTemplates.Of("x")));
        Assert.Contains("messages[0].content[1]: parts of type 'image' are not supported", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("chatml", "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\n")]
    [InlineData("llama-2", "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nQ [/INST] A </s><s>[INST] R [/INST]")]
    [InlineData("llama-3", "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nR<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")]
    [InlineData("mistral", "<s>[INST] S\n\nQ [/INST] A</s>[INST] R [/INST]")]
    [InlineData("gemma", "<s><start_of_turn>user\nS\n\nQ<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n<start_of_turn>user\nR<end_of_turn>\n<start_of_turn>model\n")]
    [InlineData("zephyr", "<|system|>\nS</s>\n<|user|>\nQ</s>\n<|assistant|>\nA</s>\n<|user|>\nR</s>\n<|assistant|>\n")]
    [InlineData("vicuna", "S USER: Q ASSISTANT: A</s>USER: R ASSISTANT:")]
    [InlineData("alpaca", "S\n\n### Instruction:\nQ\n\n### Response:\nA\n\n### Instruction:\nR\n\n### Response:\n")]
    [InlineData("plain", "S\n\nUser: Q\nAssistant: A\nUser: R\nAssistant:")]
    public void Built_in_templates_write_their_formats(string name, string expected)
    {
        File.WriteAllText(_files.At("tokenizer_config.json"), """{"bos_token": "<s>", "eos_token": "</s>"}""");
        var conversation = new Conversation { Messages = [ChatMessage.Of("system", "S"), ChatMessage.Of("user", "Q"), ChatMessage.Of("assistant", "A"), ChatMessage.Of("user", "R")] };
        ModelTemplates templates = ModelTemplates.Load(_files.Folder).With(BuiltInTemplates.All[name].Source);
        Assert.Equal(expected, ChatPrompt.Render(conversation, templates).Text);

        // Tokens that a tokenizer does not have are left out.
        Assert.Equal(expected.Replace("</s>", "", StringComparison.Ordinal).Replace("<s>", "", StringComparison.Ordinal), ChatPrompt.Render(conversation, ModelTemplates.Of(BuiltInTemplates.All[name].Source)).Text);
    }

    [Theory]
    [InlineData("gemma", "google-gemma-2-2b-it", "user_gen,multi,multi_gen")]
    [InlineData("chatml", "Qwen-Qwen2.5-7B-Instruct", "sys_user,sys_user_gen,sys_multi_gen")]
    public void Built_in_templates_equal_published_ones(string name, string golden, string cases)
    {
        string? folder = CheckpointFiles.Shared("templates");
        Assert.SkipWhen(folder is null, "shared/goldens/templates is not beside the repository");
        var conversations = TemplateGoldens.Lines(File.ReadAllText(Path.Combine(folder, "conversations.jsonl"))).ToDictionary(x => x.GetProperty("id").GetString()!);
        JsonElement[] rows = [.. TemplateGoldens.Lines(File.ReadAllText(Path.Combine(folder, "goldens", golden + ".jsonl")))];
        var tokens = rows[0].GetProperty("special_tokens").EnumerateObject().ToDictionary(x => x.Name, x => x.Value.GetString()!);
        foreach (string id in cases.Split(','))
        {
            Assert.Equal(Array.Find(rows, r => TemplateGoldens.Text(r, "case") == id).GetProperty("output").GetString(), ChatTemplate.Parse(BuiltInTemplates.All[name].Source).Apply(
                ConversationJson.Read(conversations[id], id).ToTemplateInput() with { AddGenerationPrompt = conversations[id].TryGetProperty("add_generation_prompt", out _), SpecialTokens = tokens }).Text);
        }
    }
}
