namespace Tandem.Graph;

/// <summary>
/// Reverse-mode differentiation: walks the nodes backwards and asks each op for its gradients as further nodes.
/// A value that is read several times has its contributions chained in that backward order; weights accumulate into state that lives across microbatches.
/// </summary>
public sealed class GradientBuilder
{
    private readonly Dictionary<Value, Value> _gradients = [];
    private readonly Dictionary<Value, List<Value>> _accumulators = [];
    private readonly List<Value> _parameters = [];
    private readonly Func<Value, bool> _isTrained;
    private readonly HashSet<Value> _needed = [];

    private GradientBuilder(GraphBuilder graph, Func<Value, bool> isTrained)
    {
        Graph = graph;
        _isTrained = isTrained;
    }

    /// <summary>Where nodes are added.</summary>
    public GraphBuilder Graph { get; }

    /// <summary>Name of a weight's gradient accumulator.</summary>
    public static string AccumulatorName(string parameter) => "grad." + parameter;

    /// <summary>Whether a state accumulates a weight's gradient: that of its first use, or of another.</summary>
    public static bool IsAccumulator(string state, string parameter) =>
        state == AccumulatorName(parameter) || state.StartsWith(AccumulatorName(parameter) + "#", StringComparison.Ordinal);

    /// <summary>
    /// Adds the backward nodes of everything <paramref name="loss"/> depends on. The loss is a sum; its own gradient is 1.
    /// </summary>
    /// <param name="graph">The builder that holds the forward nodes.</param>
    /// <param name="loss">The summed loss, or any value produced by an op whose gradient ignores its output's (a loss head).</param>
    /// <param name="isTrained">Which weights get gradients; null for all.</param>
    /// <returns>The trained weights and their accumulators after this microbatch, in order of declaration of the weights.</returns>
    public static IReadOnlyList<(Value Parameter, Value Gradient)> Backward(GraphBuilder graph, Value loss, Func<Value, bool>? isTrained = null)
    {
        var builder = new GradientBuilder(graph, isTrained ?? (_ => true));
        Node[] forward = graph.Nodes.ToArray();
        builder.MarkNeeded(forward);
        (Fragment fragment, int block) = (graph.Fragment, graph.CurrentBlock);
        graph.Fragment = Stage.Backward;
        builder._gradients[loss] = loss;
        for (int i = forward.Length - 1; i >= 0; i--)
        {
            Node node = forward[i];
            graph.CurrentBlock = node.Block;
            if (node.Outputs.Any(builder._gradients.ContainsKey) && node.Inputs.Any(builder.Needs)) node.Op.Gradient(node, builder);
        }

        graph.Fragment = Stage.Close;
        graph.CurrentBlock = -1;
        foreach (Value parameter in builder._parameters) builder.SumUses(parameter);
        (graph.Fragment, graph.CurrentBlock) = (fragment, block);
        return builder._parameters.OrderBy(p => p.Id).Select(p => (p, builder._accumulators[p][0])).ToArray();
    }

    /// <summary>Whether anybody wants the gradient of this operand.</summary>
    public bool Needs(Value value) => value.Kind == ValueKind.Parameter ? _isTrained(value) : _needed.Contains(value);

    /// <summary>The gradient that has reached a result, or null if none has.</summary>
    public Value? Of(Value output) => _gradients.GetValueOrDefault(output);

    /// <summary>
    /// Adds a contribution to an operand's gradient. <paramref name="contribution"/> gets what came before (null at first) and gives the sum:
    /// an op that can continue a chain of additions does, another adds.
    /// </summary>
    public void Accumulate(Value input, Func<Value?, Value> contribution)
    {
        if (!Needs(input)) return;
        _gradients[input] = contribution(_gradients.GetValueOrDefault(input));
    }

    /// <summary>Adds a finished contribution to an operand's gradient with an elementwise sum.</summary>
    public void Add(Value input, string name, Value contribution) =>
        Accumulate(input, soFar => soFar == null ? contribution : Graph.Apply(new Ops.Add(), name + ".sum", soFar, contribution));

    /// <summary>
    /// Continues a weight's accumulator: <paramref name="contribution"/> gets the accumulator so far and gives the next. Each use of a weight has one of its own; they are added,
    /// in the order in which the backward pass meets them, when a shard ends.
    /// </summary>
    public void AccumulateParameter(Value parameter, Func<Value, Value> contribution)
    {
        if (!Needs(parameter)) return;
        if (!_accumulators.TryGetValue(parameter, out List<Value>? uses))
        {
            _parameters.Add(parameter);
            _accumulators[parameter] = uses = [];
        }

        string name = AccumulatorName(parameter.Name) + (uses.Count == 0 ? "" : $"#{uses.Count}");
        uses.Add(contribution(Graph.State(name, parameter.Type.With(DType.F32))));
    }

    private void SumUses(Value parameter)
    {
        List<Value> uses = _accumulators[parameter];
        foreach (Value other in uses[1..]) uses[0] = Graph.Apply(new Ops.SumUses(), parameter.Name + ".uses", uses[0], other);
    }

    private void MarkNeeded(Node[] forward)
    {
        foreach (Node node in forward)
        {
            if (!node.Inputs.Any(Needs)) continue;
            foreach (Value output in node.Outputs) _needed.Add(output);
        }
    }
}
