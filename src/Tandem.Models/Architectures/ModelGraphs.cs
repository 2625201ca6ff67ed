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
    public static ModelGraph Serve(ModelConfig config, KvPlacement kv, DType weightType = DType.F32)
    {
        var g = new GraphBuilder($"{config.ModelType} serve");
        Value h_TH = Family(config).Hidden(g, config, kv);
        Value h_SH = g.Apply(new GatherRows(), "sampled", h_TH);
        g.Output(Logits, g.Apply(new Linear(), "lm_head", h_SH, Family(config).Head(g, config)));
        return RunPasses(g.Build(), weightType);
    }

    /// <summary>From tokens and labels to the loss.</summary>
    public static ModelGraph Evaluate(ModelConfig config, DType weightType = DType.F32)
    {
        var g = new GraphBuilder($"{config.ModelType} evaluate");
        AddLoss(g, config, new LinearCrossEntropy(), DType.F32);
        return RunPasses(g.Build(), weightType);
    }

    /// <summary>From tokens and labels to gradients and the updated weights; keys and values are rounded to <paramref name="kvType"/>.</summary>
    public static ModelGraph Train(ModelConfig config, LinearCrossEntropy loss, AdamW optimizer, DType weightType = DType.F32, DType kvType = DType.F32)
    {
        var g = new GraphBuilder($"{config.ModelType} train");
        GradientBuilder.Backward(g, AddLoss(g, config, loss, kvType));
        return AddAdamW.Run(RunPasses(g.Build(), weightType), optimizer);
    }

    // The table of families. Mistral is Llama with windows, Qwen2 with biases: both come from the config.
    private static (Func<GraphBuilder, ModelConfig, KvPlacement, Value> Hidden, Func<GraphBuilder, ModelConfig, Value> Head) Family(ModelConfig config) => config.ModelType switch
    {
        "llama" or "mistral" or "qwen2" => (Llama.Hidden, Llama.Head),
        "qwen3" => (Qwen3.Hidden, Llama.Head),
        _ => throw new TandemException($"no graph for model_type '{config.ModelType}'; there are llama, mistral, qwen2, qwen3"),
    };

    private static Value AddLoss(GraphBuilder g, ModelConfig config, LinearCrossEntropy loss, DType kvType)
    {
        Value h_TH = Family(config).Hidden(g, config, new KvPlacement(kvType, 0));
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
