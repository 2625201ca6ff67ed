using System.CommandLine;
using Tandem.Inference;
using Tandem.Models;

namespace Tandem.Cli;

/// <summary>The options of sampling, of the engine and of the weights, shared by the commands that generate. What is not given is the model's default.</summary>
internal sealed class SamplingFlags(int maxTokens)
{
    private readonly Option<int> _maxTokens = new("--max-tokens") { Description = "Tokens to generate at the most", DefaultValueFactory = _ => maxTokens };
    private readonly Option<int> _minTokens = new("--min-tokens") { Description = "Tokens before an end or a stop text counts" };
    private readonly Option<float?> _temperature = new("--temperature") { Description = "0 takes the most likely token; 1 is the model's own distribution" };
    private readonly Option<int?> _topK = new("--top-k") { Description = "Keep the k most likely tokens; 0 keeps all" };
    private readonly Option<float?> _topP = new("--top-p") { Description = "Keep the most likely tokens up to this sum; 1 keeps all" };
    private readonly Option<float?> _minP = new("--min-p") { Description = "Drop tokens below this share of the most likely" };
    private readonly Option<float?> _penalty = new("--repetition-penalty") { Description = "Makes tokens that occurred less likely; 1 is none" };
    private readonly Option<ulong> _seed = new("--seed") { Description = "The same seed gives the same text" };
    private readonly Option<string[]> _stop = new("--stop") { Description = "Text that ends the generation; may be given several times", DefaultValueFactory = _ => [] };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "Go on after the end of the text" };
    private readonly CacheTypeOptions _cacheTypes = new();
    private readonly Option<DType?> _weights = FloatTypeOption.CreateOptional("--weights", "Type of the weights in memory: f32, bf16 or f16; a GGUF file's stay as they are where it is not given");
    private readonly Option<bool> _exact = new("--exact") { Description = "Rows stay f32 in products with quantized weights: slow, no error but that of the weights" };
    private readonly Option<int> _maxLength = new("--max-length") { Description = "Longest text in tokens, prompt included; 0 is the model's limit" };
    private readonly Option<int> _threads = new("--threads") { Description = "Threads; 0 is one a core" };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_maxTokens, _minTokens, _temperature, _topK, _topP, _minP, _penalty, _seed, _stop, _ignoreEos, .. _cacheTypes.All, _weights, _exact, _maxLength, _threads])
            command.Add(option);
    }

    /// <summary>Loads the model as the options say.</summary>
    public Generator Load(ParseResult parse, string folder, ModelTemplates? templates = null) => Generator.Load(
        folder,
        parse.GetValue(_threads),
        new EngineOptions { CacheTypeK = _cacheTypes.Read(parse).Key, CacheTypeV = _cacheTypes.Read(parse).Value, MaxLength = parse.GetValue(_maxLength), QuantizeRows = !parse.GetValue(_exact) },
        parse.GetValue(_weights),
        templates);

    /// <summary>The options of sampling.</summary>
    public SamplingOptions Read(ParseResult parse, SamplingOptions defaults) => defaults with
    {
        MaxTokens = parse.GetValue(_maxTokens),
        MinTokens = parse.GetValue(_minTokens),
        Temperature = parse.GetValue(_temperature) ?? defaults.Temperature,
        TopK = parse.GetValue(_topK) ?? defaults.TopK,
        TopP = parse.GetValue(_topP) ?? defaults.TopP,
        MinP = parse.GetValue(_minP) ?? defaults.MinP,
        RepetitionPenalty = parse.GetValue(_penalty) ?? defaults.RepetitionPenalty,
        Seed = parse.GetValue(_seed),
        Stop = parse.GetValue(_stop)!,
        IgnoreEos = parse.GetValue(_ignoreEos),
    };
}
