namespace Tandem.Cpu;

internal sealed unsafe class SplitColumnsCall(BoundNode node) : RowCall(node)
{
    private readonly int[] _widths = [.. node.Node.Outputs.Select(v => v.Type.Dims[0])];
    private readonly int _total = node.Node.Outputs.Sum(v => v.Type.Dims[0]);

    public override void Run(int first, int count, int worker)
    {
        int column = 0;
        for (int i = 0; i < _widths.Length; i++)
        {
            RowSelection.CopyColumns(first, count, _widths[i], Bound.In(0) + column, _total, Bound.Out(i), _widths[i]);
            column += _widths[i];
        }
    }
}

internal sealed unsafe class JoinColumnsCall(BoundNode node) : RowCall(node)
{
    private readonly int[] _widths = [.. node.Node.Inputs.Select(v => v.Type.Dims[0])];
    private readonly int _total = node.Node.Inputs.Sum(v => v.Type.Dims[0]);

    public override void Run(int first, int count, int worker)
    {
        int column = 0;
        for (int i = 0; i < _widths.Length; i++)
        {
            RowSelection.CopyColumns(first, count, _widths[i], Bound.In(i), _widths[i], Bound.Out() + column, _total);
            column += _widths[i];
        }
    }
}
