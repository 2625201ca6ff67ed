using System.Runtime.InteropServices;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Inference;

/// <summary>Sizes of an engine.</summary>
public sealed record EngineOptions
{
    /// <summary>Rows of a step at the most.</summary>
    public int MaxRows { get; init; } = 256;

    /// <summary>Sequences of a step at the most.</summary>
    public int MaxSequences { get; init; } = 64;

    /// <summary>Rows of one prompt in one step at the most.</summary>
    public int PrefillChunk { get; init; } = 256;

    /// <summary>Longest sequence, prompt included; 0 is the model's own limit.</summary>
    public int MaxLength { get; init; }

    /// <summary>Tokens that the key/value cache can hold; 0 is four sequences of the longest kind.</summary>
    public int CacheTokens { get; init; }

    /// <summary>Element type of keys and values.</summary>
    public DType CacheType { get; init; } = DType.F32;

    /// <summary>Fusions; they change no bit.</summary>
    public Graph.Passes.Fusions Fusions { get; init; } = Graph.Passes.Fusions.All;
}

/// <summary>
/// Generates for many requests at once: every step takes one row of each running sequence and chunks of prompts, in order of arrival, within a budget of rows.
/// A sequence that finds no free block pushes out the latest one, which is computed again later; its tokens stay the same. Not thread-safe.
/// </summary>
public sealed unsafe class Engine : IDisposable
{
    private readonly CpuInstance _instance;
    private readonly Batch _batch;
    private readonly BlockPool _pool;
    private readonly LinkedList<Request> _waiting = new();
    private readonly List<Request> _running = [];
    private readonly List<(Request Request, int Rows, int Sampled)> _scheduled = [];
    private readonly float[] _logits;
    private long _nextId;

