using System.Diagnostics;
using System.Text;
using Tandem.Models;

namespace Tandem.Inference;

/// <summary>A request as a text: decodes its tokens as they come, finds stop texts across them, and makes the completion.</summary>
internal sealed class TextRequest(Engine engine, Tokenizer tokenizer, string prompt, int[] promptTokens, SamplingOptions options)
{
    private readonly TokenDecoder _decoder = new(tokenizer);
    private readonly StopTexts _stops = new(options.Stop);
    private readonly StringBuilder _text = new();
    private readonly Request _request = engine.Submit(promptTokens, options);
    private readonly long _submitted = Stopwatch.GetTimestamp();
    private TimeSpan _firstToken;
    private TimeSpan _time;
    private int _seen;

    /// <summary>Whether no more text comes.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Takes the tokens that came since and gives the text that may be shown; sets <see cref="IsDone"/>.</summary>
    public string Take()
    {
        int start = _text.Length;
        for (; _seen < _request.Output.Count && _stops.Found == null; _seen++)
        {
            if (_seen == 0) _firstToken = Stopwatch.GetElapsedTime(_submitted);
            int id = _request.Output[_seen].Id;

            // Models pad their vocabularies: an id without a token has no text. Before min_tokens no stop text ends anything.
            ReadOnlySpan<char> piece = id < tokenizer.VocabSize ? _decoder.AppendSpan(id) : default;
            if (_seen < options.MinTokens) _text.Append(piece);
            else _text.Append(_stops.Append(piece));
        }

        if (_stops.Found != null) engine.End(_request, FinishReason.Stop);
        if (_request.Finish != FinishReason.None && !IsDone)
        {
            _text.Append(_stops.Append(_decoder.Flush())).Append(_stops.Flush());
            _time = Stopwatch.GetElapsedTime(_submitted);
            IsDone = true;
        }

        return _text.ToString(start, _text.Length - start);
    }

    /// <summary>Ends it.</summary>
    public void Cancel() => engine.Cancel(_request);

    /// <summary>What came of it.</summary>
    public Completion Complete() => new()
    {
        Prompt = prompt,
        Text = _text.ToString(),
        Finish = _stops.Found != null ? FinishReason.Stop : _request.Finish,
        Error = _request.Error,
        Tokens = [.. _request.Output.Take(_seen).Select((t, i) => new CompletionToken(t.Id, TextOf(t.Id), t.LogProb, _request.Alternatives(i).ToArray()))],
        PromptTokens = promptTokens,
        PromptLogProbs = _request.PromptLogProbs.ToArray(),
        TimeToFirstToken = _firstToken,
        Time = _time,
    };

    private string TextOf(int id) => id < tokenizer.VocabSize ? tokenizer.Decode([id], skipSpecial: false) : "";
}
