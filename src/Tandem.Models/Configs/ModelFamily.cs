namespace Tandem.Models;

/// <summary>What the published library assumes for a model family where its config is silent.</summary>
internal sealed record ModelFamily(string ModelType, string Architecture)
{
    private const string Accepted = "gpt2, llama, mistral, qwen2, qwen3";

    /// <summary>All families, in the order of messages.</summary>
    public static IReadOnlyList<ModelFamily> All { get; } =
    [
        new("gpt2", "GPT2LMHeadModel") { Tied = true, MaxPositions = 1024, NormEps = 1e-5, Activation = HiddenActivation.GeluTanh },
        new("llama", "LlamaForCausalLM") { MaxPositions = 2048, HasBiasKeys = true },
        new("mistral", "MistralForCausalLM") { MaxPositions = 131072, KvHeads = 8, Window = 4096, WindowsEverywhere = true },
        new("qwen2", "Qwen2ForCausalLM") { MaxPositions = 32768, KvHeads = 32, Window = 4096, HasWindowSwitch = true },
        new("qwen3", "Qwen3ForCausalLM") { MaxPositions = 32768, KvHeads = 32, HeadDim = 128, Window = 4096, HasWindowSwitch = true },
    ];

    public bool Tied { get; init; }

    public int MaxPositions { get; init; }

    public double NormEps { get; init; } = 1e-6;

    /// <summary>Key/value heads where the key is absent; null is as many as heads.</summary>
    public int? KvHeads { get; init; }

    /// <summary>Head size where the key is absent; null is hidden / heads.</summary>
    public int? HeadDim { get; init; }

    /// <summary>Window where the key is absent.</summary>
    public int? Window { get; init; }

    /// <summary>The window, if any, is on every layer unless <c>layer_types</c> says otherwise.</summary>
    public bool WindowsEverywhere { get; init; }

    /// <summary>The window counts only with <c>use_sliding_window</c>, and from layer <c>max_window_layers</c> on.</summary>
    public bool HasWindowSwitch { get; init; }

    /// <summary>The family knows <c>mlp_bias</c>.</summary>
    public bool HasBiasKeys { get; init; }

    public HiddenActivation Activation { get; init; }

    public bool IsGpt2 => ModelType == "gpt2";

    /// <summary>The family of that name.</summary>
    /// <exception cref="TandemException">It is not supported.</exception>
    public static ModelFamily Get(string? modelType, string place) =>
        All.FirstOrDefault(x => x.ModelType == modelType)
        ?? throw new TandemException(
            modelType is null
                ? $"{place}: model_type is missing; accepted: {Accepted}"
                : $"{place}: model_type {CheckpointException.Quote(modelType)} is not supported; accepted: {Accepted}");
}
