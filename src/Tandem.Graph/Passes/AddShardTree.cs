using System.Numerics;
using Tandem.Graph.Ops;

namespace Tandem.Graph.Passes;

/// <summary>
/// Adds the fragments that sum the gradients of L logical data shards as a balanced binary tree: one Merge and one Park fragment a level, and log2 L gradients' worth
/// of state for subtrees that wait for their right half. <see cref="StepTable"/> says when each fragment runs. With one shard there is nothing to add.
/// </summary>
public static class AddShardTree
{
    /// <summary>Name of the state in which a weight's gradient of a complete subtree waits.</summary>
    public static string PartialName(int level, string parameter) => $"partial.{level}.{parameter}";

    /// <summary>Runs the pass; after the layouts are assigned, before the optimizer is added.</summary>
    public static ModelGraph Run(ModelGraph graph, int shards)
    {
        StepTable.CheckShards(shards);
        if (shards == 1) return graph;
        var copy = new GraphCopy(graph);
        foreach (Node node in graph.Nodes) copy.Copy(node);
        GraphBuilder builder = copy.Builder;
        builder.CurrentBlock = -1;
        (string Name, Value Gradient)[] trained = [.. AddOptimizer.Trained(graph).Select(t => (t.Parameter.Name, copy[t.Gradient]))];
        int levels = BitOperations.Log2((uint)shards);
        foreach (Stage stage in (Stage[])[Stage.Merge, Stage.Park])
        {
            for (int level = 0; level < levels; level++)
            {
                builder.Fragment = new Fragment(stage, level);
                Value[] pairs = [.. trained.SelectMany(t => (Value[])[t.Gradient, builder.State(PartialName(level, t.Name), t.Gradient.Type)])];
                IReadOnlyList<Value> outputs = builder.ApplyAll(stage == Stage.Merge ? new MergeShards() : new ParkShards(), $"shards.{level}", pairs);
                int step = stage == Stage.Merge ? 1 : 2;
                for (int i = 0; i < trained.Length; i++) trained[i].Gradient = outputs[i * step];
            }
        }

        return copy.Finish();
    }
}
