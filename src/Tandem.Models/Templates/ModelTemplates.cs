using System.Collections.Concurrent;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// The chat templates that come with a model, and the special tokens they may name: from <c>chat_template.jinja</c> or <c>tokenizer_config.json</c> of a Hugging Face
/// directory, or from the metadata of a GGUF file.
/// </summary>
public sealed class ModelTemplates
{
    /// <summary>The name of a model's only template, or of the one among several that is taken when none is asked for.</summary>
    public const string DefaultName = "default";

    /// <summary>The names of templates that are taken for conversations with tools, and with documents.</summary>
    public const string ToolUseName = "tool_use", RagName = "rag";

    private const string ConfigFile = "tokenizer_config.json", TemplateFile = "chat_template.jinja", GgufKey = "tokenizer.chat_template";
    private const int MaxBytes = 32 << 20;

    private static readonly string[] TokenNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    private readonly string _place;
    private readonly Dictionary<string, string> _sources = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _specialTokens = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ChatTemplate> _parsed = new(StringComparer.Ordinal);

    private ModelTemplates(string place) => _place = place;

    /// <summary>Names of the templates; none if the model has none.</summary>
    public IReadOnlyCollection<string> Names => _sources.Keys;

    /// <summary>The special tokens that are set, such as <c>bos_token</c>.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens => _specialTokens;

    /// <summary>Reads a model's.</summary>
    /// <param name="path">A Hugging Face directory, or a GGUF file.</param>
    /// <exception cref="TandemException">A file cannot be read, or is malformed.</exception>
    public static ModelTemplates Load(string path)
    {
        var templates = new ModelTemplates(path);
        if (Directory.Exists(path)) templates.ReadFolder(path);
        else templates.ReadGguf(path);
        return templates;
    }

    /// <summary>The same model with one template of the user's choice.</summary>
    public ModelTemplates With(string source)
    {
        var templates = new ModelTemplates(_place);
        templates._sources[DefaultName] = source;
        foreach ((string name, string token) in _specialTokens) templates._specialTokens[name] = token;
        return templates;
    }

    /// <summary>One template without a model.</summary>
    public static ModelTemplates Of(string source) => new ModelTemplates("").With(source);

    /// <summary>The name of the template for a conversation: that for tools if it has any, that for documents if it has any, where the model has such ones; else the default.</summary>
    public string Choose(Conversation conversation)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        if (conversation.Tools is not null && _sources.ContainsKey(ToolUseName)) return ToolUseName;
        return conversation.Documents is not null && _sources.ContainsKey(RagName) ? RagName : DefaultName;
    }

    /// <summary>Parses the template of a name; one without options is kept.</summary>
    /// <exception cref="TandemException">There is none of that name.</exception>
    /// <exception cref="TemplateException">It is malformed.</exception>
    public ChatTemplate Get(string name = DefaultName, TemplateOptions? options = null)
    {
        if (_sources.TryGetValue(name, out string? source)) return options is null ? _parsed.GetOrAdd(name, _ => ChatTemplate.Parse(source)) : ChatTemplate.Parse(source, options);
        throw new TandemException(_sources.Count == 0
            ? $"'{_place}' has no chat template ({TemplateFile}, chat_template in {ConfigFile}, or {GgufKey}); give one of your own"
            : $"'{_place}' has no chat template '{name}'; accepted: {string.Join(", ", _sources.Keys)}");
    }

    private void ReadFolder(string folder)
    {
        string config = Path.Combine(folder, ConfigFile), single = Path.Combine(folder, TemplateFile);
        if (File.Exists(config))
        {
            using JsonDocument json = BoundedJson.ReadFile(config, MaxBytes);
            ReadConfig(json.RootElement, config);
        }

        if (!File.Exists(single)) return;
        try
        {
            _sources[DefaultName] = File.ReadAllText(single);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", single, e);
        }
    }

    private void ReadConfig(JsonElement config, string file)
    {
        foreach (string name in TokenNames)
        {
            if (!config.TryGetProperty(name, out JsonElement token)) continue;
            if (token.ValueKind == JsonValueKind.Object && token.TryGetProperty("content", out JsonElement content)) token = content;
            if (token.ValueKind == JsonValueKind.String) _specialTokens[name] = token.GetString()!;
            else if (token.ValueKind != JsonValueKind.Null) throw new TandemException($"'{file}': {name} is no token; accepted: a string, or an object with content");
        }

        if (!config.TryGetProperty("chat_template", out JsonElement template) || template.ValueKind == JsonValueKind.Null) return;
        if (template.ValueKind == JsonValueKind.String)
        {
            _sources[DefaultName] = template.GetString()!;
            return;
        }

        const string Accepted = "a string, or a list of objects with name and template";
        if (template.ValueKind != JsonValueKind.Array) throw new TandemException($"'{file}': chat_template; accepted: {Accepted}");
        foreach (JsonElement named in template.EnumerateArray())
        {
            if (named.ValueKind != JsonValueKind.Object || !named.TryGetProperty("name", out JsonElement name) || name.ValueKind != JsonValueKind.String
                || !named.TryGetProperty("template", out JsonElement source) || source.ValueKind != JsonValueKind.String)
                throw new TandemException($"'{file}': chat_template; accepted: {Accepted}");
            if (!_sources.TryAdd(name.GetString()!, source.GetString()!)) throw new TandemException($"'{file}': chat_template has {CheckpointException.Quote(name.GetString()!)} twice");
        }
    }

    private void ReadGguf(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        foreach (string key in file.Metadata.Keys)
        {
            if (key == GgufKey) _sources[DefaultName] = file.String(key);
            else if (key.StartsWith(GgufKey + ".", StringComparison.Ordinal)) _sources[key[(GgufKey.Length + 1)..]] = file.String(key);
        }

        if (!file.Metadata.ContainsKey("tokenizer.ggml.tokens")) return;
        IReadOnlyList<string> tokens = file.Strings("tokenizer.ggml.tokens");
        foreach ((string key, string name) in ((string, string)[])[("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("seperator", "sep_token"), ("padding", "pad_token")])
        {
            string id = $"tokenizer.ggml.{key}_token_id";
            if (file.Metadata.ContainsKey(id)) _specialTokens[name] = tokens[(int)file.Int(id, 0, tokens.Count - 1)];
        }
    }
}
