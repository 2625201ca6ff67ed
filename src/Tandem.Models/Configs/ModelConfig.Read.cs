using System.Text;

namespace Tandem.Models;

public sealed partial record ModelConfig
{
    private const int MaxFileBytes = 16_000_000;

    private static readonly (string Name, HiddenActivation Value)[] Activations =
    [
        ("silu", HiddenActivation.Silu), ("swish", HiddenActivation.Silu), ("gelu_new", HiddenActivation.GeluTanh),
        ("gelu_pytorch_tanh", HiddenActivation.GeluTanh), ("gelu_fast", HiddenActivation.GeluTanh), ("gelu", HiddenActivation.Gelu),
        ("relu", HiddenActivation.Relu),
    ];

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

    private static ModelConfig Read(ConfigReader reader, string place)
    {
        var modelType = reader.Text("model_type");
        reader.ThrowIfMistaken();
        var family = ModelFamily.Get(modelType, place);
        if (reader.Object("quantization_config") is { } quantization)
            reader.Conflict($"quantization_config: weights stored by method '{quantization.Text("quant_method") ?? "?"}' are not supported; accepted: plain weights");
        var config = family.IsGpt2 ? ReadGpt2(reader, family) : ReadLlamaLike(reader, family);
        reader.ThrowIfMistaken();
        return config;
    }

    private static ModelConfig ReadGpt2(ConfigReader reader, ModelFamily family)
    {
        var hidden = reader.Int("n_embd", 1, MaxSize);
        var heads = reader.Int("n_head", 1, MaxHeads);
        var layers = reader.Int("n_layer", 1, MaxLayers);
        RequireDivisible(reader, "n_embd", hidden, "n_head", heads);
        RequireValue(reader, "scale_attn_weights", true);
        RequireValue(reader, "scale_attn_by_inverse_layer_idx", false);
        RequireValue(reader, "add_cross_attention", false);
        return new()
        {
            ModelType = family.ModelType,
            VocabSize = reader.Int("vocab_size", 1, MaxSize),
            HiddenSize = hidden,
            IntermediateSize = reader.Int("n_inner", 1, MaxSize, (int)Math.Min(4L * hidden, MaxSize)),
            NumLayers = layers,
            NumHeads = heads,
            NumKvHeads = heads,
            HeadDim = Math.Max(1, hidden / heads),
            MaxPositions = reader.Int("n_positions", 1, MaxMaxPositions, family.MaxPositions),
            NormEps = Eps(reader, "layer_norm_epsilon", family),
            Activation = reader.Choice("activation_function", Activations, family.Activation),
            TieWordEmbeddings = reader.Bool("tie_word_embeddings", family.Tied),
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
            LayerWindows = new int[layers],
            BosTokenId = reader.TokenId("bos_token_id"),
            EosTokenIds = reader.TokenIds("eos_token_id"),
            PadTokenId = reader.TokenId("pad_token_id"),
            InitializerRange = reader.Number("initializer_range", 0, 100, 0.02),
            StoredDType = ReadDType(reader),
        };
    }

