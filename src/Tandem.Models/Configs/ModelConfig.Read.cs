using System.Text;

namespace Tandem.Models;

public sealed partial record ModelConfig
{
    private const int MaxFileBytes = 16_000_000;

    private static readonly (string Name, DType? Value)[] DTypeNames =
    [
        ("float32", DType.F32), ("bfloat16", DType.BF16), ("float16", DType.F16), ("float64", DType.F64), ("torch.float32", DType.F32),
        ("torch.bfloat16", DType.BF16), ("torch.float16", DType.F16), ("auto", null),
    ];

    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <exception cref="TandemException">It cannot be read, is not JSON, names an unsupported family or holds impossible values (all are listed).</exception>
    public static ModelConfig Load(string path)
    {
        using var document = BoundedJson.ReadFile(path, MaxFileBytes);
        return Read(new(document.RootElement, $"'{path}'"), $"'{path}'");
    }

    /// <summary>Reads the text of a <c>config.json</c>; <paramref name="place"/> names it in errors.</summary>
    /// <exception cref="TandemException">As for <see cref="Load"/>.</exception>
    public static ModelConfig Parse(string json, string place = "config.json") => Parse(Encoding.UTF8.GetBytes(json), place);

    /// <summary>Reads the UTF-8 text of a <c>config.json</c>.</summary>
    /// <exception cref="TandemException">As for <see cref="Load"/>.</exception>
    public static ModelConfig Parse(ReadOnlyMemory<byte> utf8, string place = "config.json")
    {
        using var document = BoundedJson.Parse(utf8, place);
        return Read(new(document.RootElement, place), place);
    }

    // The family's own keys, and those that all families share.
    private static ModelConfig Read(ConfigReader reader, string place)
    {
        var modelType = reader.Text("model_type");
        reader.ThrowIfMistaken();
        var family = ModelFamilies.Get(modelType, place);
        if (reader.Object("quantization_config") is { } quantization)
            reader.Conflict($"quantization_config: weights stored by method '{quantization.Text("quant_method") ?? "?"}' are not supported; accepted: plain weights");
        var config = family.ReadConfig(reader) with
        {
            BosTokenId = reader.TokenId("bos_token_id"),
            EosTokenIds = reader.TokenIds("eos_token_id"),
            PadTokenId = reader.TokenId("pad_token_id"),
            InitializerRange = reader.Number("initializer_range", 0, 100, 0.02),
            StoredDType = reader.Choice(reader.Has("dtype") ? "dtype" : "torch_dtype", DTypeNames, null),
        };
        reader.ThrowIfMistaken();
        return config;
    }
}