    /// <summary>Compiles the model's graph for these sizes and reserves the cache; memory of the cache is committed when it is first used.</summary>
    public Engine(Model model, ThreadTeam team, EngineOptions? options = null)
    {
        Model = model;
        Options = options ?? new EngineOptions();
        MaxLength = Options.MaxLength > 0 ? Math.Min(Options.MaxLength, model.Config.MaxPositions) : model.Config.MaxPositions;
        int cacheTokens = Options.CacheTokens > 0 ? Options.CacheTokens : 4 * MaxLength;
        int blocks = (cacheTokens + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
        ModelGraph graph = ModelGraphs.Serve(model.Config, new KvPlacement(Options.CacheType, blocks), new GraphOptions { WeightType = model.WeightType, Backend = CpuBackend.Instance, Fusions = Options.Fusions });
        Plan = Plan.Compile(graph, StepSizes.ForServing(Options.MaxRows, Options.MaxSequences), CpuBackend.Instance, team.Workers);
        _pool = new BlockPool(blocks);
        _batch = new Batch(Options.MaxRows, Options.MaxSequences, Options.MaxSequences * ((MaxLength / BatchView.BlockTokens) + 1));
        _instance = new CpuInstance(Plan, team, model.Bindings(_batch));
        _logits = new float[model.Config.VocabSize];
    }

    /// <summary>The model.</summary>
    public Model Model { get; }

    /// <summary>The sizes.</summary>
    public EngineOptions Options { get; }

    /// <summary>Longest sequence, prompt included.</summary>
    public int MaxLength { get; }

    /// <summary>The compiled graph.</summary>
    public Plan Plan { get; }

    /// <summary>Whether any request is waiting or running.</summary>
    public bool HasWork => _waiting.Count + _running.Count > 0;

    /// <summary>Cache blocks that are free.</summary>
    public int FreeBlocks => _pool.Free;

    /// <summary>Adds a request; it starts when <see cref="Step"/> finds room.</summary>
    /// <exception cref="TandemException">The prompt is empty, too long, or has an id beyond the vocabulary.</exception>
    public Request Submit(IReadOnlyList<int> prompt, SamplingOptions options)
    {
        options.Validate();
        if (prompt.Count == 0) throw new TandemException("the prompt has no tokens, wanted at least one");
        if (prompt.Count >= MaxLength) throw new TandemException($"the prompt has {prompt.Count} tokens, wanted fewer than the context of {MaxLength}");
        if ((prompt.Count / BatchView.BlockTokens) + 1 > _pool.Capacity)
            throw new TandemException($"the prompt has {prompt.Count} tokens, the cache holds {_pool.Capacity * BatchView.BlockTokens}");
        foreach (int id in prompt)
            if ((uint)id >= (uint)Model.Config.VocabSize) throw new TandemException($"the prompt has token id {id}, wanted 0 to {Model.Config.VocabSize - 1}");
        var request = new Request(_nextId++, [.. prompt], options);
        _waiting.AddLast(request);
        return request;
    }

    /// <summary>Ends a request; its blocks are free before the next step.</summary>
    public void Cancel(Request request)
    {
        if (request.Finish == FinishReason.None) End(request, FinishReason.Cancelled);
    }

    /// <summary>Computes one step and chooses tokens.</summary>
    /// <returns>False if there was nothing to do.</returns>
    public bool Step()
    {
        Schedule();
        if (_scheduled.Count == 0) return false;
        _instance.Run(Stage.Forward, _batch.View, _batch.Sizes);
        float* logits = (float*)_instance.Output(ModelGraphs.Logits);
        foreach ((Request request, int rows, int sampled) in _scheduled)
        {
            request.Computed += rows;
            if (sampled >= 0) Choose(request, new ReadOnlySpan<float>(logits + ((long)sampled * _logits.Length), _logits.Length));
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _instance.Dispose();
        _batch.Dispose();
    }

    // Running sequences first, each with what it lacks, then waiting ones while rows, slots and blocks last.
    private void Schedule()
    {
        _batch.Clear();
        _scheduled.Clear();
        int budget = Options.MaxRows;
        foreach (Request request in _running.ToArray().OrderBy(r => r.Tokens.Count - r.Computed > 1))
        {
            if (_running.Contains(request)) budget -= Advance(request, budget, mayPreempt: true);
        }

        while (budget > 0 && _running.Count < Options.MaxSequences && _waiting.First is { Value: { } next })
        {
            int rows = Advance(next, budget, mayPreempt: false);
            if (rows == 0) break;
            _waiting.RemoveFirst();
            _running.Add(next);
            budget -= rows;
        }
    }

    private int Advance(Request request, int budget, bool mayPreempt)
    {
        int rows = Math.Min(Math.Min(request.Tokens.Count - request.Computed, Options.PrefillChunk), budget);
        if (rows <= 0 || _scheduled.Count == Options.MaxSequences) return 0;
        int wanted = (request.Computed + rows + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
        while (request.Blocks.Count < wanted)
        {
            if (_pool.TryTake(out int block))
            {
                request.Blocks.Add(block);
            }
            else if (!mayPreempt || !PreemptLaterThan(request))
            {
                if (!mayPreempt) Release(request);
                else if (_running.Count == 1) End(request, FinishReason.Length);
                return 0;
            }
        }

        ReadOnlySpan<int> tokens = CollectionsMarshal.AsSpan(request.Tokens).Slice(request.Computed, rows);
        _batch.AddRows(tokens, request.Computed, CollectionsMarshal.AsSpan(request.Blocks), (int)request.Id);
        bool last = request.Computed + rows == request.Tokens.Count;
        _scheduled.Add((request, rows, last ? _batch.Sample() : -1));
        return rows;
    }

    // The latest running sequence that is not in this step yet gives up its blocks and goes back to the head of the queue.
    private bool PreemptLaterThan(Request request)
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            Request victim = _running[i];
            if (victim == request || victim.Id < request.Id || _scheduled.Exists(s => s.Request == victim)) continue;
            _running.RemoveAt(i);
            Release(victim);
            victim.Preemptions++;
            _waiting.AddFirst(victim);
            return true;
        }

        return false;
    }

    private void Choose(Request request, ReadOnlySpan<float> logits)
    {
        logits.CopyTo(_logits);
        int token = Sampler.Sample(_logits, request.Options, CollectionsMarshal.AsSpan(request.Tokens), request.Tokens.Count);
        request.Output.Add(new GeneratedToken(token, LogProbs.Of(logits, token)));
        request.Tokens.Add(token);
        if (!request.Options.IgnoreEos && Model.IsEndOfText(token)) End(request, FinishReason.Stop);
        else if (request.Output.Count >= request.Options.MaxTokens || request.Tokens.Count >= MaxLength) End(request, FinishReason.Length);
    }

    private void End(Request request, FinishReason reason)
    {
        request.Finish = reason;
        Release(request);
        _running.Remove(request);
        _waiting.Remove(request);
    }

    private void Release(Request request)
    {
        foreach (int block in request.Blocks) _pool.Return(block);
        request.Blocks.Clear();
        request.Computed = 0;
    }
}
