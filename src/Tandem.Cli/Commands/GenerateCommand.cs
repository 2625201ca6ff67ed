using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Tandem.Inference;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Continues one prompt as it is written, or many at once in their order.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model directory (config.json, model.safetensors, tokenizer.json), or a GGUF file" };
        var prompt = new Argument<string?>("prompt") { Description = "Text to continue; '-' or nothing with redirected input reads standard input", Arity = ArgumentArity.ZeroOrOne };
        var prompts = new Option<string?>("--prompts") { Description = "File of prompts: lines, or JSON lines with \"prompt\" if it ends in .jsonl; '-' is standard input" };
        var json = new Option<bool>("--json") { Description = "One JSON object a prompt: text, tokens, finish reason, times" };
        var logProbs = new Option<int?>("--logprobs") { Description = "With --json: log-probability of each token and of this many alternatives" };
        var promptLogProbs = new Option<bool>("--prompt-logprobs") { Description = "With --json: log-probability of each token of the prompt" };
        var parseSpecial = new Option<bool>("--parse-special") { Description = "Special tokens in prompts are tokens, not text" };
        var chat = new Option<bool>("--chat") { Description = "Prompts are questions: each is put into the model's chat template" };
        var quiet = new Option<bool>("--quiet") { Description = "No rates on standard error" };
        var flags = new ChatFlags();
        var sampling = new SamplingFlags(maxTokens: 128);
        var command = new Command("generate", """
            Continue a text, or many.

            Examples:
              tandem generate my-model "Once upon a time" --max-tokens 50 --temperature 0.7
              tandem generate my-model --prompts prompts.txt --json --logprobs 3 > answers.jsonl
              tandem generate my-model --chat "How far is the moon?"
              cat letter.txt | tandem generate my-model --stop "Regards"
            """)
        {
            model, prompt, prompts, json, logProbs, promptLogProbs, parseSpecial, chat, quiet,
        };
        flags.AddTo(command);
        sampling.AddTo(command);
        command.SetAction(parse =>
        {
            string? text = parse.GetValue(prompt), file = parse.GetValue(prompts);
            if (text != null && file != null) throw new TandemException("a prompt and --prompts were given, wanted one of them");
            bool asJson = parse.GetValue(json);
            if (!asJson && (parse.GetValue(logProbs) != null || parse.GetValue(promptLogProbs))) throw new TandemException("--logprobs and --prompt-logprobs are shown with --json only");
            using var interrupt = new Interrupt();
            string folder = parse.GetValue(model)!;
            ModelTemplates? templates = parse.GetValue(chat) ? flags.Templates(parse, folder) : null;
            if (templates != null) ChatFlags.Require(templates, folder);
            using Generator generator = sampling.Load(parse, folder, templates);
            if (parse.GetValue(parseSpecial)) generator.PromptSpecialTokens = SpecialTokens.Parse;
            SamplingOptions options = sampling.Read(parse, generator.Defaults) with { LogProbs = parse.GetValue(logProbs) ?? 0, PromptLogProbs = parse.GetValue(promptLogProbs) };
            if (templates != null) options = options with { Stop = [.. options.Stop, .. flags.Stop(parse)] };

            // Before anything is shown.
            options.Validate();
            text ??= file == null && Console.IsInputRedirected ? "-" : text ?? "";
            if (text == "-") text = Console.In.ReadToEnd();
            var clock = Stopwatch.StartNew();
            IEnumerable<string> texts = file == null ? [text] : ReadPrompts(file);
            Func<string, ChatPrompt>? ask = templates == null ? null : t => ChatPrompt.Render(new Conversation { Messages = [ChatMessage.Of("user", t)] }, templates, flags.Options(parse));
            (int tokens, bool failed) = file == null && !asJson
                ? Stream(generator, text, ask, options, interrupt.Token)
                : Many(ask == null ? generator.CompleteAll(texts, options, interrupt.Token) : generator.CompleteAll(texts.Select(ask), options, interrupt.Token), asJson);
            if (!parse.GetValue(quiet))
            {
                string rate = string.Create(CultureInfo.InvariantCulture, $"{tokens} tokens in {clock.Elapsed.TotalSeconds:F2} s, {tokens / clock.Elapsed.TotalSeconds:F1} tokens/s");
                Console.Error.WriteLine(rate);
            }

            return interrupt.Token.IsCancellationRequested ? Interrupt.ExitCode : failed ? 1 : 0;
        });
        return command;
    }

    private static (int Tokens, bool Failed) Stream(Generator generator, string prompt, Func<string, ChatPrompt>? ask, SamplingOptions options, CancellationToken cancel)
    {
        // Of a question only the answer is shown; a continuation stands behind its beginning.
        if (ask == null) Console.Write(prompt);
        Completion completion = ask == null ? generator.Generate(prompt, options, Show, cancel) : generator.Generate(ask(prompt), options, Show, cancel);
        Console.WriteLine();
        if (completion.Error != null) Console.Error.WriteLine(completion.Error);
        return (completion.Tokens.Count, completion.Error != null);

        static void Show(string piece)
        {
            Console.Write(piece);
            Console.Out.Flush();
        }
    }

    private static (int Tokens, bool Failed) Many(IEnumerable<Completion> completions, bool json)
    {
        int tokens = 0, index = 0;
        bool failed = false;
        foreach (Completion completion in completions)
        {
            tokens += completion.Tokens.Count;
            if (completion.Error != null)
            {
                failed = true;
                Console.Error.WriteLine($"prompt {index}: {completion.Error}");
            }

            Console.WriteLine(json ? Json(completion, index) : completion.Prompt + completion.Text);
            index++;
        }

        return (tokens, failed);
    }

    private static IEnumerable<string> ReadPrompts(string path)
    {
        bool jsonLines = path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase);
        using TextReader reader = path == "-" ? Console.In : Open(path);
        for (int line = 1; ReadLine(reader, path, line) is { } text; line++)
        {
            if (text.Length > 0) yield return jsonLines ? PromptOf(text, path, line) : text;
        }
    }

    private static string? ReadLine(TextReader reader, string path, int line)
    {
        try
        {
            return reader.ReadLine();
        }
        catch (DecoderFallbackException e)
        {
            throw new TandemException($"'{path}', near line {line}: not UTF-8", e);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }

    private static StreamReader Open(string path)
    {
        try
        {
            return new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }

    private static string PromptOf(string text, string path, int line)
    {
        try
        {
            using JsonDocument row = JsonDocument.Parse(text);
            if (row.RootElement.ValueKind == JsonValueKind.String) return row.RootElement.GetString()!;
            if (row.RootElement.ValueKind == JsonValueKind.Object && row.RootElement.TryGetProperty("prompt", out JsonElement prompt) && prompt.ValueKind == JsonValueKind.String)
                return prompt.GetString()!;
        }
        catch (JsonException e)
        {
            throw new TandemException($"'{path}', line {line}: {e.Message}", e);
        }

        throw new TandemException($"'{path}', line {line}: wanted a string, or an object with a string \"prompt\"");
    }

    private static string Json(Completion completion, int index)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteNumber("index", index);
            json.WriteString("prompt", completion.Prompt);
            json.WriteString("text", completion.Text);
            json.WriteString("finish_reason", completion.Finish.ToString().ToLowerInvariant());
            if (completion.Error != null) json.WriteString("error", completion.Error);
            json.WriteStartArray("tokens");
            foreach (CompletionToken token in completion.Tokens) WriteToken(json, token);
            json.WriteEndArray();
            if (completion.PromptLogProbs.Count > 0)
            {
                json.WriteStartArray("prompt_logprobs");
                foreach (float value in completion.PromptLogProbs) json.WriteNumberValue(value);
                json.WriteEndArray();
            }

            json.WriteNumber("prompt_tokens", completion.PromptTokens.Count);
            json.WriteNumber("time_to_first_token_s", Math.Round(completion.TimeToFirstToken.TotalSeconds, 6));
            json.WriteNumber("time_s", Math.Round(completion.Time.TotalSeconds, 6));
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static void WriteToken(Utf8JsonWriter json, CompletionToken token)
    {
        json.WriteStartObject();
        json.WriteNumber("id", token.Id);
        json.WriteString("text", token.Text);
        json.WriteNumber("logprob", token.LogProb);
        if (token.Alternatives.Count > 0)
        {
            json.WriteStartArray("top");
            foreach (TokenLogProb alternative in token.Alternatives)
            {
                json.WriteStartObject();
                json.WriteNumber("id", alternative.Id);
                json.WriteNumber("logprob", alternative.LogProb);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
