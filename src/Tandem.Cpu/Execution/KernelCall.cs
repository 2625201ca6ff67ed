using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// A node bound to memory: pointers are fixed when an instance is made, sizes are read from the step. A call has phases with a barrier between them,
/// a phase has items that any worker may do in any order. Calls hold no results; everything is in planned memory.
/// </summary>
internal abstract unsafe class KernelCall : ITeamJob
{
    /// <summary>The phase whose items are being done.</summary>
    public int Phase { get; set; }

    /// <summary>Number of phases for this step.</summary>
    public virtual int Phases => 1;

    /// <summary>Number of items of the current <see cref="Phase"/>.</summary>
    public abstract int Items { get; }

    /// <summary>What the current <see cref="Phase"/> does, for profiles, where phases do different things.</summary>
    public virtual string? PartName => null;

    /// <inheritdoc/>
    public abstract void Run(int item, int worker);
}

/// <summary>What changes from step to step; calls of one instance share it.</summary>
internal sealed unsafe class StepContext
{
    /// <summary>Sizes of this step.</summary>
    public StepSizes Sizes;

    /// <summary>The batch.</summary>
    public BatchView View;

    /// <summary>Number of workers that scratch memory was planned for.</summary>
    public int Workers;
}

/// <summary>A node's operands, results and scratch as pointers.</summary>
internal sealed unsafe class BoundNode
{
    private readonly nint[] _inputs;
    private readonly nint[] _outputs;

    public BoundNode(Node node, StepContext step, nint[] inputs, nint[] outputs, byte* scratch)
    {
        Node = node;
        Step = step;
        _inputs = inputs;
        _outputs = outputs;
        Scratch = scratch;
    }

    /// <summary>The node.</summary>
    public Node Node { get; }

    /// <summary>The step's sizes and batch.</summary>
    public StepContext Step { get; }

    /// <summary>Start of the scratch memory.</summary>
    public byte* Scratch { get; }

    /// <summary>Number of operands.</summary>
    public int NumInputs => _inputs.Length;

    /// <summary>Operand <paramref name="i"/> as floats, or null if there is none.</summary>
    public float* In(int i) => i < _inputs.Length ? (float*)_inputs[i] : null;

    /// <summary>Operand <paramref name="i"/> as 32-bit integers.</summary>
    public int* InInts(int i) => (int*)_inputs[i];

    /// <summary>Result <paramref name="i"/> as floats.</summary>
    public float* Out(int i = 0) => (float*)_outputs[i];

    /// <summary>Type of operand <paramref name="i"/>.</summary>
    public TensorType InType(int i) => Node.Inputs[i].Type;

    /// <summary>Type of result <paramref name="i"/>.</summary>
    public TensorType OutType(int i = 0) => Node.Outputs[i].Type;

    /// <summary>Rows of operand 0 in this step.</summary>
    public int Rows => (int)Step.Sizes.Of(Node.Inputs[0].Type.Rows);
}
