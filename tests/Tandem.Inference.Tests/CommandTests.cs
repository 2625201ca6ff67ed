using System.Diagnostics;
using System.Text.Json;
using Tandem.Integration.Tests;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>The commands as users call them, as processes on a small model.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-commands-").FullName;

    public CommandTests()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 128));
        model.Save(ModelFolder);
        TokenizerJson.Save(Tokenizer.OfBytes(), Path.Combine(ModelFolder, TokenizerJson.FileName));
    }

    private string ModelFolder => Path.Combine(_folder, "model");

    [Fact]
    public void Generate_answers_many_prompts_in_order_as_json()
    {
        string prompts = Path.Combine(_folder, "prompts.jsonl");
        File.WriteAllText(prompts, "{\"prompt\": \"one\"}\n\"two\"\n" + JsonSerializer.Serialize(new string('x', 300)) + "\n{\"prompt\": \"four\"}\n");
        (int code, string output, string error) = Run("", "generate", ModelFolder, "--prompts", prompts, "--json", "--logprobs", "2", "--prompt-logprobs", "--max-tokens", "5", "--cache-type", "bf16", "--threads", "1");
        Assert.Equal(1, code);
        Assert.Contains("prompt 2: the prompt has 300 tokens", error, StringComparison.Ordinal);
        Assert.Contains("tokens/s", error, StringComparison.Ordinal);
        JsonElement[] rows = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];
        Assert.Equal(["one", "two", new string('x', 300), "four"], rows.Select(r => r.GetProperty("prompt").GetString()));
        Assert.Equal(["length", "length", "error", "length"], rows.Select(r => r.GetProperty("finish_reason").GetString()));
        Assert.Equal(5, rows[3].GetProperty("tokens").GetArrayLength());
        Assert.Equal(2, rows[3].GetProperty("tokens")[0].GetProperty("top").GetArrayLength());
        Assert.Equal(3, rows[3].GetProperty("prompt_logprobs").GetArrayLength());
    }

    [Fact]
    public void Generate_continues_an_argument_or_standard_input_quietly()
    {
        string[] flags = ["--max-tokens", "8", "--seed", "3", "--quiet", "--threads", "1"];
        (int code, string output, string error) = Run("", ["generate", ModelFolder, "Once", .. flags]);
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith("Once", output, StringComparison.Ordinal);
        Assert.Equal(output, Run("Once", ["generate", ModelFolder, .. flags]).Output);
    }

    [Theory]
    [InlineData("temperature -1", "--temperature", "-1")]
    [InlineData("top_p 0", "--top-p", "0")]
    [InlineData("wanted f32, f16, bf16, q8 or q4", "--cache-type", "f8")]
    public void Bad_values_are_named_without_a_stack_trace(string expected, params string[] flags)
    {
        (int code, string output, string error) = Run("", ["generate", ModelFolder, "Once", .. flags]);
        Assert.Equal((1, ""), (code, output));
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_that_is_no_model_is_named_with_what_would_be_one()
    {
        string file = Path.Combine(ModelFolder, "config.json"), missing = Path.Combine(_folder, "missing.gguf");
        Assert.Contains("config.json' is a file, and not a GGUF file; accepted: a model's folder, or a GGUF file", Run("", "generate", file, "Once").Error, StringComparison.Ordinal);
        Assert.Contains("missing.gguf': there is no such folder or file", Run("", "generate", missing, "Once").Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("there is no command 'generte'; did you mean generate?", "generte")]
    [InlineData("there is no option '--temprature'; did you mean --temperature?", "generate", "model", "Once", "--temprature", "3")]
    [InlineData("there is no option '--zzzzzzzzzz'; accepted: --", "generate", "model", "--zzzzzzzzzz")]
    [InlineData("see 'tandem tokenizer train --help'", "tokenizer", "train")]
    public void What_does_not_exist_is_named_with_what_does(string expected, params string[] arguments)
    {
        (int code, string output, string error) = Run("", arguments);
        Assert.Equal((1, ""), (code, output));
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Chat_keeps_the_conversation_and_obeys_commands()
    {
        string saved = Path.Combine(_folder, "chat.json");
        string script = string.Join('\n', "/system Short.", "/temperature 0", "Hello", "What?", "/undo", $"/save {saved}", "/reset", $"/load {saved}", "/regenerate", "/temperature x", "/nonsense", "/help", "/quit", "never");
        (int code, string output, string error) = Run(script, "chat", ModelFolder, "--max-tokens", "4", "--threads", "1", "--chat-template", "plain");
        Assert.True(code == 0, error);
        Assert.Contains("1 turns", output, StringComparison.Ordinal);
        Assert.Contains("'/nonsense' is no command", output, StringComparison.Ordinal);
        Assert.Contains("/temperature 'x'", error, StringComparison.Ordinal);
        JsonElement[] messages = [.. JsonDocument.Parse(File.ReadAllText(saved)).RootElement.EnumerateArray()];
        Assert.Equal(["system", "user", "assistant"], messages.Select(m => m.GetProperty("role").GetString()));
        Assert.Equal("Hello", messages[1].GetProperty("content").GetString());

        // No template is guessed.
        Assert.Contains("choose one with --chat-template: a file, or chatml, llama-2", Run("", "chat", ModelFolder).Error, StringComparison.Ordinal);
        Assert.Contains("is neither a file nor one of chatml", Run("", "chat", ModelFolder, "--chat-template", "nothing").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Generate_asks_through_the_template()
    {
        (int code, string output, string error) = Run("", "generate", ModelFolder, "Hello", "--chat", "--chat-template", "plain", "--max-tokens", "3", "--threads", "1", "--json");
        Assert.True(code == 0, error);
        Assert.Equal("User: Hello\nAssistant:", JsonDocument.Parse(output).RootElement.GetProperty("prompt").GetString());
    }

    [Fact]
    public void Template_shows_what_a_model_receives()
    {
        string template = Path.Combine(_folder, "t.jinja");
        File.WriteAllText(template, "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{{ mood }}{% endif %}");
        (int code, string output, string error) = Run("""[{"role": "user", "content": "Hi"}]""", "template", template, "--messages", "-", "--add-generation-prompt", "--set", "mood=calm");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal("<user>Hi\n<assistant>calm", output);
        Assert.Contains("accepted: a JSON list of messages", Run("3", "template", template, "--messages", "-").Error, StringComparison.Ordinal);
        Assert.Contains("has no chat template", Run("[]", "template", ModelFolder, "--messages", "-").Error, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(Run("""[{"role": "user", "content": "Hi"}]""", "template", ModelFolder, "--messages", "-", "--chat-template", "plain", "--tokens", "--json").Output).RootElement;
        Assert.Equal("User: Hi\n", json.GetProperty("text").GetString());
        Assert.Equal("[[6,8]]", json.GetProperty("input").GetRawText());
        Assert.Equal(json.GetProperty("ids").GetArrayLength(), json.GetProperty("mask").GetArrayLength());
        Assert.Contains("templates: none; see --chat-template", Run("", "template", ModelFolder).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Tokenizers_are_trained_and_shown()
    {
        string text = Path.Combine(_folder, "text.txt"), trained = Path.Combine(_folder, "trained");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("low lower lowest <end>\n", 50)));
        (int code, string output, string error) = Run("", "tokenizer", "train", trained, text, "--vocab-size", "280", "--special", "<end>");
        Assert.True(code == 0, error);
        Assert.Contains("tokens from 1,150 bytes", output, StringComparison.Ordinal);
        (code, output, _) = Run("", "tokenize", trained, "low é<end>", "--json", "--parse-special");
        Assert.Equal(0, code);
        JsonElement tokens = JsonDocument.Parse(output).RootElement.GetProperty("tokens");
        Assert.Equal("low", tokens[0].GetProperty("text").GetString());
        Assert.Equal(0, tokens[tokens.GetArrayLength() - 1].GetProperty("id").GetInt32());
        Assert.Equal(11, tokens[tokens.GetArrayLength() - 1].GetProperty("end").GetInt32());
        Assert.Contains("low|", Run("", "tokenize", trained, "low é").Output, StringComparison.Ordinal);
        Assert.Contains("wanted at least 257", Run("", "tokenizer", "train", trained, text, "--vocab-size", "100", "--special", "<end>").Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Q8_0")]
    [InlineData("Q4_K_M")]
    public async Task A_loaded_file_takes_its_weights_once(string type)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "resident memory is read from /proc");
        string path = Path.Combine(_folder, "large.gguf");
        ModelConfig config = TinyModels.Llama(positions: 128) with { VocabSize = 32000, HiddenSize = 1024, HeadDim = 128, IntermediateSize = 4096, NumLayers = 16, LayerWindows = new int[16], TieWordEmbeddings = true };
        SyntheticGguf.Write(path, config, QuantizationRecipe.Get(type), 1, cancel: TestContext.Current.CancellationToken);
        long weights;
        using (GgufFile file = GgufFile.Open(path)) weights = file.Tensors.Sum(t => t.Bytes);
        Assert.True(weights > 100 << 20, $"{weights} bytes are no test");
        using Process process = Start("chat", path, "--chat-template", "plain");

        // Commands are obeyed when the model is there.
        await process.StandardInput.WriteLineAsync("/help");
        await process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
        await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        string line = File.ReadLines($"/proc/{process.Id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        long resident = 1024 * long.Parse(line["VmRSS:".Length..].Replace("kB", "", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture);
        process.StandardInput.Close();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        TestContext.Current.TestOutputHelper?.WriteLine($"{type}: {weights:N0} bytes of weights, {resident:N0} resident");
        Assert.InRange(resident, weights, (long)(1.05 * weights) + (150 << 20));
    }

    // What runs in the background of a script ignores SIGINT, and so do its children.
    private static bool IgnoresInterrupts()
    {
        if (!OperatingSystem.IsLinux()) return false;
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("SigIgn:", StringComparison.Ordinal));
        return (Convert.ToUInt64(line["SigIgn:".Length..].Trim(), 16) & 2) != 0;
    }

    [Fact]
    public async Task Ctrl_C_ends_cleanly_with_130()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        string prompts = Path.Combine(_folder, "many.txt");
        await File.WriteAllLinesAsync(prompts, Enumerable.Repeat("Once", 1_000_000), TestContext.Current.CancellationToken);
        using Process process = Start("generate", ModelFolder, "--prompts", prompts, "--max-tokens", "20", "--threads", "1");
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.StartsWith("Once", await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        using (Process kill = Process.Start("kill", [IgnoresInterrupts() ? "-TERM" : "-INT", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)])) await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(130, process.ExitCode);
        Assert.DoesNotContain("   at ", await error, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static (int Code, string Output, string Error) Run(string input, params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }

    // The tests' own runtime and dependency files hold all that the command needs.
    private static Process Start(params string[] arguments)
    {
        string own = Path.Combine(AppContext.BaseDirectory, "Tandem.Inference.Tests");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])["exec", "--runtimeconfig", own + ".runtimeconfig.json", "--depsfile", own + ".deps.json", Path.Combine(AppContext.BaseDirectory, "tandem.dll"), .. arguments])
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}
