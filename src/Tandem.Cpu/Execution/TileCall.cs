namespace Tandem.Cpu;

/// <summary>A rectangle of a result: rows and columns from the first up to, but not including, the last.</summary>
internal readonly record struct Tile(int FirstRow, int LastRow, int FirstColumn, int LastColumn);

/// <summary>
/// A call whose items write disjoint rectangles of one row-major result that together cover it. A rectangle is finished when its item is,
/// so that elementwise work on it can follow at once, while it is in the cache.
/// </summary>
internal abstract class TileCall : KernelCall
{
    /// <summary>What <paramref name="item"/> writes in this step.</summary>
    public abstract Tile TileOf(int item);
}
