using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// A plan bound to memory and threads. Weights and state can be shared with other instances; the arena is this one's own.
/// A step allocates nothing. After an exception inside a kernel the instance refuses further steps.
/// </summary>
public sealed unsafe class CpuInstance : IDisposable
{
    private readonly NativeBuffer _arena;
    private readonly NativeBuffer _state;
    private readonly Dictionary<Value, nint> _pointers = [];
    private readonly Dictionary<Fragment, (Node Node, KernelCall Call)[]> _fragments = [];
    private readonly StepContext _step = new();
    private readonly ThreadTeam _team;
    private string? _failed;

    /// <summary>Binds a plan.</summary>
    /// <param name="plan">What to run.</param>
    /// <param name="team">Threads; no more than the plan's workers.</param>
    /// <param name="bindings">Memory of inputs, parameters or state by name; what is missing is allocated here, zeroed.</param>
    public CpuInstance(Plan plan, ThreadTeam team, IReadOnlyDictionary<string, NativeBuffer>? bindings = null)
    {
        if (team.Workers > plan.Workers) throw new TandemException($"a team of {team.Workers} cannot run a plan for {plan.Workers} workers");
        Plan = plan;
        _team = team;
        _step.Workers = plan.Workers;
        _arena = new NativeBuffer(plan.ArenaBytes);
        var unbound = new List<Value>();
        foreach (Value value in plan.Graph.Values.Where(v => v.Kind != ValueKind.Computed))
        {
            long bytes = plan.Bounds.Bytes(value.Type);
            if (bindings?.GetValueOrDefault(value.Name) is not { } buffer) unbound.Add(value);
            else if (buffer.Bytes < bytes) throw new TandemException($"'{value.Name}' has {buffer.Bytes:N0} bytes, the plan wants {bytes:N0}");
            else _pointers[value] = (nint)buffer.Pointer;
        }

        _state = NativeBuffer.Divide([.. unbound.Select(v => plan.Bounds.Bytes(v.Type))], out NativeBuffer[] parts);
        foreach ((Value value, NativeBuffer part) in unbound.Zip(parts)) _pointers[value] = (nint)part.Pointer;
        foreach (IGrouping<Fragment, Node> fragment in plan.Graph.Nodes.GroupBy(n => n.Fragment))
            _fragments[fragment.Key] = [.. fragment.Select(n => (n, Bind(n)))];
    }

    /// <summary>The plan.</summary>
    public Plan Plan { get; }

    /// <summary>Times every node from now on; null, as at first, times nothing and costs nothing.</summary>
    public ExecutionProfile? Profile { get; set; }

    /// <summary>Memory of an input, parameter, state or output; its type is the value's.</summary>
    public byte* this[Value value] => (byte*)Address(value);

    /// <summary>Memory of the input, parameter or state of that name.</summary>
    public byte* this[string name] => (byte*)Address(Plan.Graph.Find(name));

    /// <summary>Memory of the output of that name.</summary>
    public byte* Output(string name) => (byte*)Address(Plan.Graph.Outputs[name]);

    /// <summary>Runs one fragment over a batch; nothing if the graph has no such fragment.</summary>
    /// <exception cref="TandemException">The batch does not fit the plan, or an earlier step failed.</exception>
    public void Run(Fragment fragment, in BatchView view, StepSizes sizes)
    {
        if (_failed != null) throw new TandemException($"this instance is closed: {_failed} failed in an earlier step");
        Plan.CheckFits(sizes);
        _step.View = view;
        _step.Sizes = sizes;
        foreach ((Node node, KernelCall call) in _fragments.GetValueOrDefault(fragment, []))
        {
            try
            {
                int phases = call.Phases;
                for (int phase = 0; phase < phases; phase++)
                {
                    call.Phase = phase;
                    if (Profile == null) _team.Run(call, call.Items);
                    else Profile.Run(_team, node, call);
                }
            }
            catch (Exception e)
            {
                _failed = node.Name;
                throw new TandemException($"{node.Op.Describe()} ({node.Name}) failed: {e.Message}", e);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _arena.Dispose();
        _state.Dispose();
    }

    private KernelCall Bind(Node node)
    {
        nint[] inputs = [.. node.Inputs.Select(Address)];
        nint[] outputs = [.. node.Outputs.Select(Address)];
        byte* scratch = Plan.ScratchOf(node) is { } slot ? _arena.Pointer + slot.Offset : null;
        return CpuBackend.Bind(new BoundNode(node, _step, inputs, outputs, scratch));
    }

    private nint Address(Value value) =>
        _pointers.TryGetValue(value.Storage, out nint pointer) ? pointer : (nint)(_arena.Pointer + Plan.SlotOf(value)!.Offset);
}
