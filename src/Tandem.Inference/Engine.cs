using System.Runtime.InteropServices;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;

namespace Tandem.Inference;

/// <summary>
/// Generates for many requests at once: every step takes one row of each running sequence and chunks of prompts, in order of arrival, within a budget of rows.
/// A sequence that finds no free block pushes out the latest one, which is computed again later; its tokens stay the same.
/// A step and a token allocate nothing on the managed heap. Not thread-safe.
/// </summary>
public sealed unsafe class Engine : IDisposable
{
    private readonly CpuInstance _instance;
    private readonly Batch _batch;
    private readonly BlockPool _pool;
    private readonly KvCache _cache;
    private readonly ThreadTeam _team;
    private readonly ChooseJob _choose;
    private readonly RopeTables? _ropeTables;
    private readonly int[] _eos;
    private readonly int _maxSampled;
    private readonly LinkedList<Request> _waiting = new();
    private readonly List<Request> _running;
    private readonly List<Request> _order;
    private readonly List<Scheduled> _scheduled;
    private long _nextId;

    /// <summary>Compiles the model's graph for these sizes and reserves the cache; memory of the cache is committed when it is first used.</summary>
    /// <exception cref="TandemException">An option is out of range, or the model needs more memory than there is.</exception>
    public Engine(Model model, ThreadTeam team, EngineOptions? options = null)
    {
        Model = model;
        Options = options ?? new EngineOptions();
        Options.Validate();
        MaxLength = Options.MaxLength > 0 ? Math.Min(Options.MaxLength, model.Config.MaxPositions) : model.Config.MaxPositions;
        long cacheTokens = Options.CacheTokens > 0 ? Options.CacheTokens : 4L * MaxLength;
        bool ropeByLength = model.Config.Rope is { DependsOnLength: true };
        int ropeTables = ropeByLength ? Options.MaxSequences : 1;
        StepSizes bounds = StepSizes.ForServing(Options.MaxRows, Options.MaxSequences);

        // Prompts whose log-probabilities are wanted sample all their rows: not one a step, where there is one sequence only.
        bounds = bounds with { Sampled = Math.Max(bounds.Sampled, Math.Min(Options.MaxRows, 16)) };
        Plan = Compile(EngineMemory.Blocks(cacheTokens));
        int blocks = EngineMemory.FittingBlocks(model, Plan, Options, EngineMemory.Blocks(cacheTokens));
        if (blocks < EngineMemory.Blocks(cacheTokens)) Plan = Compile(blocks);
        _maxSampled = bounds.Sampled;
        _pool = new BlockPool(blocks);
        _batch = new Batch(Options.MaxRows, Options.MaxSequences, Options.MaxSequences * ((MaxLength / BatchView.BlockTokens) + 1));
        _cache = new KvCache(Plan, model.Config.NumLayers);
        Dictionary<string, NativeBuffer> bindings = model.Bindings(_batch);
        foreach ((string name, NativeBuffer layer) in _cache.Layers) bindings[name] = layer;
        if (ropeByLength) bindings.Remove(DecoderInputs.RopeTable);
        _instance = new CpuInstance(Plan, team, bindings);
        _ropeTables = ropeByLength ? new RopeTables(model.Config, ropeTables, _instance[DecoderInputs.RopeTable]) : null;
        _team = team;
        _choose = new ChooseJob(this, team.Workers);
        _eos = [.. Options.EosTokenIds ?? model.Config.EosTokenIds];
        _running = new List<Request>(Options.MaxSequences);
        _order = new List<Request>(Options.MaxSequences);
        _scheduled = new List<Scheduled>(Options.MaxSequences);
        foreach (int id in _eos)
            if ((uint)id >= (uint)model.Config.VocabSize) throw new TandemException($"end-of-text token {id}, wanted 0 to {model.Config.VocabSize - 1}");

        Plan Compile(int cacheBlocks)
        {
            var graphOptions = new GraphOptions { WeightType = model.WeightType, WeightTypes = model.WeightTypes, QuantizeRows = Options.QuantizeRows, Backend = CpuBackend.Instance, Fusions = Options.Fusions };
            return Plan.Compile(ModelGraphs.Serve(model.Config, new KvPlacement(Options.CacheTypes, cacheBlocks, ropeTables), graphOptions), bounds, CpuBackend.Instance, team.Workers);
        }
    }

    /// <summary>The model.</summary>
    public Model Model { get; }

    /// <summary>The sizes.</summary>
    public EngineOptions Options { get; }

    /// <summary>Longest sequence, prompt included.</summary>
    public int MaxLength { get; }

    /// <summary>The compiled graph.</summary>
    public Plan Plan { get; }

    /// <summary>Times every node from now on; null, as at first, times nothing and costs nothing.</summary>
    public ExecutionProfile? Profile
    {
        get => _instance.Profile;
        set => _instance.Profile = value;
    }

