using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>A call over elements whose loop is chosen, once, by the kind of the activation.</summary>
internal abstract unsafe class ActivationElementsCall(BoundNode node, ActivationKind kind) : ElementwiseCall(node, node.InType(0).Width)
{
    protected override void Run(long from, long n)
    {
        switch (kind)
        {
            case ActivationKind.Silu: Run<SiluActivation>(from, n); break;
            case ActivationKind.GeluTanh: Run<GeluTanhActivation>(from, n); break;
            case ActivationKind.GeluErf: Run<GeluErfActivation>(from, n); break;
            case ActivationKind.Relu: Run<ReluActivation>(from, n); break;
            case ActivationKind.Relu2: Run<Relu2Activation>(from, n); break;
            default: throw new InvalidOperationException($"a bug: no loop for {kind}");
        }
    }

    protected abstract void Run<TAct>(long first, long count)
        where TAct : struct, IActivation;
}

internal sealed unsafe class ActivationCall(BoundNode node) : ActivationElementsCall(node, ((Activation)node.Node.Op).Kind)
{
    protected override void Run<TAct>(long first, long count) => Activations.Forward<TAct>(first, count, Bound.In(0), Bound.Out());
}

internal sealed unsafe class ActivationGradCall(BoundNode node) : ActivationElementsCall(node, ((ActivationGrad)node.Node.Op).Kind)
{
    protected override void Run<TAct>(long first, long count) => Activations.Backward<TAct>(first, count, Bound.In(1), Bound.In(0), Bound.Out());
}

internal sealed unsafe class GatedActivationCall(BoundNode node) : ActivationElementsCall(node, ((GatedActivation)node.Node.Op).Kind)
{
    protected override void Run<TAct>(long first, long count) => Activations.GatedForward<TAct>(first, count, Bound.In(0), Bound.In(1), Bound.Out());
}

internal sealed unsafe class GatedActivationGradCall(BoundNode node) : ActivationElementsCall(node, ((GatedActivationGrad)node.Node.Op).Kind)
{
    protected override void Run<TAct>(long first, long count) =>
        Activations.GatedBackward<TAct>(first, count, Bound.In(1), Bound.In(2), Bound.In(0), Bound.Out(0), Bound.Out(1));
}
