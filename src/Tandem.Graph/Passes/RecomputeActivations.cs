namespace Tandem.Graph.Passes;

/// <summary>
/// How much of the forward pass is computed again in the backward pass instead of being kept. The first blocks are chosen before the last: when a block is recomputed,
/// the activations of the blocks behind it are gone already, so its memory is there.
/// </summary>
/// <param name="FullBlocks">Blocks, from the first, of which only what enters them is kept.</param>
/// <param name="CheapBlocks">Blocks after those of which everything but the results of products and attention is recomputed.</param>
public readonly record struct Recomputation(int FullBlocks, int CheapBlocks)
{
    /// <summary>Nothing is recomputed.</summary>
    public static Recomputation None => default;

    /// <summary>Everything inside of blocks is recomputed.</summary>
    public static Recomputation Full => new(int.MaxValue, 0);

    /// <summary>Everything inside of blocks but products and attention is recomputed.</summary>
    public static Recomputation Cheap => new(0, int.MaxValue);

    /// <summary>Number of choices for a model of this many blocks, <see cref="Step"/> 0 to this minus 1.</summary>
    public static int Steps(int numBlocks) => (2 * numBlocks) + 1;

    /// <summary>The choices from the quickest to the one that takes the least memory: cheap for more and more blocks, then full for more and more.</summary>
    public static Recomputation Step(int step, int numBlocks) => step <= numBlocks ? new(0, step) : new(step - numBlocks, (2 * numBlocks) - step);

    internal bool Keeps(Node node) =>
        node.Block < 0 || (node.Block >= FullBlocks && ((long)node.Block >= (long)FullBlocks + CheapBlocks || !node.Op.IsCheapToRepeat));
}

/// <summary>
/// Activation recomputation (Chen et al., 2016): backward nodes that read a forward value which is not kept get a copy of its producer in front of them. The planner does the rest,
/// since the lifetimes of what is not kept end in the forward pass. Copies compute the same bits: ops are deterministic, and random ones are keyed by their logical name.
/// </summary>
public static class RecomputeActivations
{
    /// <summary>Runs the pass on a graph with gradients.</summary>
    public static ModelGraph Run(ModelGraph graph, Recomputation choice)
    {
        if (choice == Recomputation.None) return graph;
        var border = new HashSet<Value>(graph.Outputs.Values);
        foreach (Node node in graph.Nodes.Where(n => n.Stage == Stage.Forward))
            border.UnionWith(node.Inputs.Where(v => v.Producer != null && v.Producer.Block != node.Block));

        var copy = new GraphCopy(graph);
        var again = new Dictionary<Value, Value>();
        foreach (Node node in graph.Nodes)
        {
            if (node.Stage == Stage.Forward) copy.Copy(node);
            else copy.Replace(node, node.Op, [.. node.Inputs.Select(v => Available(v, node.Fragment))]);
        }

        return copy.Finish();

        // The copy of a kept value, or of one computed once more.
        Value Available(Value value, Fragment fragment)
        {
            if (value.Producer is not { Stage: Stage.Forward } producer || border.Contains(value) || value.Storage != value || choice.Keeps(producer)) return copy[value];
            if (again.TryGetValue(value, out Value? known)) return known;
            Value[] inputs = [.. producer.Inputs.Select(v => Available(v, fragment))];
            IReadOnlyList<Value> outputs = copy.Repeat(producer, fragment, inputs);
            for (int i = 0; i < outputs.Count; i++) again[producer.Outputs[i]] = outputs[i];
            return again[value];
        }
    }

    /// <summary>Number of the model's repeated blocks.</summary>
    public static int NumBlocks(ModelGraph graph) => graph.Nodes.Select(n => n.Block + 1).DefaultIfEmpty(0).Max();
}
