using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Models;

/// <summary>Qwen3 (Yang et al., 2025): Llama with an RMSNorm over each head of queries and keys, one weight for all heads, before rope.</summary>
public static class Qwen3
{
    /// <summary>The graph from token ids to what the output head reads, [T, H].</summary>
    public static Value Hidden(GraphBuilder g, ModelConfig c, KvPlacement kv) => Llama.Hidden(g, c, kv, (name, x_TQD) =>
        g.ApplyAll(
            new RmsNorm((float)c.NormEps), $"{name}_norm", x_TQD,
            g.Parameter($"{name}_norm.weight", new TensorType(DType.F32, RowSymbol.None, c.HeadDim)))[0]);
}
