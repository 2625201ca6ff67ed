using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>The nodes of a model's graph that compute what the goldens call hidden states. Node names are those of the checkpoint's modules.</summary>
internal sealed class HiddenNodes
{
    // By naming scheme: layers, attention's output, the feed-forward's output, the final norm. The first one that a graph has is its own.
    private static readonly (string Layers, string Attention, string Mlp, string Final)[] Schemes =
    [
        ("model.layers", "self_attn.o_proj", "mlp.down_proj", "model.norm"),
        ("transformer.h", "attn.c_proj", "mlp.c_proj", "transformer.ln_f"),
    ];

    private readonly Dictionary<string, string> _nodes = [];

    private HiddenNodes(ModelConfig config)
    {
        HashSet<string> all = [.. ModelGraphs.Serve(config, new KvPlacement(DType.F32, 1)).Nodes.Select(n => n.Name)];
        (string layers, string attention, string mlp, string final) = Array.Find(Schemes, s => all.Contains(s.Final));
        if (layers == null) return;
        Add(all, "embed", "embed");
        Add(all, "final", final);
        for (int i = 0; i < config.NumLayers; i++)
        {
            Add(all, $"layer.{i}.attn", $"{layers}.{i}.{attention}");
            Add(all, $"layer.{i}.mlp", $"{layers}.{i}.{mlp}");
            Add(all, $"layer.{i}.out", $"{layers}.{i}.mlp.residual");
        }
    }

    /// <summary>The nodes of a model's graph.</summary>
    public static HiddenNodes Of(ModelConfig config) => new(config);

    /// <summary>The node of a hidden state, for example <c>layer.0.attn</c>; null if the graph has none.</summary>
    public string? Find(string state) => _nodes.GetValueOrDefault(state);

    private void Add(HashSet<string> all, string state, string node)
    {
        if (all.Contains(node)) _nodes[state] = node;
    }
}