    /// <summary>Whether any request is waiting or running.</summary>
    public bool HasWork => _waiting.Count + _running.Count > 0;

    /// <summary>Cache blocks in all.</summary>
    public int TotalBlocks => _pool.Capacity;

    /// <summary>Cache blocks that are free.</summary>
    public int FreeBlocks => _pool.Free;

    /// <summary>Bytes of addresses that the cache reserves.</summary>
    public long CacheBytes => _cache.Bytes;

    /// <summary>Adds a request; it starts when <see cref="Step"/> finds room.</summary>
    /// <exception cref="TandemException">An option is out of range, or the prompt is empty, too long, or has an id beyond the vocabulary.</exception>
    public Request Submit(ReadOnlySpan<int> prompt, SamplingOptions options)
    {
        options.Validate();
        if (prompt.Length == 0) throw new TandemException("the prompt has no tokens, wanted at least one");
        if (prompt.Length >= MaxLength) throw new TandemException($"the prompt has {prompt.Length} tokens, wanted fewer than the context of {MaxLength}");
        if ((prompt.Length / BatchView.BlockTokens) + 1 > _pool.Capacity)
            throw new TandemException($"the prompt has {prompt.Length} tokens, wanted fewer than the cache of {(long)_pool.Capacity * BatchView.BlockTokens}");
        foreach (int id in prompt)
            if ((uint)id >= (uint)Model.Config.VocabSize) throw new TandemException($"the prompt has token id {id}, wanted 0 to {Model.Config.VocabSize - 1}");
        int room = Math.Min(options.MaxTokens, MaxLength - prompt.Length);
        var request = new Request(_nextId++, prompt, options, room, (MaxLength / BatchView.BlockTokens) + 1);
        _waiting.AddLast(request.Node);
        return request;
    }

    /// <summary>Ends a request; its blocks are free before the next step. One that has ended stays as it is.</summary>
    public void Cancel(Request request) => End(request, FinishReason.Cancelled);

    /// <summary>Computes one step and chooses tokens.</summary>
    /// <returns>False if there was nothing to do.</returns>
    public bool Step()
    {
        Schedule();
        if (_scheduled.Count == 0) return HasWork;
        _instance.Run(Stage.Forward, _batch.View, _batch.Sizes);
        _team.Run(_choose, _scheduled.Count);
        foreach (Scheduled item in _scheduled)
        {
            Request request = item.Request;
            if (request.Computed + item.Rows == request.Tokens.Count) Append(request);

            // The chosen token may have ended the request and given its blocks back.
            if (request.Finish == FinishReason.None) request.Computed += item.Rows;
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _instance.Dispose();
        _batch.Dispose();
        _cache.Dispose();
    }

    /// <summary>Ends a request that has not ended.</summary>
    internal void End(Request request, FinishReason reason)
    {
        if (request.Finish != FinishReason.None) return;
        request.Finish = reason;
        Release(request);
        if (request.IsRunning) _running.Remove(request);
        else _waiting.Remove(request.Node);
        request.IsRunning = false;
    }

    // Sequences that lack one row first, then those that lack more, then waiting ones, while rows, slots and blocks last.
    private void Schedule()
    {
        _batch.Clear();
        _scheduled.Clear();
        _order.Clear();
        foreach (Request request in _running)
        {
            request.IsScheduled = false;
            if (request.Tokens.Count - request.Computed == 1) _order.Add(request);
        }

        foreach (Request request in _running)
            if (request.Tokens.Count - request.Computed != 1) _order.Add(request);
        foreach (Request request in _order)
            if (request.IsRunning) Advance(request, mayPreempt: true);

        while (_running.Count < Options.MaxSequences && _waiting.First is { Value: { } next })
        {
            next.IsScheduled = false;
            if (!Advance(next, mayPreempt: false)) break;
            _waiting.Remove(next.Node);
            _running.Add(next);
            next.IsRunning = true;
        }
    }

    // Takes rows of a request into the step, with the blocks that they need.
    private bool Advance(Request request, bool mayPreempt)
    {
        int sampledLeft = _maxSampled - _batch.View.NumSampled;
        int rows = Math.Min(Math.Min(request.Tokens.Count - request.Computed, Options.PrefillChunk), Options.MaxRows - _batch.NumRows);
        bool scores = request.Options.PromptLogProbs && request.PromptScored < request.PromptLength - 1;
        if (scores) rows = Math.Min(rows, sampledLeft);
        if (rows <= 0 || sampledLeft == 0 || _scheduled.Count == Options.MaxSequences || !TakeBlocks(request, request.Computed + rows, mayPreempt)) return false;

        if (_ropeTables != null && request.FirstRopeRow < 0) request.FirstRopeRow = _ropeTables.Take(request.GreatestLength);
        ReadOnlySpan<int> tokens = CollectionsMarshal.AsSpan(request.Tokens).Slice(request.Computed, rows);
        _batch.AddRows(tokens, request.Computed, CollectionsMarshal.AsSpan(request.Blocks), (int)request.Id, Math.Max(0, request.FirstRopeRow));
        int end = request.Computed + rows, first = _batch.View.NumSampled;
        for (int row = request.PromptScored; scores && row < Math.Min(end, request.PromptLength - 1); row++) _batch.Sample(end - row);
        if (end == request.Tokens.Count) _batch.Sample();
        _scheduled.Add(new Scheduled(request, rows, first, _batch.View.NumSampled - first));
        request.IsScheduled = true;
        return true;
    }

    private bool TakeBlocks(Request request, int tokens, bool mayPreempt)
    {
        int wanted = (tokens + BatchView.BlockTokens - 1) / BatchView.BlockTokens;
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
                return false;
            }
        }

