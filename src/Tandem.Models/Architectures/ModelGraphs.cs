using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;

namespace Tandem.Models;

/// <summary>The graphs of a model for each role, after the passes of that role.</summary>
public static class ModelGraphs
{
    /// <summary>Name of the output with the logits of the sampled rows, f32[S, V].</summary>
    public const string Logits = "logits";

    /// <summary>Name of the output with the summed loss, f64[1].</summary>
    public const string Loss = "loss";

    /// <summary>Name of the output with each row's loss, f32[T].</summary>
    public const string TokenLosses = "token_losses";

    /// <summary>From tokens to the logits of the sampled rows.</summary>
    /// <param name="config">The model.</param>
    /// <param name="kv">Where keys and values live.</param>
    /// <param name="options">Precision, fusion, what is exposed; null is the default.</param>
    /// <param name="trace">Gets the graph after each pass.</param>
    /// <exception cref="TandemException">There is no such family, or no node of an exposed name.</exception>
    public static ModelGraph Serve(ModelConfig config, KvPlacement kv, GraphOptions? options = null, Action<string, ModelGraph>? trace = null)
    {
        var g = new GraphBuilder($"{config.ModelType} serve");
        ModelFamily family = Family(config);
        Value h_TH = family.Hidden(g, config.WithoutDropout(), kv);
        Value h_SH = g.Apply(new GatherRows(), "sampled", h_TH);
        g.Output(Logits, g.Apply(new Linear(), "lm_head", h_SH, family.Head(g, config)));
        options ??= new GraphOptions();
        foreach (string name in options.Expose)
            g.Output(name, (g.Nodes.FirstOrDefault(n => n.Name == name) ?? throw new TandemException($"the graph of {config.ModelType} has no node '{name}'")).Outputs[0]);
        return Run(g.Build(), ForwardPasses(options), trace);
    }

    /// <summary>From tokens and labels to the loss.</summary>
    public static ModelGraph Evaluate(ModelConfig config, GraphOptions? options = null, Action<string, ModelGraph>? trace = null)
    {
        options ??= new GraphOptions();
        return Run(WithLoss(config.WithoutDropout(), "evaluate", new LinearCrossEntropy(), options), ForwardPasses(options), trace);
    }

    /// <summary>From tokens and labels to gradients and the updated weights, with the config's dropout.</summary>
    /// <exception cref="TandemException">The config asks for dropout of attention probabilities.</exception>
    public static ModelGraph Train(ModelConfig config, TrainingGraph options, Action<string, ModelGraph>? trace = null)
    {
        if (config.AttentionDropout > 0)
            throw new TandemException($"attention_dropout (attn_pdrop in GPT-2's spelling) is {ConfigReader.Show(config.AttentionDropout)}: dropout of attention probabilities is not supported in training; accepted: 0");
        return Run(WithLoss(config, "train", options.Loss, options), TrainingPasses(options), trace);
    }

    // The passes of each role, in order. Fusion is the last: types and order are fixed from there on.
    private static GraphPass[] ForwardPasses(GraphOptions o) =>
    [
        new("set-weight-type", g => SetWeightType.Run(g, name => o.WeightTypes.GetValueOrDefault(name, o.WeightType))),
        new("quantize-activations", g => o.QuantizeRows ? QuantizeActivations.Run(g) : g),
        new("assign-layouts", AssignLayouts.Run),
        new("remove-dead-code", RemoveDeadCode.Run),
        new("fuse-nodes", g => o.Backend == null ? g : FuseNodes.Run(g, o.Backend, o.Fusions)),
    ];

    private static GraphPass[] TrainingPasses(TrainingGraph o) =>
    [
        new("add-gradients", g => AddGradients.Run(g, Loss)),
        new("share-loss-head", ShareLossHead.Run),
        new("recompute-activations", g => RecomputeActivations.Run(g, o.Recomputation)),
        new("set-weight-type", g => SetWeightType.Run(g, o.WeightType)),
        new("assign-layouts", AssignLayouts.Run),
        new("remove-dead-code", RemoveDeadCode.Run),
        new("add-loss-scale", g => o.Update.ScalesLoss ? AddLossScale.Run(g) : g),
        new("add-shard-tree", g => AddShardTree.Run(g, o.LogicalShards)),
        new("add-optimizer", g => AddOptimizer.Run(g, o.Optimizer, o.Update)),
        new("fuse-nodes", g => o.Backend == null ? g : FuseNodes.Run(g, o.Backend, o.Fusions)),
    ];

    private static ModelGraph Run(ModelGraph graph, GraphPass[] passes, Action<string, ModelGraph>? trace)
    {
        trace?.Invoke("build", graph);
        foreach (GraphPass pass in passes)
        {
            graph = pass.Run(graph);
            trace?.Invoke(pass.Name, graph);
        }

        return graph;
    }

    private static ModelFamily Family(ModelConfig config) => ModelFamilies.Get(config.ModelType, "model config");

    private static ModelGraph WithLoss(ModelConfig config, string role, LinearCrossEntropy loss, GraphOptions options)
    {
        var g = new GraphBuilder($"{config.ModelType} {role}");
        Value h_TH = Family(config).Hidden(g, config, new KvPlacement(options.KeyValueType, 0));
        Value labels = g.Input(DecoderInputs.Labels, new TensorType(DType.I32, RowSymbol.Tokens));
        IReadOnlyList<Value> losses = g.ApplyAll(loss, "loss", h_TH, Family(config).Head(g, config), labels);
        g.Output(Loss, losses[0]);
        g.Output(TokenLosses, losses[1]);
        return g.Build();
    }

    private sealed record GraphPass(string Name, Func<ModelGraph, ModelGraph> Run);
}
