using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Xunit;

namespace Tandem.Graph.Tests;

/// <summary>Memory planning and the passes on small graphs, with a backend that needs a little scratch for every node.</summary>
public sealed class PlanTests
{
    private static readonly StepSizes Bounds = StepSizes.ForTraining(64, 4);

    [Fact]
    public void A_chain_of_in_place_ops_needs_one_buffer()
    {
        var g = new GraphBuilder("chain");
        Value x = g.Input("x", new TensorType(DType.F32, RowSymbol.Tokens, 32));
        Value y = g.Apply(new Add(), "first", x, x);
        for (int i = 0; i < 10; i++) y = g.Apply(new Add(), $"add{i}", y, x);
        g.Output("y", y);
        var plan = Plan.Compile(g.Build(), Bounds, new Backend(scratch: 0), workers: 2);
        Assert.Equal(64 * 32 * 4, plan.ArenaBytes);
    }

    [Fact]
    public void A_value_that_is_read_later_keeps_its_memory()
    {
        var g = new GraphBuilder("keep");
        Value x = g.Input("x", new TensorType(DType.F32, RowSymbol.Tokens, 32));
        Value a = g.Apply(new Add(), "a", x, x);
        Value b = g.Apply(new Add(), "b", a, x);
        g.Output("c", g.Apply(new Add(), "c", b, a));
        ModelGraph graph = g.Build();
        var plan = Plan.Compile(graph, Bounds, new Backend(scratch: 0), workers: 1);
        Assert.NotSame(plan.SlotOf(graph.Nodes[0].Outputs[0]), plan.SlotOf(graph.Nodes[1].Outputs[0]));
        Assert.Equal(2 * 64 * 32 * 4, plan.ArenaBytes);
    }

    [Fact]
    public void Values_that_never_live_together_share_memory_and_the_plan_checks_itself()
    {
        var g = new GraphBuilder("share");
        Value x = g.Input("x", new TensorType(DType.F32, RowSymbol.Tokens, 32));
        for (int i = 0; i < 5; i++)
        {
            Value w = g.Parameter($"w{i}", new TensorType(DType.F32, RowSymbol.None, 32, 32));
            x = g.Apply(new Linear(), $"linear{i}", x, w);
        }

        g.Output("x", x);
        var plan = Plan.Compile(AssignLayouts.Run(g.Build()), Bounds, new Backend(scratch: 100), workers: 2);
        Assert.Equal((2 * 64 * 32 * 4) + 128, plan.ArenaBytes);
        Assert.Equal(5 * 32 * 32 * 4, plan.ParameterBytes);
        Assert.All(plan.Graph.Parameters, p => Assert.Equal(Layout.Panel16, p.Type.Layout));
        plan.Verify();
    }

    [Fact]
    public void Dead_nodes_fall_away_and_those_that_change_state_stay()
    {
        var g = new GraphBuilder("dead");
        Value x = g.Input("x", new TensorType(DType.F32, RowSymbol.Tokens, 8));
        Value w = g.Parameter("w", new TensorType(DType.F32, RowSymbol.None, 8, 8));
        Value acc = g.State("grad.w", new TensorType(DType.F32, RowSymbol.None, 8, 8));
        Value y = g.Apply(new Linear(), "used", x, w);
        g.Apply(new Add(), "dead", y, x);
        g.Apply(new LinearWeightGrad(), "dw", y, x, acc);
        ModelGraph graph = RemoveDeadCode.Run(g.Build());
        Assert.Equal(["used", "dw"], graph.Nodes.Select(n => n.Name));
    }

    [Fact]
    public void A_step_that_is_too_large_and_operands_that_do_not_fit_are_refused()
    {
        var g = new GraphBuilder("bad");
        Value x = g.Input("x", new TensorType(DType.F32, RowSymbol.Tokens, 8));
        Value w = g.Parameter("w", new TensorType(DType.F32, RowSymbol.None, 4, 9));
        GraphException error = Assert.Throws<GraphException>(() => g.Apply(new Linear(), "q_proj", x, w));
        Assert.Contains("q_proj", error.Message, StringComparison.Ordinal);
        Assert.Contains("[4,9]", error.Message, StringComparison.Ordinal);
        g.Output("y", g.Apply(new Add(), "y", x, x));
        var plan = Plan.Compile(g.Build(), Bounds, new Backend(0), workers: 1);
        Assert.Throws<TandemException>(() => plan.CheckFits(Bounds with { Tokens = 65 }));
    }

    private sealed class Backend(long scratch) : IBackend
    {
        public string Name => "test";

        public long ScratchBytes(Node node, StepSizes bounds, int workers) => scratch;

        public Fusible FusibleAs(Node node) => Fusible.No;
    }
}
