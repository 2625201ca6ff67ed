using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Inference;
using Tandem.Models;

namespace Tandem.Cli.Bench;

/// <summary>Generation with a model of SmolLM2-135M's shape: one stream beside the read bandwidth, prompts and many streams beside the products.</summary>
internal sealed class GenerateBench : IDisposable
{
    private const int Prompt = 512, Streams = 16, ShortPrompt = 16;

    private readonly BenchReport _report;
    private readonly ThreadTeam _team;
    private readonly Limits _limits;
    private readonly KvTypes _cache;
    private readonly int _depth;
    private readonly bool _profile;
    private readonly List<IDisposable> _owned = [];
    private readonly List<BenchCase> _cases = [];
    private readonly List<Action> _addRows = [];

    private GenerateBench(BenchReport report, ThreadTeam team, Limits limits, KvTypes cache, int depth, bool profile)
    {
        _report = report;
        _team = team;
        _limits = limits;
        _cache = cache;
        _depth = depth;
        _profile = profile;
    }

    public static void Run(BenchReport report, IReadOnlyList<DType> types, KvTypes cache, int depth, int threads, int repetitions, bool profile, CancellationToken cancel)
    {
        using var team = new ThreadTeam(threads);
        using var limits = new Limits(team);
        using var bench = new GenerateBench(report, team, limits, cache, depth, profile);
        foreach (DType type in types)
        {
            if (Products.WhyNot(type, team) is { } problem) report.Notes.Add($"weights of {type.Name()} were not measured: {problem}");
            else bench.Add(type);
        }

        BenchCase.RunInterleaved([.. limits.Cases, .. bench._cases], repetitions, cancel);
        limits.AddRows(report);
        foreach (Action add in bench._addRows) add();
    }

    public void Dispose()
    {
        // Engines before the models whose weights they read.
        for (int i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
    }

    private void Add(DType type)
    {
        ModelConfig config = BenchModels.Small135M(Math.Max(_depth, Prompt) + 4096);
        Model model = BenchModels.Random(config, type);
        _owned.Add(model);
        string name = type.Name();
        AddOneStream(model, $"{name}, one stream", ShortPrompt);
        if (_depth > 0) AddOneStream(model, $"{name}, one stream at depth {_depth}, cache of {_cache}", _depth);
        AddPrompt(model, $"{name}, prompt of {Prompt}");
        AddStreams(model, $"{name}, {Streams} streams");
    }

    private void AddOneStream(Model model, string name, int prompt)
    {
        Engine engine = Decoding(model, 1, prompt);
        var step = new BenchCase(name, () => engine.Step());
        _cases.Add(step);
        double bytes = engine.Plan.ParameterBytes;
        _addRows.Add(() =>
        {
            _report.Rows.Add(_limits.RatioToRead(name, step, bytes));
            _report.Rows.Add(new BenchRow(name, 1 / step.Median, "tokens/s") { Spread = step.Spread });
            AddAllocations(engine, name);
            AddProfile(engine, name, 1);
        });
    }

    private void AddStreams(Model model, string name)
    {
        Engine engine = Decoding(model, Streams, ShortPrompt);
        var step = new BenchCase(name, () => engine.Step());
        _cases.Add(step);
        _addRows.Add(() =>
        {
            _report.Rows.Add(_limits.RatioToPeak(name, step, 2.0 * BenchModels.MatrixParameters(model.Config) * Streams));
            _report.Rows.Add(new BenchRow(name, Streams / step.Median, "tokens/s") { Spread = step.Spread });
            AddAllocations(engine, name);
            AddProfile(engine, name, Streams);
        });
    }

    private void AddPrompt(Model model, string name)
    {
        var engine = new Engine(model, _team, new EngineOptions { MaxRows = Prompt, PrefillChunk = Prompt, MaxSequences = 1, CacheTokens = 2 * Prompt });
        _owned.Add(engine);
        int[] tokens = RandomFill.Tokens(Prompt, model.Config.VocabSize);
        var options = new SamplingOptions { MaxTokens = 1, Temperature = 0, IgnoreEos = true };
        var prompt = new BenchCase(name, () =>
        {
            engine.Submit(tokens, options);
            while (engine.HasWork) engine.Step();
        });
        _cases.Add(prompt);

        // Logits of one row only; attention is causal.
        ModelConfig c = model.Config;
        double head = (double)c.VocabSize * c.HiddenSize;
        double flops = (2 * (BenchModels.MatrixParameters(c) - head) * Prompt) + (2 * head) + (2.0 * Prompt * Prompt * c.NumHeads * c.HeadDim * c.NumLayers);
        _addRows.Add(() =>
        {
            _report.Rows.Add(_limits.RatioToPeak(name, prompt, flops));
            _report.Rows.Add(new BenchRow(name, Prompt / prompt.Median, "tokens/s") { Spread = prompt.Spread });
        });
    }

    // An engine whose sequences have their prompts behind them, with room for whatever is still measured.
    private Engine Decoding(Model model, int sequences, int prompt)
    {
        int length = model.Config.MaxPositions;
        var engine = new Engine(model, _team, new EngineOptions { MaxRows = 256, PrefillChunk = 256, MaxSequences = sequences, CacheTokens = sequences * length, CacheTypeK = _cache.Key, CacheTypeV = _cache.Value });
        _owned.Add(engine);
        var requests = new Request[sequences];
        for (int i = 0; i < sequences; i++)
            requests[i] = engine.Submit(RandomFill.Tokens(prompt, model.Config.VocabSize, (uint)i + 1), new SamplingOptions { MaxTokens = length, Temperature = 0, IgnoreEos = true });
        while (requests.Any(r => r.Generated.Count == 0)) engine.Step();
        return engine;
    }

    private void AddProfile(Engine engine, string name, int sequences)
    {
        if (!_profile) return;
        var sizes = new StepSizes(sequences, sequences, 0, sequences);
        _report.Details.Add(ProfileTable.Of($"{name}: time of one step by op, sampling left out", () => engine.Step(), p => engine.Profile = p, _team.Workers, sizes, _limits));
    }

    private void AddAllocations(Engine engine, string name)
    {
        const int Steps = 32;
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < Steps; i++) engine.Step();
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        _report.Rows.Add(new BenchRow(name, allocated / (double)Steps, "managed bytes a step") { Limit = 0, LimitName = "none" });
    }
}
