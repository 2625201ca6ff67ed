using System.CommandLine;
using System.CommandLine.Parsing;
using Tandem.Graph;

namespace Tandem.Cli;

/// <summary>The options that say in which types keys and values are cached: both, and each by itself.</summary>
internal sealed class CacheTypeOptions
{
    private readonly Option<DType?> _both = Create("--cache-type", "Type of cached keys and values");
    private readonly Option<DType?> _keys = Create("--cache-type-k", "Type of cached keys, where it is another");
    private readonly Option<DType?> _values = Create("--cache-type-v", "Type of cached values, where it is another");

    /// <summary>The options, for a command.</summary>
    public IEnumerable<Option> All => [_both, _keys, _values];

    /// <summary>What was given.</summary>
    public KvTypes Read(ParseResult parse)
    {
        DType both = parse.GetValue(_both) ?? DType.F32;
        return new KvTypes(parse.GetValue(_keys) ?? both, parse.GetValue(_values) ?? both);
    }

    private static Option<DType?> Create(string name, string description) => new(name)
    {
        Description = $"{description}: f32, f16, bf16, q8 (8 bits) or q4 (4 bits)",
        CustomParser = result => Parse(result, name),
    };

    private static DType? Parse(ArgumentResult result, string name)
    {
        string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        if (KvTypes.Find(text) is { } type) return type;
        result.AddError($"{name}: '{text}', wanted f32, f16, bf16, q8 or q4");
        return null;
    }
}