        return true;
    }

    // The latest running sequence that is not in this step yet gives up its blocks and goes back to the head of the queue.
    private bool PreemptLaterThan(Request request)
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            Request victim = _running[i];
            if (victim.Id <= request.Id || victim.IsScheduled) continue;
            _running.RemoveAt(i);
            Release(victim);
            victim.IsRunning = false;
            victim.Preemptions++;
            _waiting.AddFirst(victim.Node);
            return true;
        }

        return false;
    }

    // What may change the order of requests: never while they are being chosen for.
    private void Append(Request request)
    {
        SamplingOptions options = request.Options;
        GeneratedToken chosen = request.Chosen;
        if (chosen.Id < 0)
        {
            request.Error = $"the logits at position {request.Tokens.Count} are not finite: the weights are damaged, or too large for their type";
            End(request, FinishReason.Error);
            return;
        }

        request.Output.Add(chosen);
        request.Tokens.Add(chosen.Id);
        if (!options.IgnoreEos && _eos.AsSpan().Contains(chosen.Id)) End(request, FinishReason.Stop);
        else if (request.Output.Count >= options.MaxTokens || request.Tokens.Count >= MaxLength) End(request, FinishReason.Length);
    }

    private void Release(Request request)
    {
        foreach (int block in request.Blocks) _pool.Return(block);
        request.Blocks.Clear();
        request.Computed = 0;
        if (_ropeTables == null || request.FirstRopeRow < 0) return;
        _ropeTables.Return(request.FirstRopeRow);
        request.FirstRopeRow = -1;
    }

    /// <summary>A request's part of a step: how many rows, and which of the sampled rows are its own.</summary>
    private readonly record struct Scheduled(Request Request, int Rows, int FirstSampled, int NumSampled);

    /// <summary>Chooses the next token of each scheduled request and scores its prompt, requests side by side. Writes to nothing but the request.</summary>
    private sealed class ChooseJob(Engine engine, int workers) : ITeamJob
    {
        private readonly Sampler[] _samplers = [.. Enumerable.Range(0, workers).Select(_ => new Sampler(engine.Model.Config.VocabSize))];

        public void Run(int item, int worker)
        {
            Scheduled scheduled = engine._scheduled[item];
            Request request = scheduled.Request;
            int width = engine.Model.Config.VocabSize;
            float* logits = (float*)engine._instance.Output(ModelGraphs.Logits) + ((long)scheduled.FirstSampled * width);
            bool complete = request.Computed + scheduled.Rows == request.Tokens.Count;
            for (int i = 0; i < scheduled.NumSampled; i++, logits += width)
            {
                var row = new ReadOnlySpan<float>(logits, width);
                if (complete && i == scheduled.NumSampled - 1) Choose(_samplers[worker], request, row);
                else Score(request, row);
            }
        }

        private static void Score(Request request, ReadOnlySpan<float> logits)
        {
            request.OnPromptLogits?.Invoke(request.PromptScored, logits);
            request.AddPromptLogProb(LogProbs.Of(logits, request.Tokens[request.PromptScored + 1]));
        }

        private void Choose(Sampler sampler, Request request, ReadOnlySpan<float> logits)
        {
            SamplingOptions options = request.Options;
            int index = request.Output.Count;
            ReadOnlySpan<int> banned = index < options.MinTokens && !options.IgnoreEos ? engine._eos : [];
            int token = sampler.Sample(logits, options, CollectionsMarshal.AsSpan(request.Tokens), request.Tokens.Count, banned);
            request.Chosen = new GeneratedToken(token, token < 0 ? 0 : LogProbs.Of(logits, token));
            if (token >= 0 && options.LogProbs > 0) LogProbs.Top(logits, request.AlternativesAt(index));
        }
    }
}
