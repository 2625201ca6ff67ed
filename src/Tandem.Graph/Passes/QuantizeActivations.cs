using Tandem.Graph.Ops;

namespace Tandem.Graph.Passes;

/// <summary>
/// Puts <see cref="QuantizeRows"/> before the products of block-quantized weights, once for all that read the same rows, where the backend has an integer product for the
/// type. Without this pass the same products meet f32 rows, exactly.
/// </summary>
public static class QuantizeActivations
{
    /// <summary>Runs the pass.</summary>
    public static ModelGraph Run(ModelGraph graph)
    {
        if (!graph.Nodes.Any(n => TypeFor(n) != null)) return graph;
        var copy = new GraphCopy(graph);
        var quantized = new Dictionary<(Value Rows, DType Type), Value>();
        foreach (Node node in graph.Nodes)
        {
            if (TypeFor(node) is not { } type)
            {
                copy.Copy(node);
                continue;
            }

            Value x = node.Inputs[0];
            if (!quantized.TryGetValue((x, type), out Value? rows))
                quantized.Add((x, type), rows = copy.Insert(node, $"{x.Producer?.Name ?? x.Name}.{type.Name()}", new QuantizeRows(type), [x])[0]);
            copy.Replace(node, node.Op, [rows, .. node.Inputs.Skip(1)]);
        }

        return copy.Finish();
    }

    private static DType? TypeFor(Node node) => node.Op is Linear && node.Inputs[0].Type.DType == DType.F32 ? QuantizeRows.TypeFor(node.Inputs[1].Type.DType) : null;
}
