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
    /// <param name="weightType">Element type of the matrices.</param>
    /// <param name="expose">
    /// Nodes whose first result becomes an output of the same name too, for whoever looks inside: names are those of the checkpoint's modules,
    /// for example <c>model.layers.0.mlp.down_proj</c>.
    /// </param>
    /// <exception cref="TandemException">There is no such family, or no node of an exposed name.</exception>
    public static ModelGraph Serve(ModelConfig config, KvPlacement kv, DType weightType = DType.F32, IEnumerable<string>? expose = null)
    {
        var g = new GraphBuilder($"{config.ModelType} serve");
        ModelFamily family = Family(config);
        Value h_TH = family.Hidden(g, config.WithoutDropout(), kv);
        Value h_SH = g.Apply(new GatherRows(), "sampled", h_TH);
        g.Output(Logits, g.Apply(new Linear(), "lm_head", h_SH, family.Head(g, config)));
        foreach (string name in expose ?? [])
            g.Output(name, (g.Nodes.FirstOrDefault(n => n.Name == name) ?? throw new TandemException($"the graph of {config.ModelType} has no node '{name}'")).Outputs[0]);
        return RunPasses(g.Build(), weightType);
    }

    /// <summary>From tokens and labels to the loss.</summary>
    public static ModelGraph Evaluate(ModelConfig config, DType weightType = DType.F32)
    {
        var g = new GraphBuilder($"{config.ModelType} evaluate");
        AddLoss(g, config.WithoutDropout(), new LinearCrossEntropy());
        return RunPasses(g.Build(), weightType);
    }

    /// <summary>From tokens and labels to gradients and the updated weights, with the config's dropout.</summary>
    /// <exception cref="TandemException">The config asks for dropout of attention probabilities.</exception>
    public static ModelGraph Train(ModelConfig config, LinearCrossEntropy loss, OptimizerOp optimizer, DType weightType = DType.F32, UpdateOptions? update = null)
    {
        if (config.AttentionDropout > 0)
            throw new TandemException($"attention_dropout (attn_pdrop in GPT-2's spelling) is {ConfigReader.Show(config.AttentionDropout)}: dropout of attention probabilities is not supported in training; accepted: 0");
        var g = new GraphBuilder($"{config.ModelType} train");
        GradientBuilder.Backward(g, AddLoss(g, config, loss));
        ModelGraph graph = RunPasses(g.Build(), weightType);
        if (update?.ScalesLoss ?? false) graph = AddLossScale.Run(graph);
        return AddOptimizer.Run(graph, optimizer, update);
    }

    private static ModelFamily Family(ModelConfig config) => ModelFamilies.Get(config.ModelType, "model config");

    private static Value AddLoss(GraphBuilder g, ModelConfig config, LinearCrossEntropy loss)
    {
        Value h_TH = Family(config).Hidden(g, config, KvPlacement.InBatch);
        Value labels = g.Input(DecoderInputs.Labels, new TensorType(DType.I32, RowSymbol.Tokens));
        IReadOnlyList<Value> losses = g.ApplyAll(loss, "loss", h_TH, Family(config).Head(g, config), labels);
        g.Output(Loss, losses[0]);
        g.Output(TokenLosses, losses[1]);
        return losses[0];
    }

    // The one list of passes, in order.
    private static ModelGraph RunPasses(ModelGraph graph, DType weightType) =>
        RemoveDeadCode.Run(AssignLayouts.Run(SetWeightType.Run(ShareLossHead.Run(graph), weightType)));
}
