using Tandem.Graph.Ops;

namespace Tandem.Graph.Passes;

/// <summary>What a step does after the gradients, besides the optimizer itself.</summary>
public sealed record UpdateOptions
{
    /// <summary>Groups of weights with options of their own.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; init; } = ParameterGroup.Default;

    /// <summary>Moving averages of the weights; null keeps none.</summary>
    public Ema? Ema { get; init; }

    /// <summary>Whether the loss head multiplies its gradient by the input <see cref="AddLossScale.LossScale"/>.</summary>
    public bool ScalesLoss { get; init; }
}

/// <summary>
/// Adds the global norm and the optimizer behind a training graph: every weight with an accumulator gets states <c>optim.KIND.NAME</c>, a master copy
/// <c>master.NAME</c> if it is narrow, a moving average <c>ema.NAME</c> if wanted, and an update in place.
/// </summary>
public static class AddOptimizer
{
    /// <summary>Name of the input with the hyper-parameters of a step.</summary>
    public const string Hyper = "hyper";

    /// <summary>Name of the output with the sum of squares of all gradients.</summary>
    public const string SquaredNorm = "squared_norm";

    /// <summary>Name of the output with the index of the first gradient that is not finite.</summary>
    public const string FirstBad = "first_bad";

    /// <summary>Runs the pass.</summary>
    /// <param name="graph">A graph with gradients.</param>
    /// <param name="optimizer">The optimizer; groups change its decay and learning rate.</param>
    /// <param name="options">Groups and averages; null is the default.</param>
    public static ModelGraph Run(ModelGraph graph, OptimizerOp optimizer, UpdateOptions? options = null)
    {
        options ??= new UpdateOptions();
        var copy = new GraphCopy(graph);
        foreach (Node node in graph.Nodes) copy.Copy(node);
        GraphBuilder builder = copy.Builder;

        (Value Parameter, Value Gradient)[] trained = [.. Trained(graph)];
        builder.Fragment = Stage.Reduce;
        builder.CurrentBlock = -1;
        IReadOnlyList<Value> norm = builder.ApplyAll(new GlobalNorm(), "optimizer.norm", [.. trained.Select(t => copy[t.Gradient])]);
        builder.Output(SquaredNorm, norm[0]);
        builder.Output(FirstBad, norm[1]);

        builder.Fragment = Stage.Update;
        Value hyper = builder.Input(Hyper, OptimizerOp.HyperType);
        var averaged = new List<Value> { hyper };
        HashSet<Value> tokenTables = TokenTables(graph);
        foreach ((string name, OptimizerOp op, List<(Value Parameter, Value Gradient)> weights) in Nodes(trained, optimizer, options.Groups, tokenTables))
        {
            var operands = new List<Value> { hyper };
            foreach ((Value parameter, Value gradient) in weights)
            {
                Value weight = copy[parameter];
                operands.AddRange([weight, copy[gradient]]);
                foreach (OptimizerState state in op.StatesOf(weight.Type)) operands.Add(builder.State(StateName(state.Kind, weight.Name), state.Type));
                if (op.KeepsMaster(weight.Type)) operands.Add(builder.State(MasterName(weight.Name), weight.Type.With(DType.F32)));
            }

            IReadOnlyList<Value> updated = builder.ApplyAll(op, name, [.. operands]);
            if (options.Ema == null) continue;
            int stride = updated.Count / weights.Count;
            for (int i = 0; i < weights.Count; i++)
            {
                Value parameter = weights[i].Parameter;
                Value source = op.KeepsMaster(parameter.Type) ? updated[(i * stride) + stride - 1] : updated[i * stride];
                averaged.AddRange([source, builder.State(AverageName(parameter.Name), source.Type.With(DType.F32))]);
            }
        }

        if (averaged.Count > 1) builder.ApplyAll(options.Ema!, "optimizer.ema", [.. averaged]);
        return copy.Finish();
    }

    /// <summary>Name of an optimizer's state of a weight.</summary>
    public static string StateName(string kind, string parameter) => $"optim.{kind}.{parameter}";

    /// <summary>Name of the f32 copy of a narrow weight.</summary>
    public static string MasterName(string parameter) => "master." + parameter;

    /// <summary>Name of the moving average of a weight.</summary>
    public static string AverageName(string parameter) => "ema." + parameter;

    /// <summary>Whether a state must be in a checkpoint, besides the weights, so that training goes on with the same bits.</summary>
    public static bool IsSaved(Value state) =>
        state.Name.StartsWith("optim.", StringComparison.Ordinal) || state.Name.StartsWith("master.", StringComparison.Ordinal) || state.Name.StartsWith("ema.", StringComparison.Ordinal);

    /// <summary>The weights that have gradients, with the accumulator's last version, in order of declaration.</summary>
    public static IEnumerable<(Value Parameter, Value Gradient)> Trained(ModelGraph graph)
    {
        var accumulators = new Dictionary<string, Value>();
        foreach (Value value in graph.Values)
            if (value.Storage.Kind == ValueKind.State) accumulators[value.Storage.Name] = value;
        foreach (Value parameter in graph.Parameters)
            if (accumulators.TryGetValue(GradientBuilder.AccumulatorName(parameter.Name), out Value? last)) yield return (parameter, last);
    }

    // Weights with equal options in one node, where the optimizer takes several.
    private static List<(string Name, OptimizerOp Op, List<(Value Parameter, Value Gradient)> Weights)> Nodes(
        IEnumerable<(Value Parameter, Value Gradient)> trained, OptimizerOp optimizer, IReadOnlyList<ParameterGroup> groups, HashSet<Value> tokenTables)
    {
        var nodes = new List<(string Name, OptimizerOp Op, List<(Value Parameter, Value Gradient)> Weights)>();
        foreach ((Value Parameter, Value Gradient) weight in trained)
        {
            ParameterGroup? group = groups.FirstOrDefault(g => g.Has(weight.Parameter));
            OptimizerOp op = optimizer.For(weight.Parameter.Type, tokenTables.Contains(weight.Parameter));
            if (group != null) op = op with { WeightDecay = group.WeightDecay ?? op.WeightDecay, LearningRateFactor = op.LearningRateFactor * group.LearningRateFactor };
            DType dtype = weight.Parameter.Type.DType;
            int at = op.TakesSeveral ? nodes.FindIndex(n => n.Op.Equals(op) && n.Weights[0].Parameter.Type.DType == dtype) : -1;
            if (at >= 0) nodes[at].Weights.Add(weight);
            else nodes.Add((op.TakesSeveral ? $"optimizer.{group?.Name ?? "weights"}.{dtype.Name()}" : "optimizer." + weight.Parameter.Name, op, [weight]));
        }

        return nodes;
    }

    // Embeddings and output heads: a row a token.
    private static HashSet<Value> TokenTables(ModelGraph graph)
    {
        var tables = new HashSet<Value>();
        foreach (Node node in graph.Nodes)
        {
            if (node.Op is Embedding) tables.Add(node.Inputs[0]);
            else if (node.Op is LinearCrossEntropy or LinearCrossEntropyGrad) tables.Add(node.Inputs[1]);
        }

        return tables;
    }
}