    private static ModelConfig ReadLlamaLike(ConfigReader reader, ModelFamily family)
    {
        var hidden = reader.Int("hidden_size", 1, MaxSize);
        var heads = reader.Int("num_attention_heads", 1, MaxHeads);
        var layers = reader.Int("num_hidden_layers", 1, MaxLayers);
        var kvHeads = reader.Int("num_key_value_heads", 1, MaxHeads, reader.Has("num_key_value_heads") ? heads : family.KvHeads ?? heads);
        RequireDivisible(reader, "num_attention_heads", heads, "num_key_value_heads", kvHeads);
        var headDim = reader.OptionalInt("head_dim", 1, MaxHeads) ?? (reader.Has("head_dim") ? null : family.HeadDim);
        if (headDim is null)
            RequireDivisible(reader, "hidden_size", hidden, "num_attention_heads", heads);
        var size = headDim ?? Math.Max(1, hidden / heads);
        var maxPositions = reader.Int("max_position_embeddings", 1, MaxMaxPositions, family.MaxPositions);
        var bias = family.ModelType is "llama" or "qwen3" && reader.Bool("attention_bias", false);
        if (family.ModelType == "mistral")
            RequireValue(reader, "attention_bias", false);
        if (!family.HasBiasKeys)
            RequireValue(reader, "mlp_bias", false);
        return new()
        {
            ModelType = family.ModelType,
            VocabSize = reader.Int("vocab_size", 1, MaxSize),
            HiddenSize = hidden,
            IntermediateSize = reader.Int("intermediate_size", 1, MaxSize),
            NumLayers = layers,
            NumHeads = heads,
            NumKvHeads = kvHeads,
            HeadDim = size,
            MaxPositions = maxPositions,
            NormEps = Eps(reader, "rms_norm_eps", family),
            Activation = reader.Choice("hidden_act", Activations, family.Activation),
            TieWordEmbeddings = reader.Bool("tie_word_embeddings", family.Tied),
            QkvBias = bias || family.ModelType == "qwen2",
            OutputBias = bias,
            MlpBias = family.HasBiasKeys && reader.Bool("mlp_bias", false),
            LayerWindows = ReadWindows(reader, family, layers),
            Rope = RopeConfig.Read(reader, size, maxPositions, 10000),
            BosTokenId = reader.TokenId("bos_token_id"),
            EosTokenIds = reader.TokenIds("eos_token_id"),
            PadTokenId = reader.TokenId("pad_token_id"),
            InitializerRange = reader.Number("initializer_range", 0, 100, 0.02),
            StoredDType = ReadDType(reader),
        };
    }

    private static int[] ReadWindows(ConfigReader reader, ModelFamily family, int layers)
    {
        var window = 0;
        var firstWindow = 0;
        if (family.WindowsEverywhere || family.HasWindowSwitch)
            window = reader.Int("sliding_window", 1, MaxMaxPositions, reader.Has("sliding_window") ? 0 : family.Window ?? 0);
        if (family.HasWindowSwitch)
        {
            firstWindow = reader.Int("max_window_layers", 0, 1_000_000, 28);
            if (!reader.Bool("use_sliding_window", false))
                window = 0;
        }

        var windows = new int[layers];
        var types = reader.Texts("layer_types", MaxLayers);
        if (types is null)
        {
            for (var i = firstWindow; i < layers; i++)
                windows[i] = window;
            return windows;
        }

        if (types.Length != layers)
        {
            reader.Conflict($"layer_types has {types.Length} entries; accepted: {layers}, one for each layer of num_hidden_layers");
            return windows;
        }

        for (var i = 0; i < layers; i++)
        {
            var sliding = types[i] == "sliding_attention";
            if (!sliding && types[i] != "full_attention")
                reader.Conflict($"layer_types[{i}]: {CheckpointException.Quote(types[i])}; accepted: full_attention, sliding_attention");
            else if (sliding && window == 0)
                reader.Conflict($"layer_types[{i}]: sliding_attention, but no window is in force (sliding_window, use_sliding_window)");
            else if (sliding)
                windows[i] = window;
        }

        return windows;
    }

    private static double Eps(ConfigReader reader, string key, ModelFamily family) => reader.Number(key, 1e-30, 1, family.NormEps);

    private static DType? ReadDType(ConfigReader reader) => reader.Choice(reader.Has("dtype") ? "dtype" : "torch_dtype", DTypeNames, null);

    private static void RequireDivisible(ConfigReader reader, string key, int value, string divisorKey, int divisor)
    {
        if (value % divisor != 0)
            reader.Conflict($"{key}: {value} is not a multiple of {divisorKey}, {divisor}");
    }

    private static void RequireValue(ConfigReader reader, string key, bool value)
    {
        if (reader.Bool(key, value) != value)
            reader.Mistake(key, value ? "true" : "false");
    }
}
