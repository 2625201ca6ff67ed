using System.Numerics;
using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>Collects weights that are NaN or infinite while they are loaded: a model that has some is damaged, whatever it would answer.</summary>
internal sealed class DamagedWeights
{
    private const uint Exponent = 0x7F80_0000, Step = 0x0080_0000, Carry = 0x8000_0000;

    private readonly Lock _gate = new();
    private readonly Dictionary<StoredTensor, Found> _found = [];

    /// <summary>Looks at a run of elements.</summary>
    /// <param name="tensor">Their tensor.</param>
    /// <param name="first">The first one's place in it.</param>
    /// <param name="values">The elements.</param>
    public void Check(StoredTensor tensor, long first, ReadOnlySpan<float> values)
    {
        if (AllFinite(values)) return;
        long count = 0, place = -1;
        for (int i = 0; i < values.Length; i++)
        {
            if (float.IsFinite(values[i])) continue;
            if (count++ == 0) place = first + i;
        }

        Add(tensor, count, place);
    }

    /// <summary>Looks at the scales of a row of blocks.</summary>
    /// <param name="tensor">Their tensor.</param>
    /// <param name="row">The row.</param>
    /// <param name="blocks">The row as stored.</param>
    public void CheckRow(StoredTensor tensor, long row, ReadOnlySpan<byte> blocks)
    {
        DType type = tensor.BlockType!.Value;
        int count = BlockScales.CountNotFinite(type, blocks, out int first);
        if (count > 0) Add(tensor, count, (row * (blocks.Length / type.BlockBytes())) + first);
    }

    /// <summary>Refuses the model if anything was found.</summary>
    /// <exception cref="TandemException">Something was.</exception>
    public void ThrowIfAny()
    {
        if (_found.Count == 0) return;
        (StoredTensor tensor, Found found) = _found.OrderBy(f => f.Key.Name, StringComparer.Ordinal).First();
        bool isBlocks = tensor.BlockType != null;
        string what = isBlocks
            ? $"{found.Count:N0} of {tensor.Shape.Count / tensor.BlockType!.Value.BlockElements():N0} blocks of {tensor.BlockType.Value.Name()} have a scale that is NaN or infinite, the first is block {found.First:N0}"
            : $"{found.Count:N0} of {tensor.Shape.Count:N0} elements ({tensor.Type.Name()}) are NaN or infinite, the first is element {found.First:N0}";
        string more = _found.Count > 1 ? $"; so have {_found.Count - 1} more tensors" : "";
        throw new TandemException($"tensor {CheckpointException.Quote(tensor.Name)} in '{tensor.File}': {what}{more}. The weights are damaged; accepted: finite ones (get or convert the model again)");
    }

    private static bool AllFinite(ReadOnlySpan<float> values)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(values);
        var carry = Vector<uint>.Zero;
        int i = 0;
        for (; i <= bits.Length - Vector<uint>.Count; i += Vector<uint>.Count) carry |= (new Vector<uint>(bits[i..]) & new Vector<uint>(Exponent)) + new Vector<uint>(Step);
        uint tail = 0;
        for (; i < bits.Length; i++) tail |= (bits[i] & Exponent) + Step;
        return (tail & Carry) == 0 && (carry & new Vector<uint>(Carry)) == Vector<uint>.Zero;
    }

    private void Add(StoredTensor tensor, long count, long first)
    {
        lock (_gate)
        {
            _found.TryGetValue(tensor, out Found found);
            _found[tensor] = new Found(found.Count + count, found.Count == 0 ? first : Math.Min(found.First, first));
        }
    }

    private readonly record struct Found(long Count, long First);
}
