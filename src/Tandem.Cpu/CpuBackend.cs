using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>The kernels of this processor, by op. A missing one is an error when a plan is compiled.</summary>
public sealed class CpuBackend : IBackend
{
    private static readonly Dictionary<Type, Entry> Entries = new()
    {
        [typeof(Add)] = new(n => new AddCall(n), How: Fusible.OverTiles | Fusible.Rows),
        [typeof(Embedding)] = new(n => new EmbeddingCall(n), How: Fusible.Rows),
        [typeof(Fused)] = new(FusedCalls.Bind, FusedCalls.ScratchBytes),
        [typeof(EmbeddingGrad)] = new(n => new EmbeddingGradCall(n)),
        [typeof(Linear)] = new(n => new LinearCall(n), LinearCall.ScratchBytes, Fusible.Beside | Fusible.Tiles),
        [typeof(LinearInputGrad)] = new(n => new LinearInputGradCall(n), LinearCall.ScratchBytes, Fusible.Beside),
        [typeof(LinearWeightGrad)] = new(n => new LinearWeightGradCall(n), LinearCall.ScratchBytes, Fusible.Beside),
        [typeof(QuantizeRows)] = new(n => new QuantizeRowsCall(n), How: Fusible.Rows),
        [typeof(BiasGrad)] = new(n => new BiasGradCall(n)),
        [typeof(RmsNorm)] = new(n => new RmsNormCall(n), How: Fusible.Rows),
        [typeof(RmsNormGrad)] = new(n => new RmsNormGradCall(n), How: Fusible.Rows),
        [typeof(RmsNormWeightGrad)] = new(n => new RmsNormWeightGradCall(n)),
        [typeof(Rope)] = new(n => new RopeCall(n), How: Fusible.Rows),
        [typeof(KvWrite)] = new(n => new KvWriteCall(n)),
        [typeof(Attention)] = new(n => new AttentionCall(n), AttentionCall.ScratchBytes),
        [typeof(AttentionGrad)] = new(n => new AttentionGradCall(n), AttentionGradCall.ScratchBytes),
        [typeof(AttentionSinkGrad)] = new(n => new AttentionSinkGradCall(n)),
        [typeof(GatedActivation)] = new(n => new GatedActivationCall(n), How: Fusible.OverTiles | Fusible.Rows),
        [typeof(GatedActivationGrad)] = new(n => new GatedActivationGradCall(n), How: Fusible.OverTiles | Fusible.Rows),
        [typeof(LayerNorm)] = new(n => new LayerNormCall(n), How: Fusible.Rows),
        [typeof(LayerNormGrad)] = new(n => new LayerNormGradCall(n), How: Fusible.Rows),
        [typeof(LayerNormWeightGrad)] = new(n => new LayerNormWeightGradCall(n)),
        [typeof(Activation)] = new(n => new ActivationCall(n), How: Fusible.OverTiles | Fusible.Rows),
        [typeof(ActivationGrad)] = new(n => new ActivationGradCall(n), How: Fusible.OverTiles | Fusible.Rows),
        [typeof(SplitColumns)] = new(n => new SplitColumnsCall(n), How: Fusible.Rows),
        [typeof(JoinColumns)] = new(n => new JoinColumnsCall(n), How: Fusible.Rows),
        [typeof(Dropout)] = new(n => new DropoutCall(n), How: Fusible.Rows),
        [typeof(GatherRows)] = new(n => new GatherRowsCall(n)),
        [typeof(LinearCrossEntropy)] = new(n => new LossHeadCall(n), LossHeadCall.ScratchBytes),
        [typeof(LinearCrossEntropyGrad)] = new(n => new LossHeadCall(n), LossHeadCall.ScratchBytes),
        [typeof(SumUses)] = new(n => new ShardCall(n)),
        [typeof(MergeShards)] = new(n => new ShardCall(n)),
        [typeof(ParkShards)] = new(n => new ShardCall(n)),
        [typeof(GlobalNorm)] = new(n => new GlobalNormCall(n), GlobalNormCall.ScratchBytes),
        [typeof(AdamW)] = new(n => new ElementwiseOptimizerCall(n)),
        [typeof(Adam)] = new(n => new ElementwiseOptimizerCall(n)),
        [typeof(Sgd)] = new(n => new ElementwiseOptimizerCall(n)),
        [typeof(Lion)] = new(n => new ElementwiseOptimizerCall(n)),
        [typeof(Adafactor)] = new(n => new AdafactorCall(n), AdafactorCall.ScratchBytes),
        [typeof(Muon)] = new(n => new MuonCall(n), MuonCall.ScratchBytes),
        [typeof(Ema)] = new(n => new EmaCall(n)),
    };

    private CpuBackend()
    {
    }

    /// <summary>The backend.</summary>
    public static CpuBackend Instance { get; } = new();

    /// <inheritdoc/>
    public string Name => "cpu";

    /// <inheritdoc/>
    public long ScratchBytes(Node node, StepSizes bounds, int workers) => Find(node).Scratch?.Invoke(node, bounds, workers) ?? 0;

    /// <inheritdoc/>
    public Fusible FusibleAs(Node node) => Entries.GetValueOrDefault(node.Op.GetType())?.How ?? Fusible.No;

    internal static KernelCall Bind(BoundNode node) => Find(node.Node).Bind(node);

    private static Entry Find(Node node) =>
        Entries.TryGetValue(node.Op.GetType(), out Entry? entry)
            ? entry
            : throw new GraphException($"the cpu backend has no kernel for {node.Op.Describe()} ({node.Name}); it has {string.Join(", ", Entries.Keys.Select(t => t.Name))}");

    private sealed record Entry(Func<BoundNode, KernelCall> Bind, Func<Node, StepSizes, int, long>? Scratch = null, Fusible How = Fusible.No);
}
