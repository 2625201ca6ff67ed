using Tandem.Graph.Ops;

namespace Tandem.Graph.Passes;

/// <summary>
/// Multiplies the gradient of every loss head's logits by an input, so that small gradients do not vanish in narrow types; the update divides by it again.
/// The losses themselves stay as they are.
/// </summary>
public static class AddLossScale
{
    /// <summary>Name of the input, f32[1].</summary>
    public const string LossScale = "loss_scale";

    /// <summary>Runs the pass.</summary>
    public static ModelGraph Run(ModelGraph graph)
    {
        var copy = new GraphCopy(graph);
        Value scale = copy.Builder.Input(LossScale, new TensorType(DType.F32, RowSymbol.None, 1));
        foreach (Node node in graph.Nodes)
        {
            if (node.Op is not LinearCrossEntropyGrad head)
            {
                copy.Copy(node);
                continue;
            }

            copy.Replace(node, head with { ScalesGradient = true }, [.. node.Inputs, scale]);
        }

        return copy.Finish();
    }
}
