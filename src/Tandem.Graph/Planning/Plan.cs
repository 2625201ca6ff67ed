using System.Globalization;
using System.Text;

namespace Tandem.Graph;

/// <summary>What a plan needs to know of the machine that will run it.</summary>
public interface IBackend
{
    /// <summary>Name, as printed.</summary>
    string Name { get; }

    /// <summary>Bytes of scratch memory a node's kernel needs at these bounds.</summary>
    /// <exception cref="GraphException">There is no kernel for the node; the message has its key and the nearest ones.</exception>
    long ScratchBytes(Node node, StepSizes bounds, int workers);

    /// <summary>How a node's kernel can run together with others.</summary>
    Fusible FusibleAs(Node node);
}

/// <summary>What a kernel allows in a <see cref="Ops.Fused"/> op. One that allows anything keeps nothing in its scratch memory from item to item: parts share it.</summary>
[Flags]
public enum Fusible
{
    /// <summary>Runs alone.</summary>
    No = 0,

    /// <summary>Can run beside others that do not depend on it.</summary>
    Beside = 1,

    /// <summary>Writes one result in rectangles that are finished one by one.</summary>
    Tiles = 2,

    /// <summary>Elementwise: can follow over any rectangle.</summary>
    OverTiles = 4,

    /// <summary>Row by row: can run for any range of rows.</summary>
    Rows = 8,
}

/// <summary>Memory of the arena that one or more values occupy one after another.</summary>
public sealed class Slot
{
    internal Slot(string name, long bytes, int first)
    {
        Name = name;
        Bytes = bytes;
        First = Last = first;
    }

    /// <summary>Name of the first value in it.</summary>
    public string Name { get; }

    /// <summary>Size in bytes at the plan's bounds.</summary>
    public long Bytes { get; internal set; }

    /// <summary>Place in the arena.</summary>
    public long Offset { get; internal set; } = -1;

    /// <summary>The node that writes it first.</summary>
    public int First { get; }

    /// <summary>The last node that reads or writes it.</summary>
    public int Last { get; internal set; }
}

/// <summary>
/// A graph compiled for bounds: which memory every value has, before anything runs. Immutable; many instances can run it.
/// Arena memory is shared by values that never live at the same time; parameters and state have memory of their own.
/// </summary>
public sealed class Plan
{
    private readonly Dictionary<Value, Slot> _slots;
    private readonly Dictionary<Node, Slot> _scratch;

    private Plan(ModelGraph graph, StepSizes bounds, int workers, Dictionary<Value, Slot> slots, Dictionary<Node, Slot> scratch)
    {
        Graph = graph;
        Bounds = bounds;
        Workers = workers;
        _slots = slots;
        _scratch = scratch;
        ArenaBytes = AllSlots.Select(s => s.Offset + s.Bytes).DefaultIfEmpty(0).Max();
        ParameterBytes = graph.Parameters.Sum(p => Aligned(bounds.Bytes(p.Type)));
        StateBytes = graph.States.Sum(p => Aligned(bounds.Bytes(p.Type)));
    }

    /// <summary>The graph.</summary>
    public ModelGraph Graph { get; }

    /// <summary>The largest step the plan can run.</summary>
    public StepSizes Bounds { get; }

    /// <summary>Threads that scratch memory was planned for.</summary>
    public int Workers { get; }

    /// <summary>Bytes of activations and scratch at their peak.</summary>
    public long ArenaBytes { get; }

    /// <summary>Bytes of weights.</summary>
    public long ParameterBytes { get; }

    /// <summary>Bytes of gradients, moments, tables.</summary>
    public long StateBytes { get; }

    /// <summary>All bytes an instance takes.</summary>
    public long TotalBytes => ArenaBytes + ParameterBytes + StateBytes;

    /// <summary>The arena's slots, without order.</summary>
    public IEnumerable<Slot> AllSlots => _slots.Values.Concat(_scratch.Values).Distinct();

    /// <summary>The arena slot of a computed value, or null for inputs, parameters and state.</summary>
    public Slot? SlotOf(Value value) => _slots.GetValueOrDefault(value.Storage);

    /// <summary>The arena slot of a node's scratch memory, or null if it needs none.</summary>
    public Slot? ScratchOf(Node node) => _scratch.GetValueOrDefault(node);

    /// <summary>Compiles a graph: finds lifetimes, shares memory, checks itself.</summary>
    /// <exception cref="GraphException">A kernel is missing or a rule is broken.</exception>
    public static Plan Compile(ModelGraph graph, StepSizes bounds, IBackend backend, int workers)
    {
        var slots = new Dictionary<Value, Slot>();
        var scratch = new Dictionary<Node, Slot>();
        Dictionary<Value, int> lastUse = LastUses(graph);
        foreach (Node node in graph.Nodes)
        {
            for (int i = 0; i < node.Outputs.Count; i++)
            {
                Value output = node.Outputs[i];
                if (output.Storage.Kind != ValueKind.Computed) continue;
                int last = Math.Max(node.Id, lastUse.GetValueOrDefault(output.Storage, node.Id));
                Slot? reused = output.Storage == output ? Reusable(node, i, slots, lastUse, bounds) : slots[output.Storage];
                if (reused != null)
                {
                    reused.Last = Math.Max(reused.Last, last);
                    slots[output.Storage] = reused;
                }
                else
                {
                    slots[output] = new Slot(output.Name, Aligned(bounds.Bytes(output.Type)), node.Id) { Last = last };
                }
            }

            long bytes = backend.ScratchBytes(node, bounds, workers);
            if (bytes > 0) scratch[node] = new Slot(node.Name + ".scratch", Aligned(bytes), node.Id);
        }

        Place([.. slots.Values.Concat(scratch.Values).Distinct()]);
        var plan = new Plan(graph, bounds, workers, slots, scratch);
        plan.Verify();
        return plan;
    }

