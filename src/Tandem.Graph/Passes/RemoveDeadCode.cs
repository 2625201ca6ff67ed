namespace Tandem.Graph.Passes;

/// <summary>Leaves out nodes whose results nobody reads and which change no state.</summary>
public static class RemoveDeadCode
{
    /// <summary>Runs the pass.</summary>
    public static ModelGraph Run(ModelGraph graph)
    {
        var live = new HashSet<Value>(graph.Outputs.Values);
        var kept = new HashSet<Node>();
        for (int i = graph.Nodes.Count - 1; i >= 0; i--)
        {
            Node node = graph.Nodes[i];
            bool changesState = node.Outputs.Any(v => v.Storage.Kind is ValueKind.State or ValueKind.Parameter);
            if (!changesState && !node.Outputs.Any(live.Contains)) continue;
            kept.Add(node);
            foreach (Value input in node.Inputs) live.Add(input);
        }

        return new GraphCopy(graph).CopyAll(kept.Contains);
    }
}
