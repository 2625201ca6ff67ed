using System.Numerics;

namespace Tandem.Graph;

/// <summary>One line of a step table.</summary>
/// <param name="Fragment">What to run.</param>
/// <param name="Microbatch">The microbatch it runs on; -1 where it runs on none.</param>
public readonly record struct StepEntry(Fragment Fragment, int Microbatch = -1);

/// <summary>
/// The order in which a training step runs the fragments of its graph. One process accumulating over microbatches is the simplest table; its microbatches are cut
/// into logical data shards, whose gradients are added as a balanced binary tree: the bits depend on the number of shards alone, not on who computes which.
/// </summary>
public static class StepTable
{
    /// <summary>The table of one process.</summary>
    /// <param name="microbatches">Microbatches of the step, a multiple of <paramref name="shards"/>; shards own equal runs of them.</param>
    /// <param name="shards">Logical data shards, a power of two.</param>
    public static StepEntry[] Accumulate(int microbatches, int shards = 1)
    {
        CheckShards(shards);
        if (microbatches < 1 || microbatches % shards != 0)
            throw new TandemException($"{microbatches} microbatches a step, wanted a positive multiple of the {shards} logical data shards");
        var table = new List<StepEntry>();
        int perShard = microbatches / shards;
        for (int shard = 0; shard < shards; shard++)
        {
            for (int m = shard * perShard; m < (shard + 1) * perShard; m++)
            {
                table.Add(new StepEntry(Stage.Forward, m));
                table.Add(new StepEntry(Stage.Backward, m));
            }

            foreach (Fragment fragment in AfterShard(shard, shards)) table.Add(new StepEntry(fragment));
        }

        table.Add(new StepEntry(Stage.Reduce));
        table.Add(new StepEntry(Stage.Update));
        return [.. table];
    }

    /// <summary>What follows a shard: its end; then it is the right half of as many subtrees as its number ends in ones; what is then complete is put aside, but for the last shard's.</summary>
    public static IEnumerable<Fragment> AfterShard(int shard, int shards)
    {
        int merges = BitOperations.TrailingZeroCount(~(uint)shard);
        yield return Stage.Close;
        for (int level = 0; level < merges; level++) yield return new Fragment(Stage.Merge, level);
        if (shard < shards - 1) yield return new Fragment(Stage.Park, merges);
    }

    /// <summary>Throws unless a number of logical data shards is a power of two.</summary>
    public static void CheckShards(int shards)
    {
        if (shards < 1 || !BitOperations.IsPow2(shards)) throw new TandemException($"{shards} logical data shards, wanted a power of two: 1, 2, 4, ...");
    }
}
