namespace Tandem.Graph.Passes;

/// <summary>Adds the backward fragment: gradients of all weights by reverse-mode differentiation of one output.</summary>
public static class AddGradients
{
    /// <summary>Runs the pass.</summary>
    /// <param name="graph">A forward graph.</param>
    /// <param name="loss">Name of the output that is differentiated, a sum over tokens.</param>
    /// <param name="isTrained">Which weights get gradients; null for all.</param>
    public static ModelGraph Run(ModelGraph graph, string loss, Func<Value, bool>? isTrained = null)
    {
        var copy = new GraphCopy(graph);
        foreach (Node node in graph.Nodes) copy.Copy(node);
        GradientBuilder.Backward(copy.Builder, copy[graph.Outputs[loss]], isTrained);
        return copy.Finish();
    }
}