    /// <summary>Checks that everything is written before it is read and that nothing that lives at the same time overlaps.</summary>
    /// <exception cref="GraphException">It does not hold: a bug of a pass or of the planner.</exception>
    public void Verify()
    {
        var written = new HashSet<Value>(Graph.Values.Where(v => v.Kind != ValueKind.Computed));
        Fragment fragment = Stage.Forward;
        foreach (Node node in Graph.Nodes)
        {
            if (node.Fragment.Precedes(fragment)) throw new GraphException($"{node.Name}: fragment {node.Fragment} after {fragment}");
            fragment = node.Fragment;
            foreach (Value input in node.Inputs)
            {
                if (!written.Contains(input)) throw new GraphException($"{node.Name} reads {input} before it is written");
            }

            foreach (Value output in node.Outputs) written.Add(output);
        }

        Slot[] slots = [.. AllSlots.OrderBy(s => s.Offset)];
        for (int i = 0; i < slots.Length; i++)
        {
            for (int j = i + 1; j < slots.Length && slots[j].Offset < slots[i].Offset + slots[i].Bytes; j++)
            {
                if (slots[j].First <= slots[i].Last && slots[i].First <= slots[j].Last)
                    throw new GraphException($"{slots[i].Name} and {slots[j].Name} live at the same time in the same memory");
            }
        }
    }

    /// <summary>Throws unless a step of these sizes fits.</summary>
    public void CheckFits(StepSizes sizes)
    {
        if (sizes.Tokens > Bounds.Tokens || sizes.Sampled > Bounds.Sampled || sizes.KvBlocks > Bounds.KvBlocks || sizes.Segments > Bounds.Segments)
            throw new TandemException($"a step of {sizes} does not fit a plan for {Bounds}");
    }

    /// <summary>Bytes by kind and the largest slots, as text.</summary>
    public string Describe(int largest = 12)
    {
        var text = new StringBuilder();
        void Line(string name, long bytes) => text.AppendLine(CultureInfo.InvariantCulture, $"  {name,-44} {bytes / 1048576.0,12:N1} MiB");
        text.AppendLine(CultureInfo.InvariantCulture, $"plan of {Graph.Name}: {Graph.Nodes.Count} nodes, bounds {Bounds}, {Workers} workers");
        Line("weights", ParameterBytes);
        foreach (IGrouping<string, Value> kind in Graph.States.GroupBy(s => s.Name.Split('.')[0]))
            Line("state: " + kind.Key, kind.Sum(s => Aligned(Bounds.Bytes(s.Type))));
        Line("activations and scratch (arena)", ArenaBytes);
        Line("sum of all arena slots without sharing", AllSlots.Sum(s => s.Bytes));
        Line("peak", TotalBytes);
        text.AppendLine("largest arena slots (offset, first to last node):");
        foreach (Slot slot in AllSlots.OrderByDescending(s => s.Bytes).Take(largest))
            Line($"{slot.Name} [{slot.First}..{slot.Last}] @{slot.Offset}", slot.Bytes);
        return text.ToString();
    }

    private static Dictionary<Value, int> LastUses(ModelGraph graph)
    {
        var last = new Dictionary<Value, int>();
        foreach (Node node in graph.Nodes)
        {
            foreach (Value input in node.Inputs) last[input.Storage] = node.Id;
            foreach (Value output in node.Outputs) last[output.Storage] = node.Id;
        }

        foreach (Value output in graph.Outputs.Values) last[output.Storage] = graph.Nodes.Count;
        return last;
    }

    // An operand's memory (a fused op names an earlier result as well) is taken over only if this node is the last to read it and the sizes are the same.
    private static Slot? Reusable(Node node, int output, Dictionary<Value, Slot> slots, Dictionary<Value, int> lastUse, StepSizes bounds)
    {
        int index = node.Op.ReusableInput(output);
        if (index < 0 || index >= node.Inputs.Count + output) return null;
        Value taken = index < node.Inputs.Count ? node.Inputs[index] : node.Outputs[index - node.Inputs.Count];
        if (!slots.TryGetValue(taken.Storage, out Slot? slot) || lastUse[taken.Storage] != node.Id) return null;
        return slot.Bytes == Aligned(bounds.Bytes(node.Outputs[output].Type)) && slot.Last == node.Id ? slot : null;
    }

    // Largest first, each at the lowest place that no slot living at the same time has taken.
    private static void Place(Slot[] slots)
    {
        var placed = new List<Slot>();
        foreach (Slot slot in slots.OrderByDescending(s => s.Bytes).ThenBy(s => s.First))
        {
            long offset = 0;
            foreach (Slot other in placed)
            {
                if (other.First > slot.Last || slot.First > other.Last) continue;
                if (other.Offset >= offset + slot.Bytes) break;
                offset = Math.Max(offset, other.Offset + other.Bytes);
            }

            slot.Offset = offset;
            int at = placed.FindIndex(s => s.Offset > offset);
            placed.Insert(at < 0 ? placed.Count : at, slot);
        }
    }

    private static long Aligned(long bytes) => (bytes + NativeBuffer.Alignment - 1) & ~(long)(NativeBuffer.Alignment - 1);
}
