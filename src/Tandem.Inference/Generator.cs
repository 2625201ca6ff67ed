using System.Text;
using Tandem.Cpu;
using Tandem.Models;

namespace Tandem.Inference;

/// <summary>
/// Text in, text out, over an engine: <c>using var generator = Generator.Load("folder"); Console.Write(generator.Complete("Once"));</c>
/// </summary>
public sealed class Generator : IDisposable
{
    private readonly Model _model;
    private readonly ThreadTeam _team;
    private readonly bool _owns;

    /// <summary>Generates with a model that stays the caller's.</summary>
    public Generator(Model model, Tokenizer tokenizer, ThreadTeam team, EngineOptions? options = null)
    {
        _model = model;
        _team = team;
        Tokenizer = tokenizer;
        Engine = new Engine(model, team, options);
    }

    private Generator(Model model, Tokenizer tokenizer, ThreadTeam team, EngineOptions? options, bool owns)
        : this(model, tokenizer, team, options) => _owns = owns;

    /// <summary>The engine.</summary>
    public Engine Engine { get; }

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Loads a Hugging Face directory with its <c>tokenizer.json</c>.</summary>
    public static Generator Load(string folder, int threads = 0, EngineOptions? options = null)
    {
        Model model = Model.Load(folder);
        try
        {
            return new Generator(model, TokenizerJson.Load(Path.Combine(folder, TokenizerJson.FileName)), new ThreadTeam(threads), options, owns: true);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The continuation of a prompt as one text.</summary>
    public string Complete(string prompt, SamplingOptions? options = null) => string.Concat(Stream(prompt, options));

    /// <summary>The continuation of a prompt, piece by piece as it becomes printable; a stop text is never part of it.</summary>
    public IEnumerable<string> Stream(string prompt, SamplingOptions? options = null, CancellationToken cancel = default)
    {
        options ??= new SamplingOptions();
        Request request = Engine.Submit(Encode(prompt), options);
        var decoder = new TokenDecoder(Tokenizer);
        var held = new StringBuilder();
        int seen = 0;
        while (request.Finish == FinishReason.None)
        {
            if (cancel.IsCancellationRequested) Engine.Cancel(request);
            else Engine.Step();
            for (; seen < request.Generated.Count; seen++)
            {
                held.Append(decoder.Append(request.Generated[seen].Id));
                (string ready, bool stopped) = TakeReady(held, options.Stop);
                if (stopped) Engine.Cancel(request);
                if (ready.Length > 0) yield return ready;
                if (stopped) yield break;
            }
        }

        string rest = held.Append(decoder.Flush()).ToString();
        if (rest.Length > 0) yield return rest;
    }

    /// <summary>Token ids of a prompt; an empty one becomes the model's first token.</summary>
    public int[] Encode(string prompt)
    {
        int[] ids = Tokenizer.Encode(prompt);
        if (ids.Length > 0) return ids;
        int? start = _model.Config.BosTokenId ?? (_model.Config.EosTokenIds.Count > 0 ? _model.Config.EosTokenIds[0] : null);
        return start is { } id ? [id] : throw new TandemException("the prompt is empty and the model has no token to start with; give a prompt");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Engine.Dispose();
        if (!_owns) return;
        _model.Dispose();
        _team.Dispose();
    }

    // What cannot be the beginning of a stop text any more; all before a stop text that is complete.
    private static (string Ready, bool Stopped) TakeReady(StringBuilder held, IReadOnlyList<string> stops)
    {
        string text = held.ToString();
        int first = stops.Select(s => text.IndexOf(s, StringComparison.Ordinal)).Where(i => i >= 0).DefaultIfEmpty(-1).Min();
        int keep = 0;
        foreach (string stop in stops)
            for (int n = Math.Min(stop.Length - 1, text.Length); n > keep; n--)
                if (text.EndsWith(stop[..n], StringComparison.Ordinal)) keep = n;
        string ready = first >= 0 ? text[..first] : text[..^keep];
        held.Clear().Append(first >= 0 ? "" : text[^keep..]);
        return (ready, first >= 0);
    }
}
