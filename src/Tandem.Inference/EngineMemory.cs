using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Inference;

/// <summary>Compares what a model's weights, activations and cache will take with the memory there is, before any of it is taken.</summary>
internal static class EngineMemory
{
    // What is left beside the cache for the rest of the process and for others.
    private const double CacheShare = 0.9;

    /// <summary>Blocks that hold these tokens.</summary>
    public static int Blocks(long tokens) => (int)Math.Min(int.MaxValue, (tokens + BatchView.BlockTokens - 1) / BatchView.BlockTokens);

    /// <summary>
    /// The blocks that the cache can have: those asked for, or, where nobody asked for a number, as many as there is memory for. A length that was asked for must fit once.
    /// </summary>
    /// <param name="model">The model; its weights may be still to be read.</param>
    /// <param name="plan">The plan with <paramref name="wanted"/> blocks.</param>
    /// <param name="options">What was asked for.</param>
    /// <param name="wanted">Blocks of the plan.</param>
    /// <exception cref="TandemException">There is less memory.</exception>
    public static int FittingBlocks(Model model, Plan plan, EngineOptions options, int wanted)
    {
        long cache = Enumerable.Range(0, model.Config.NumLayers).Sum(i => plan.Bounds.Bytes(plan.Graph.Find(DecoderInputs.KvCache(i)).Type)), block = cache / wanted;
        long steps = plan.ArenaBytes + plan.StateBytes - cache;
        int least = options.CacheTokens > 0 ? wanted : Math.Min(wanted, Math.Max(1, Blocks(options.MaxLength)));
        options.Machine.Require(
            "the model",
            "accepted: weights of a smaller type (tandem quantize), a shorter context (--max-length), a smaller type of the cache (--cache-type-k q8 --cache-type-v q8)",
            ("weights", model.PendingBytes),
            ("activations", steps),
            ($"keys and values of {(long)least * BatchView.BlockTokens:N0} tokens", least * block));
        long room = (long)(CacheShare * (options.Machine.Available - model.PendingBytes - steps));
        return options.CacheTokens > 0 ? wanted : (int)Math.Clamp(room / Math.Max(1, block), least, wanted);
    }
}
