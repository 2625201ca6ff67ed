using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;

namespace Tandem.Models;

/// <summary>What the graph of a role depends on besides the model.</summary>
public record GraphOptions
{
    /// <summary>Element type of the matrices.</summary>
    public DType WeightType { get; init; } = DType.F32;

    /// <summary>Element types of matrices that have another than <see cref="WeightType"/>, by name: those of a quantized model.</summary>
    public IReadOnlyDictionary<string, DType> WeightTypes { get; init; } = new Dictionary<string, DType>();

    /// <summary>
    /// Whether rows are quantized to 8 bits for integer products with block-quantized weights. Without it they meet the weights as f32, exactly, and much slower.
    /// </summary>
    public bool QuantizeRows { get; init; } = true;

    /// <summary>
    /// Type that keys and values of the batch's own are rounded to before attention reads them: that of the cache the model is to be served with.
    /// Gradients pass the rounding unchanged.
    /// </summary>
    public DType KeyValueType { get; init; } = DType.F32;

    /// <summary>The machine whose kernels decide what can be fused; null fuses nothing.</summary>
    public IBackend? Backend { get; init; }

    /// <summary>Fusions that are wanted; they change no bit.</summary>
    public Fusions Fusions { get; init; } = Fusions.All;

    /// <summary>
    /// Nodes whose first result becomes an output of the same name too, for whoever looks inside a serving graph: names are those of the checkpoint's modules,
    /// for example <c>model.layers.0.mlp.down_proj</c>.
    /// </summary>
    public IReadOnlyList<string> Expose { get; init; } = [];
}

/// <summary>What a training graph is made of besides the model.</summary>
public sealed record TrainingGraph : GraphOptions
{
    /// <summary>The loss.</summary>
    public LinearCrossEntropy Loss { get; init; } = new();

    /// <summary>The optimizer.</summary>
    public OptimizerOp Optimizer { get; init; } = new AdamW(0.9, 0.95, 1e-8, 0.1);

    /// <summary>Groups of weights, moving averages, scaling of the loss.</summary>
    public UpdateOptions Update { get; init; } = new();

    /// <summary>Logical data shards, a power of two: their gradients are added as a balanced binary tree, whoever computes them.</summary>
    public int LogicalShards { get; init; } = 1;

    /// <summary>Activations that are computed again instead of kept.</summary>
    public Recomputation Recomputation { get; init; }
}
