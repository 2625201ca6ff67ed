namespace Tandem.Models;

/// <summary>The nonlinearity of the feed-forward layers.</summary>
public enum HiddenActivation
{
    /// <summary>x sigmoid(x).</summary>
    Silu,

    /// <summary>GELU in its tanh form.</summary>
    GeluTanh,

    /// <summary>GELU with the error function.</summary>
    Gelu,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>max(x, 0)^2.</summary>
    Relu2,
}

/// <summary>From a config's nonlinearity to the op's.</summary>
public static class HiddenActivations
{
    /// <summary>The op's kind.</summary>
    public static Graph.Ops.ActivationKind Kind(this HiddenActivation activation) => activation switch
    {
        HiddenActivation.Silu => Graph.Ops.ActivationKind.Silu,
        HiddenActivation.GeluTanh => Graph.Ops.ActivationKind.GeluTanh,
        HiddenActivation.Gelu => Graph.Ops.ActivationKind.GeluErf,
        HiddenActivation.Relu => Graph.Ops.ActivationKind.Relu,
        HiddenActivation.Relu2 => Graph.Ops.ActivationKind.Relu2,
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "unknown nonlinearity"),
    };
}

/// <summary>
/// A model's shape and constants, as its <c>config.json</c> gives them in any of the published spellings, with the family's defaults filled in.
/// Read with <see cref="Load"/> or <see cref="Parse(string, string)"/>, which check every value; write with <see cref="ToJson"/>.
/// </summary>
public sealed partial record ModelConfig
{
    /// <summary>The longest context accepted.</summary>
    internal const int MaxMaxPositions = 1 << 27;

    internal const int MaxSize = 1 << 24;
    internal const int MaxLayers = 10_000;
    internal const int MaxHeads = 1 << 16;

    /// <summary>The family, for example <c>llama</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>Rows of the embedding.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the feed-forward layers.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of layers.</summary>
    public required int NumLayers { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int NumHeads { get; init; }

    /// <summary>Number of key/value heads, a divisor of <see cref="NumHeads"/>.</summary>
    public required int NumKvHeads { get; init; }

    /// <summary>Dimensions of a head; need not be hidden / heads.</summary>
    public required int HeadDim { get; init; }

    /// <summary>
    /// The longest context: what the model was made for, or what it was opened for where its rope scales with the length. GPT-2: rows of the position embedding.
    /// </summary>
    public required int MaxPositions { get; init; }

    /// <summary>The constant under the root of the norms.</summary>
    public required double NormEps { get; init; }

    /// <summary>The nonlinearity.</summary>
    public required HiddenActivation Activation { get; init; }

    /// <summary>Whether the output head is the embedding.</summary>
    public required bool TieWordEmbeddings { get; init; }

    /// <summary>Whether the projections to queries, keys and values have biases.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Whether the projection of the attention's output has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether the feed-forward projections have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Per layer, how many keys a position sees, itself included; 0 is all. As long as <see cref="NumLayers"/>.</summary>
    public required IReadOnlyList<int> LayerWindows { get; init; }

    /// <summary>Rotary positions; null for learned positions (GPT-2).</summary>
    public RopeConfig? Rope { get; init; }

    /// <summary>Share of the embeddings' elements dropped in training.</summary>
    public double EmbeddingDropout { get; init; }

    /// <summary>Share of each block's output dropped in training, before it is added to the residual stream.</summary>
    public double ResidualDropout { get; init; }

    /// <summary>Share of attention probabilities dropped in training. Training refuses any but 0; serving does not care.</summary>
    public double AttentionDropout { get; init; }

    /// <summary>The token put before a text, if any.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The tokens that end a text.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The padding token, if any.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Standard deviation of the initial weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>The type the weights were stored in, if it says.</summary>
    public DType? StoredDType { get; init; }

    /// <summary>Query heads that share a key/value head.</summary>
    public int GroupSize => NumHeads / NumKvHeads;

    /// <summary>The same model as it is served and evaluated.</summary>
    public ModelConfig WithoutDropout() => this with { EmbeddingDropout = 0, ResidualDropout = 0, AttentionDropout = 0 };
}
