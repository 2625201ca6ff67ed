using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>A row call over elements whose loop is chosen, once, by the kind of the activation.</summary>
internal abstract unsafe class ActivationRowCall(BoundNode node, ActivationKind kind) : RowCall(node)
{
    private readonly long _width = node.InType(0).Width;

    protected override void Run(int first, int count, int worker)
    {
        long from = first * _width, n = count * _width;
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

internal sealed unsafe class ActivationCall(BoundNode node) : ActivationRowCall(node, ((Activation)node.Node.Op).Kind)
{
    protected override void Run<TAct>(long first, long count) => Activations.Forward<TAct>(first, count, Bound.In(0), Bound.Out());
}

internal sealed unsafe class ActivationGradCall(BoundNode node) : ActivationRowCall(node, ((ActivationGrad)node.Node.Op).Kind)
{
    protected override void Run<TAct>(long first, long count) => Activations.Backward<TAct>(first, count, Bound.In(1), Bound.In(0), Bound.Out());
}

internal sealed unsafe class GatedActivationCall(BoundNode node) : ActivationRowCall(node, ((GatedActivation)node.Node.Op).Kind)
{
    protected override void Run<TAct>(long first, long count) => Activations.GatedForward<TAct>(first, count, Bound.In(0), Bound.In(1), Bound.Out());
}

internal sealed unsafe class GatedActivationGradCall(BoundNode node) : ActivationRowCall(node, ((GatedActivationGrad)node.Node.Op).Kind)
{
    protected override void Run<TAct>(long first, long count) =>
        Activations.GatedBackward<TAct>(first, count, Bound.In(1), Bound.In(2), Bound.In(0), Bound.Out(0), Bound.Out(1));
}
