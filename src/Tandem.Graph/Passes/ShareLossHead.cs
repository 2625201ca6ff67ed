using Tandem.Graph.Ops;

namespace Tandem.Graph.Passes;

/// <summary>
/// Where a loss head's gradient is computed, the losses come out of it too: readers of the forward op are pointed there and the forward op falls away.
/// The bits are the same, since both run the same chunks.
/// </summary>
public static class ShareLossHead
{
    /// <summary>Runs the pass.</summary>
    public static ModelGraph Run(ModelGraph graph)
    {
        var gradients = graph.Nodes.Where(n => n.Op is LinearCrossEntropyGrad).ToDictionary(n => (n.Inputs[0], n.Inputs[1], n.Inputs[2]));
        var forwards = graph.Nodes.Where(n => n.Op is LinearCrossEntropy).ToHashSet();

        // Only where every reader of the losses comes as an output of the graph: others could stand before the gradient.
        forwards.RemoveWhere(n => !gradients.ContainsKey((n.Inputs[0], n.Inputs[1], n.Inputs[2])) || graph.Nodes.Any(m => m.Inputs.Intersect(n.Outputs).Any()));
        var copy = new GraphCopy(graph);
        foreach (Node node in graph.Nodes)
        {
            if (!forwards.Contains(node)) copy.Copy(node);
        }

        foreach (Node node in forwards)
        {
            Node gradient = gradients[(node.Inputs[0], node.Inputs[1], node.Inputs[2])];
            for (int i = 0; i < node.Outputs.Count; i++) copy[node.Outputs[i]] = copy[gradient.Outputs[i + 1]];
        }

        return copy.Finish();
    }
}
