using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// Items are runs of elements over all pairs of tensors: the right subtree's sum and the left one's, an accumulator and the place where it is put aside, or an accumulator and
/// that of another use of the weight.
/// </summary>
internal sealed unsafe class ShardCall : KernelCall
{
    private const long ElementsPerItem = 65536;

    private readonly BoundNode _node;
    private readonly Op _op;
    private readonly long[] _firstItem;

    public ShardCall(BoundNode node)
    {
        _node = node;
        _op = node.Node.Op;
        _firstItem = new long[(node.NumInputs / 2) + 1];
        for (int i = 0; i + 1 < _firstItem.Length; i++) _firstItem[i + 1] = _firstItem[i] + ((Elements(i) + ElementsPerItem - 1) / ElementsPerItem);
    }

    public override int Items => (int)_firstItem[^1];

    public override void Run(int item, int worker)
    {
        int pair = 0;
        while (_firstItem[pair + 1] <= item) pair++;
        long first = (item - _firstItem[pair]) * ElementsPerItem;
        int count = (int)Math.Min(ElementsPerItem, Elements(pair) - first);
        float* sum = _node.In(2 * pair) + first, other = _node.In((2 * pair) + 1) + first;
        switch (_op)
        {
            case MergeShards:
                Elementwise.Add(0, count, other, sum, sum);
                break;
            case SumUses:
                Elementwise.Add(0, count, sum, other, sum);
                new Span<float>(other, count).Clear();
                break;
            default:
                new ReadOnlySpan<float>(sum, count).CopyTo(new Span<float>(other, count));
                new Span<float>(sum, count).Clear();
                break;
        }
    }

    private long Elements(int pair) => _node.InType(2 * pair).RowBytes / sizeof(float);
}
