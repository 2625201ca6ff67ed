using Tandem.Graph.Ops;

namespace Tandem.Graph.Passes;

/// <summary>Adds the global norm and the optimizer behind a training graph: every weight with an accumulator gets moments and an update in place.</summary>
public static class AddAdamW
{
    /// <summary>Name of the input with the hyper-parameters of a step.</summary>
    public const string Hyper = "hyper";

    /// <summary>Name of the output with the sum of squares of all gradients.</summary>
    public const string SquaredNorm = "squared_norm";

    /// <summary>Name of the output with the index of the first gradient that is not finite.</summary>
    public const string FirstBad = "first_bad";

    /// <summary>Runs the pass.</summary>
    /// <param name="graph">A graph with gradients.</param>
    /// <param name="op">Coefficients; the weight decay holds for matrices only.</param>
    public static ModelGraph Run(ModelGraph graph, AdamW op)
    {
        var copy = new GraphCopy(graph);
        foreach (Node node in graph.Nodes) copy.Copy(node);
        GraphBuilder builder = copy.Builder;

        (Value Parameter, Value Gradient)[] trained = Trained(graph).Select(t => (copy[t.Parameter], copy[t.Gradient])).ToArray();
        builder.Fragment = Stage.Reduce;
        builder.CurrentBlock = -1;
        IReadOnlyList<Value> norm = builder.ApplyAll(new GlobalNorm(), "optimizer.norm", [.. trained.Select(t => t.Gradient)]);
        builder.Output(SquaredNorm, norm[0]);
        builder.Output(FirstBad, norm[1]);

        builder.Fragment = Stage.Update;
        Value hyper = builder.Input(Hyper, AdamW.HyperType);
        foreach (bool isMatrix in (bool[])[true, false])
        {
            var operands = new List<Value> { hyper };
            foreach ((Value parameter, Value gradient) in trained.Where(t => t.Parameter.Type.Dims.Length > 1 == isMatrix))
            {
                TensorType moment = gradient.Type;
                operands.AddRange([parameter, gradient, builder.State("adam.m." + parameter.Name, moment), builder.State("adam.v." + parameter.Name, moment)]);
            }

            AdamW group = isMatrix ? op : op with { WeightDecay = 0 };
            if (operands.Count > 1) builder.ApplyAll(group, isMatrix ? "optimizer.matrices" : "optimizer.vectors", [.. operands]);
        }

        return copy.Finish();
    }

    /// <summary>The weights that have gradients, with the accumulator's last version, in order of declaration.</summary>
    public static IEnumerable<(Value Parameter, Value Gradient)> Trained(ModelGraph graph)
    {
        foreach (Value parameter in graph.Parameters)
        {
            Value? last = graph.Values.LastOrDefault(v => v.Storage.Kind == ValueKind.State && v.Storage.Name == GradientBuilder.AccumulatorName(parameter.Name));
            if (last != null) yield return (parameter, last);
        }
    }
}
