namespace Tandem.Models;

/// <summary>A token that ends an answer.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Text">Its text.</param>
/// <param name="Source">Who says that it does.</param>
public sealed record StopToken(int Id, string Text, string Source);

/// <summary>
/// Where an answer stops: the union of what the model's files say. Of <c>generation_config.json</c> and <c>config.json</c> only the first that names any counts; to those come
/// the end of a text that <c>tokenizer_config.json</c> or a GGUF file names, a GGUF file's ends of turn and of message, and the control token with which the chat template ends
/// an assistant's turn.
/// </summary>
public static class StopTokens
{
    private const string Question = "What is the answer", Thoughts = "Thinking about it", Answer = "Forty two";

    private static readonly string[] GgufKeys = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];

    /// <summary>The stops of a model, in order of the sources above.</summary>
    /// <param name="path">A Hugging Face directory, or a GGUF file.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="templates">The templates that are used with it.</param>
    /// <exception cref="TandemException">A file cannot be read, or is malformed.</exception>
    public static IReadOnlyList<StopToken> Load(string path, Tokenizer tokenizer, ModelTemplates templates)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(templates);
        var stops = new List<StopToken>();
        if (Directory.Exists(path)) AddFolder(stops, path, tokenizer);
        else AddGguf(stops, path, tokenizer);
        if (templates.SpecialTokens.TryGetValue("eos_token", out string? eos) && tokenizer.Find(eos) is { } id) Add(stops, tokenizer, id, "eos_token of the tokenizer");
        if (OfTemplate(templates, tokenizer) is { } end) Add(stops, tokenizer, end, "chat template");
        return stops;
    }

    /// <summary>
    /// The special token with which the default template ends an assistant's turn, or null: the first behind the answer of a small conversation. One that stands inside a turn too, such
    /// as between thoughts and answer, ends nothing, and neither does one that begins turns. What fails says nothing.
    /// </summary>
    public static int? OfTemplate(ModelTemplates templates, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(templates);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (!templates.Names.Contains(ModelTemplates.DefaultName)) return null;
        ChatMessage question = ChatMessage.Of("user", Question), answer = ChatMessage.Of("assistant", Answer);
        if (Behind([question, answer]) is { } last) return StandsInside(last, alsoBefore: false) ? null : last;
        return Behind([question, answer, question, answer]) is { } next && !StandsInside(next, alsoBefore: true) ? next : null;

        int? Behind(ChatMessage[] messages)
        {
            (TokenEncoding? encoding, string text) = Render(messages);
            int place = text.IndexOf(Answer, StringComparison.Ordinal);
            if (encoding is null || place < 0) return null;
            foreach (EncodedToken token in encoding.Tokens)
                if (token.Start >= place + Answer.Length && tokenizer.IsSpecial(token.Id)) return token.Id;
            return null;
        }

        // Whether the token stands between thoughts and answer; or before a question, where what follows an answer may begin the next turn.
        bool StandsInside(int id, bool alsoBefore)
        {
            (TokenEncoding? encoding, string text) = Render([question, answer with { Reasoning = Thoughts }]);
            int asked = text.IndexOf(Question, StringComparison.Ordinal), thought = text.IndexOf(Thoughts, StringComparison.Ordinal), said = text.IndexOf(Answer, StringComparison.Ordinal);
            if (encoding is null) return false;
            return encoding.Tokens.Any(t => t.Id == id && ((alsoBefore && t.End <= asked) || (thought >= 0 && t.Start >= thought && t.End <= said)));
        }

        (TokenEncoding? Encoding, string Text) Render(ChatMessage[] messages)
        {
            try
            {
                RenderedTemplate rendered = ChatPrompt.Render(new Conversation { Messages = messages }, templates, new ChatPromptOptions { AddGenerationPrompt = false }).Rendered;
                return (tokenizer.EncodeWithOffsets(rendered), rendered.Text);
            }
            catch (TandemException)
            {
                return (null, "");
            }
        }
    }

    private static void AddFolder(List<StopToken> stops, string folder, Tokenizer tokenizer)
    {
        string generation = Path.Combine(folder, HfDirectory.GenerationConfigName), config = Path.Combine(folder, HfDirectory.ConfigName);
        IReadOnlyList<int> ids = File.Exists(generation) ? GenerationConfig.Load(generation).EosTokenIds : [];
        string source = HfDirectory.GenerationConfigName;
        if (ids.Count == 0 && File.Exists(config)) (ids, source) = (ModelConfig.Load(config).EosTokenIds, HfDirectory.ConfigName);
        foreach (int id in ids) Add(stops, tokenizer, id, source);
    }

    private static void AddGguf(List<StopToken> stops, string path, Tokenizer tokenizer)
    {
        using GgufFile file = GgufFile.Open(path);
        foreach (string key in GgufKeys.Where(file.Metadata.ContainsKey)) Add(stops, tokenizer, (int)file.Int(key), key);
    }

    private static void Add(List<StopToken> stops, Tokenizer tokenizer, int id, string source)
    {
        // The first that names a token is its source; models pad their vocabularies, so that an id may have no text.
        if (!stops.Exists(s => s.Id == id)) stops.Add(new StopToken(id, id < tokenizer.VocabSize ? tokenizer.TokenText(id) : "", source));
    }
}
