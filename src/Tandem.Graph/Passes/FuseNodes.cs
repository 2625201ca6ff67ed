using System.Collections.Immutable;
using Tandem.Graph.Ops;

namespace Tandem.Graph.Passes;

/// <summary>Which fusions run; each changes no bit.</summary>
[Flags]
public enum Fusions
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Elementwise work (residual sums, gates and their gradients) in the epilogue of the products before it.</summary>
    Epilogues = 1,

    /// <summary>Row by row work (norms, rope, residual sums) that follows on the same rows, as one.</summary>
    RowChains = 2,

    /// <summary>Products that read the same rows (queries, keys and values; gradients of weights and inputs) as one dispatch.</summary>
    SharedRows = 4,

    /// <summary>All.</summary>
    All = Epilogues | RowChains | SharedRows,
}

/// <summary>
/// Joins nodes into <see cref="Fused"/> ops where the backend's kernels allow it. The last of the passes, since the types of the parts are fixed from here on.
/// Nodes move only as far as everything they read is there before them and nobody reads them before.
/// </summary>
public sealed class FuseNodes
{
    private readonly ModelGraph _graph;
    private readonly IBackend _backend;
    private readonly Dictionary<Node, Group> _groups = [];
    private readonly ILookup<Value, Node> _readers;

    private FuseNodes(ModelGraph graph, IBackend backend)
    {
        _graph = graph;
        _backend = backend;
        _readers = graph.Nodes.SelectMany(n => n.Inputs.Distinct().Select(v => (v, n))).ToLookup(p => p.v, p => p.n);
    }

    /// <summary>Runs the pass.</summary>
    public static ModelGraph Run(ModelGraph graph, IBackend backend, Fusions fusions)
    {
        var pass = new FuseNodes(graph, backend);
        if (fusions.HasFlag(Fusions.Epilogues)) pass.FindEpilogues();
        if (fusions.HasFlag(Fusions.RowChains)) pass.FindRowChains();
        if (fusions.HasFlag(Fusions.SharedRows)) pass.FindSharedRows();
        return pass._groups.Count == 0 ? graph : pass.Build();
    }

    // An elementwise node takes the products it reads to itself, if nobody needs them before it; those of one group must be cut into the same rectangles.
    private void FindEpilogues()
    {
        foreach (Node node in _graph.Nodes.Where(n => Is(n, Fusible.OverTiles)))
        {
            var products = new List<Node>();
            foreach (Value operand in node.Inputs.Distinct())
            {
                if (operand.Producer is { } p && IsFree(p) && p.Fragment == node.Fragment && Is(p, Fusible.Tiles) && SameTiles(p, products) && !ReadBefore(p, node.Id)) products.Add(p);
            }

            if (products.Count > 0) Add(FusionKind.Tiles, node.Id, (Node[])[.. products, node]);
        }
    }

    private static bool SameTiles(Node product, List<Node> others) =>
        others.Count == 0 || (product.Op == others[0].Op && product.Outputs[0].Type == others[0].Outputs[0].Type && product.Inputs[0].Type == others[0].Inputs[0].Type);

    // A chain goes on with a reader of its last member as long as the rest of what that reads is there at the chain's head.
    private void FindRowChains()
    {
        foreach (Node head in _graph.Nodes.Where(n => IsFree(n) && Is(n, Fusible.Rows)))
        {
            var chain = new List<Node> { head };
            while (Next(chain) is { } next) chain.Add(next);
            if (chain.Count > 1) Add(FusionKind.Rows, head.Id, chain);
        }
    }

    private Node? Next(List<Node> chain) =>
        chain[^1].Outputs.SelectMany(v => _readers[v]).FirstOrDefault(n =>
            IsFree(n) && !chain.Contains(n) && Is(n, Fusible.Rows) && n.Fragment == chain[0].Fragment && RowsOf(n) == RowsOf(chain[0])
            && n.Inputs.All(v => chain.Contains(v.Producer!) || IsThere(v, chain[0].Id)));

    // Nodes that read the same first operand run beside the first of them.
    private void FindSharedRows()
    {
        foreach (Node first in _graph.Nodes.Where(n => IsFree(n) && Is(n, Fusible.Beside)))
        {
            Node[] others = [.. _readers[first.Inputs[0]].Where(n =>
                n.Id > first.Id && IsFree(n) && Is(n, Fusible.Beside) && n.Inputs[0] == first.Inputs[0] && n.Fragment == first.Fragment && n.Block == first.Block
                && n.Inputs.All(v => IsThere(v, first.Id)))];
            if (others.Length > 0) Add(FusionKind.Parallel, first.Id, (Node[])[first, .. others]);
        }
    }

    private bool Is(Node node, Fusible how) => _backend.FusibleAs(node).HasFlag(how);

    private bool IsFree(Node node) => !_groups.ContainsKey(node);

    private int PlaceOf(Node node) => _groups.TryGetValue(node, out Group? group) ? group.Place : node.Id;

    private bool IsThere(Value value, int place) => value.Producer == null || PlaceOf(value.Producer) < place;

    private bool ReadBefore(Node node, int place) => node.Outputs.Any(v => _readers[v].Any(n => PlaceOf(n) < place));

    private static RowSymbol RowsOf(Node node) => node.Outputs[0].Type.Rows;

    private void Add(FusionKind kind, int place, IReadOnlyList<Node> members)
    {
        var group = new Group(kind, place, members);
        foreach (Node member in members) _groups.Add(member, group);
    }

    private ModelGraph Build()
    {
        var copy = new GraphCopy(_graph);
        foreach (Node node in _graph.Nodes)
        {
            if (!_groups.TryGetValue(node, out Group? group)) copy.Copy(node);
            else if (group.Place == node.Id) Join(copy, node, group);
        }

        return copy.Finish();
    }

    private static void Join(GraphCopy copy, Node place, Group group)
    {
        Value[] results = [.. group.Members.SelectMany(m => m.Outputs)];
        Value[] operands = [.. group.Members.SelectMany(m => m.Inputs).Distinct().Where(v => !results.Contains(v))];
        var parts = ImmutableArray.CreateBuilder<FusedPart>();
        int first = 0;
        foreach (Node member in group.Members)
        {
            ImmutableArray<int> from = [.. member.Inputs.Select(v => Array.IndexOf(operands, v) is >= 0 and var i ? i : operands.Length + Array.IndexOf(results, v))];
            parts.Add(new FusedPart(member, from, first));
            first += member.Outputs.Count;
        }

        string name = string.Join('+', group.Members.Select(m => m.Name[(m.Name.LastIndexOf('.') + 1)..]));
        string scope = group.Members[0].Name[..(group.Members[0].Name.LastIndexOf('.') + 1)];
        IReadOnlyList<Value> outputs = copy.Insert(place, scope + name, new Fused(group.Kind, parts.ToImmutable(), operands.Length), operands);
        for (int i = 0; i < results.Length; i++) copy[results[i]] = outputs[i];
    }

    private sealed record Group(FusionKind Kind, int Place, IReadOnlyList<Node> Members);
}
