namespace Tandem.Graph.Passes;

/// <summary>Gives every weight and accumulator the layout that its readers want. A checkpoint never sees it.</summary>
public static class AssignLayouts
{
    /// <summary>Runs the pass.</summary>
    /// <exception cref="GraphException">Two readers want different layouts.</exception>
    public static ModelGraph Run(ModelGraph graph)
    {
        var wanted = new Dictionary<Value, Layout>();
        foreach (Node node in graph.Nodes)
        {
            for (int i = 0; i < node.Inputs.Count; i++)
            {
                Value storage = node.Inputs[i].Storage;
                if (storage.Kind == ValueKind.Computed || node.Op.WantedLayout(i) is not { } layout) continue;
                if (wanted.TryGetValue(storage, out Layout other) && other != layout)
                    throw new GraphException($"{storage} is wanted as {other} and by {node.Name} as {layout}");
                wanted[storage] = layout;
            }
        }

        // A weight and its gradients share one layout, so that the optimizer is one pass over both.
        Dictionary<string, Value> parameters = graph.Parameters.ToDictionary(p => GradientBuilder.AccumulatorName(p.Name));
        foreach (Value state in graph.States)
        {
            if (parameters.TryGetValue(state.Name.Split('#')[0], out Value? parameter) && wanted.TryGetValue(parameter, out Layout layout)) wanted[state] = layout;
        }

        return new GraphCopy(graph, v => wanted.TryGetValue(v, out Layout layout) ? v.Type.With(layout) : v.Type).CopyAll();
    }
}
