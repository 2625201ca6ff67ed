using Tandem.Graph;

namespace Tandem.Models;

/// <summary>Where the keys and values of a graph live.</summary>
/// <param name="Types">Types of keys and values.</param>
/// <param name="CacheBlocks">Blocks of the cache; 0 keeps them in the batch, as training and evaluation do.</param>
/// <param name="RopeTables">Rope tables side by side, where a sequence's depends on its length.</param>
public readonly record struct KvPlacement(KvTypes Types, int CacheBlocks, int RopeTables = 1);

/// <summary>What every decoder graph reads besides its weights.</summary>
public static class DecoderInputs
{
    /// <summary>Name of the input with the token ids, i32[T].</summary>
    public const string Tokens = "tokens";

    /// <summary>Name of the input with the positions of the rows, i32[T].</summary>
    public const string Positions = "positions";

    /// <summary>Name of the input with the label of each row, i32[T]; negative is not counted.</summary>
    public const string Labels = "labels";

    /// <summary>Name of the input with seed and step for dropout, i64[2]; only graphs with dropout have it.</summary>
    public const string Random = "random";

    /// <summary>Name of the state with the rope table, f32[2, tables * positions, rotary / 2].</summary>
    public const string RopeTable = "rope.table";

    /// <summary>Name of the state with a layer's key/value cache.</summary>
    public static string KvCache(int layer) => $"kv.{layer}";

    /// <summary>The token ids.</summary>
    public static Value TokenIds(GraphBuilder g) => g.Input(Tokens, new TensorType(DType.I32, RowSymbol.Tokens));

    /// <summary>The rows' positions.</summary>
    public static Value RowPositions(GraphBuilder g) => g.Input(Positions, new TensorType(DType.I32, RowSymbol.Tokens));

    /// <summary>Dropout at a rate; x itself at 0.</summary>
    public static Value Drop(GraphBuilder g, double rate, string name, Value x) =>
        rate == 0 ? x : g.Apply(new Graph.Ops.Dropout((float)rate), name, x, g.Input(Random, Graph.Ops.Dropout.RandomType));

    /// <summary>Writes keys and values where <paramref name="kv"/> says and attends over them.</summary>
    public static Value Attend(GraphBuilder g, Graph.Ops.AttentionSpec spec, KvPlacement kv, int layer, Value q, Value k, Value v)
    {
        spec = spec with { Cache = kv.Types };
        Value blocks = kv.CacheBlocks > 0
            ? g.Apply(new Graph.Ops.KvWrite(spec) { HasCache = true }, "kv", k, v, g.State(KvCache(layer), spec.CacheOf(kv.CacheBlocks)))
            : g.Apply(new Graph.Ops.KvWrite(spec), "kv", k, v);

        return g.ApplyAll(new Graph.Ops.Attention(spec), "attention", q, blocks)[0];
    }
}
