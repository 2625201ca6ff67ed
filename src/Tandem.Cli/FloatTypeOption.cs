using System.CommandLine;
using System.CommandLine.Parsing;

namespace Tandem.Cli;

/// <summary>Options whose value is f32, bf16 or f16.</summary>
internal static class FloatTypeOption
{
    private static readonly Dictionary<string, DType> Types = new() { ["f32"] = DType.F32, ["bf16"] = DType.BF16, ["f16"] = DType.F16 };

    /// <summary>An option that is f32 where it is not given.</summary>
    public static Option<DType> Create(string name, string description) => new(name)
    {
        Description = description + ": f32, bf16 or f16",
        DefaultValueFactory = _ => DType.F32,
        CustomParser = result => Parse(result, name),
    };

    /// <summary>An option that is null where it is not given.</summary>
    public static Option<DType?> CreateOptional(string name, string description) => new(name)
    {
        Description = description,
        CustomParser = result => Parse(result, name),
    };

    /// <summary>The type of that name.</summary>
    public static DType Parse(string text, string option) =>
        Types.TryGetValue(text, out DType type) ? type : throw new TandemException($"{option} {text}; accepted: {string.Join(", ", Types.Keys)}");

    private static DType Parse(ArgumentResult result, string name)
    {
        string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        if (Types.TryGetValue(text, out DType type)) return type;
        result.AddError($"{name}: '{text}', wanted {string.Join(", ", Types.Keys)}");
        return DType.F32;
    }
}
