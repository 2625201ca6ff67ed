using System.Runtime.CompilerServices;
using Tandem.Cpu;
using Tandem.Models;

namespace Tandem.Inference;

/// <summary>
/// Text in, text out: <c>using var generator = Generator.Load("folder"); Console.Write(generator.Complete("Once"));</c>
/// Safe for many threads: requests of several callers share the engine's steps.
/// </summary>
public sealed class Generator : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Model _model;
    private readonly ThreadTeam _team;
    private readonly bool _owns;

    /// <summary>Generates with a model that stays the caller's.</summary>
    public Generator(Model model, Tokenizer tokenizer, ThreadTeam team, EngineOptions? options = null)
        : this(model, tokenizer, null, team, options, new SamplingOptions(), owns: false)
    {
    }

    private Generator(Model model, Tokenizer tokenizer, ModelTemplates? templates, ThreadTeam team, EngineOptions? options, SamplingOptions defaults, bool owns)
    {
        _model = model;
        _team = team;
        _owns = owns;
        Tokenizer = tokenizer;
        Templates = templates;
        Defaults = defaults;
        Engine = new Engine(model, team, options);
    }

    /// <summary>The engine. Whoever steps it directly must not use the generator at the same time.</summary>
    public Engine Engine { get; }

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The chat templates that came with the model or were given for it; null for a generator that was not loaded.</summary>
    public ModelTemplates? Templates { get; }

    /// <summary>Options where a call gives none: those of the model's <c>generation_config.json</c>.</summary>
    public SamplingOptions Defaults { get; }

    /// <summary>What becomes of special tokens in prompts; by default they are text, as prompts may come from anywhere.</summary>
    public SpecialTokens PromptSpecialTokens { get; set; } = SpecialTokens.AsText;

    /// <summary>Loads a Hugging Face directory or a GGUF file, with its tokenizer and chat templates.</summary>
    /// <param name="path">The directory, or the file.</param>
    /// <param name="threads">Threads; 0 is one a core.</param>
    /// <param name="options">Sizes of the engine and the type of the cache.</param>
    /// <param name="weightType">Element type of the matrices in memory: f32, bf16 or f16; null is f32 for a directory, and for a GGUF file that of each matrix there.</param>
    /// <param name="templates">Chat templates to use; null takes the model's own.</param>
    /// <exception cref="TandemException">A file is missing or malformed, or describes something unsupported.</exception>
    /// <remarks>Answers stop where <see cref="StopTokens"/> says, unless the options name the tokens.</remarks>
    public static Generator Load(string path, int threads = 0, EngineOptions? options = null, DType? weightType = null, ModelTemplates? templates = null)
    {
        bool isGguf = GgufModel.IsGguf(path);
        GenerationConfig config = isGguf ? new GenerationConfig() : ReadGenerationConfig(path);
        Tokenizer tokenizer = TokenizerFiles.Load(path);
        options ??= new EngineOptions();
        templates ??= ModelTemplates.Load(path);
        if (options.EosTokenIds == null) options = options with { EosTokenIds = [.. StopTokens.Load(path, tokenizer, templates).Select(s => s.Id)] };
        var defaults = new SamplingOptions
        {
            Temperature = config.DoSample == false ? 0 : (float)(config.Temperature ?? 1),
            TopK = config.TopK ?? 0,
            TopP = (float)(config.TopP ?? 1),
            MinP = (float)(config.MinP ?? 0),
            RepetitionPenalty = (float)(config.RepetitionPenalty ?? 1),
        };
        var team = new ThreadTeam(threads);
        Generator? generator = null;
        try
        {
            // The engine first: a model that does not fit is refused before its weights are read.
            Model.Load(path, options.MaxLength, weightType ?? (isGguf ? null : DType.F32), model =>
            {
                RequireVocabulary(path, tokenizer, model.Config.VocabSize);
                generator = new Generator(model, tokenizer, templates, team, options, defaults, owns: true);
            });
            return generator!;
        }
        catch
        {
            generator?.Dispose();
            team.Dispose();
            throw;
        }
    }

    // Ids that come with every text; one that a text has by itself is refused with its prompt.
    private static void RequireVocabulary(string path, Tokenizer tokenizer, int vocabSize)
    {
        foreach (int id in tokenizer.Encode("", addSpecial: true))
            if (id >= vocabSize) throw new TandemException($"'{path}': the tokenizer puts the token {id} around each text, and the model's vocabulary has {vocabSize}; accepted: ids from 0 to {vocabSize - 1}");
    }

    private static GenerationConfig ReadGenerationConfig(string folder)
    {
        using HfDirectory directory = HfDirectory.Open(folder);
        return directory.ReadGenerationConfig();
    }

    /// <summary>The continuation of a prompt as one text.</summary>
    public string Complete(string prompt, SamplingOptions? options = null, CancellationToken cancel = default) => Generate(prompt, options, cancel: cancel).Text;

    /// <summary>The continuation of a prompt with its tokens, log-probabilities and times. Cancelling ends it early, with what there is.</summary>
    /// <param name="prompt">The text to continue.</param>
    /// <param name="options">How tokens are chosen; null takes <see cref="Defaults"/>.</param>
    /// <param name="onText">Called with each piece as it becomes printable.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="TandemException">The prompt or an option is refused.</exception>
    public Completion Generate(string prompt, SamplingOptions? options = null, Action<string>? onText = null, CancellationToken cancel = default) =>
        Run(Submit(prompt, Encode(prompt), options), onText, cancel);

    /// <summary>The answer to a conversation; otherwise as <see cref="Generate(string, SamplingOptions?, Action{string}?, CancellationToken)"/>.</summary>
    public Completion Generate(ChatPrompt prompt, SamplingOptions? options = null, Action<string>? onText = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return Run(Submit(prompt.Text, prompt.Encode(Tokenizer), options), onText, cancel);
    }

    private Completion Run(TextRequest request, Action<string>? onText, CancellationToken cancel)
    {
        try
        {
            while (!request.IsDone)
            {
                string piece = Advance(request, cancel);
                if (piece.Length > 0) onText?.Invoke(piece);
            }
        }
        finally
        {
            Cancel(request);
        }

        return request.Complete();
    }

    /// <summary>The continuation of a prompt, piece by piece as it becomes printable; a stop text is never part of it. Leaving the loop ends it.</summary>
    public IEnumerable<string> Stream(string prompt, SamplingOptions? options = null, CancellationToken cancel = default)
    {
        TextRequest request = Submit(prompt, Encode(prompt), options);
        try
        {
            while (!request.IsDone)
            {
                string piece = Advance(request, cancel);
                if (piece.Length > 0) yield return piece;
            }
        }
        finally
        {
            Cancel(request);
        }
    }

    /// <summary>As <see cref="Stream"/>, with the steps on a thread of the pool.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async IAsyncEnumerable<string> StreamAsync(string prompt, SamplingOptions? options = null, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        TextRequest request = Submit(prompt, Encode(prompt), options);
        try
        {
            while (!request.IsDone)
            {
                cancel.ThrowIfCancellationRequested();
                string piece = await Task.Run(() => Advance(request, CancellationToken.None), CancellationToken.None).ConfigureAwait(false);
                if (piece.Length > 0) yield return piece;
            }
        }
        finally
        {
            Cancel(request);
        }
    }

    /// <summary>
    /// The continuations of many prompts in the prompts' order, computed together: each step takes rows of all that are running. A prompt that is refused
    /// gives a completion that says so and stops no other. Prompt i uses the seed plus i. Prompts are read as there is room, so that there may be any number.
    /// </summary>
    public IEnumerable<Completion> CompleteAll(IEnumerable<string> prompts, SamplingOptions? options = null, CancellationToken cancel = default) =>
        CompleteAll(prompts, p => p, Encode, options, cancel);

    /// <summary>The answers to many conversations; otherwise as for texts.</summary>
    public IEnumerable<Completion> CompleteAll(IEnumerable<ChatPrompt> prompts, SamplingOptions? options = null, CancellationToken cancel = default) =>
        CompleteAll(prompts, p => p.Text, p => p.Encode(Tokenizer), options, cancel);

    private IEnumerable<Completion> CompleteAll<T>(IEnumerable<T> prompts, Func<T, string> text, Func<T, int[]> encode, SamplingOptions? options, CancellationToken cancel)
    {
        options ??= Defaults;
        options.Validate();
        var pending = new Queue<(TextRequest? Request, Completion? Refused)>();
        using IEnumerator<T> next = prompts.GetEnumerator();
        bool more = true;
        ulong index = 0;
        try
        {
            while (true)
            {
                while (more && pending.Count < 4 * Engine.Options.MaxSequences && !cancel.IsCancellationRequested && (more = next.MoveNext()))
                    pending.Enqueue(TrySubmit(text(next.Current), () => encode(next.Current), options with { Seed = options.Seed + index++ }));
                if (!pending.TryPeek(out (TextRequest? Request, Completion? Refused) first)) yield break;
                if (first.Request is { IsDone: false } request)
                {
                    Advance(request, cancel);
                    continue;
                }

                pending.Dequeue();
                yield return first.Refused ?? first.Request!.Complete();
            }
        }
        finally
        {
            foreach ((TextRequest? request, _) in pending)
                if (request != null) Cancel(request);
        }
    }

    /// <summary>Token ids of a prompt, with what the tokenizer puts around a text; an empty one becomes the model's first token.</summary>
    /// <exception cref="TandemException">The prompt is empty and the model has no token to start with.</exception>
    public int[] Encode(string prompt)
    {
        int[] ids = Tokenizer.Encode(prompt, addSpecial: true, PromptSpecialTokens);
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

    private TextRequest Submit(string prompt, int[] ids, SamplingOptions? options)
    {
        lock (_gate) return new TextRequest(Engine, Tokenizer, prompt, ids, options ?? Defaults);
    }

    private (TextRequest?, Completion?) TrySubmit(string prompt, Func<int[]> encode, SamplingOptions options)
    {
        try
        {
            return (Submit(prompt, encode(), options), null);
        }
        catch (TandemException e)
        {
            return (null, new Completion { Prompt = prompt, Text = "", Finish = FinishReason.Error, Error = e.Message });
        }
    }

    // Whoever waits for a token drives the step that computes everybody's.
    private string Advance(TextRequest request, CancellationToken cancel)
    {
        lock (_gate)
        {
            if (cancel.IsCancellationRequested) request.Cancel();
            string ready = request.Take();
            if (ready.Length > 0 || request.IsDone) return ready;
            Engine.Step();
            return request.Take();
        }
    }

    private void Cancel(TextRequest request)
    {
        lock (_gate) request.Cancel();
    }
}
