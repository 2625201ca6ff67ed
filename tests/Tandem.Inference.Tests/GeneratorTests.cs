using Tandem.Cpu;
using Tandem.Integration.Tests;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>Text in, text out: streams, stop texts, many prompts, cancelling.</summary>
public sealed class GeneratorTests : IDisposable
{
    private readonly Model _model = TinyModels.Initialized(TinyModels.Llama(positions: 128));
    private readonly ThreadTeam _team = new(2);
    private readonly Generator _generator;

    public GeneratorTests() => _generator = new Generator(_model, Tokenizer.OfBytes(), _team);

    private static SamplingOptions Options { get; } = new() { MaxTokens = 40, Seed = 5, Temperature = 0.8f };

    [Fact]
    public async Task Streams_and_completions_give_the_same_text()
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        Completion completion = _generator.Generate("Once", Options with { LogProbs = 2, PromptLogProbs = true }, cancel: token);
        Assert.Equal(40, completion.Tokens.Count);
        Assert.Equal(FinishReason.Length, completion.Finish);
        Assert.Equal(3, completion.PromptLogProbs.Count);
        Assert.All(completion.Tokens, t => Assert.Equal(2, t.Alternatives.Count));
        Assert.Equal(completion.Text, _generator.Tokenizer.Decode(completion.Tokens.Select(t => t.Id)));
        Assert.Equal(completion.Text, _generator.Complete("Once", Options, token));
        Assert.Equal(completion.Text, string.Concat(_generator.Stream("Once", Options, token)));
        var pieces = new List<string>();
        await foreach (string piece in _generator.StreamAsync("Once", Options, token)) pieces.Add(piece);
        Assert.Equal(completion.Text, string.Concat(pieces));
        Assert.All(pieces, p => Assert.NotEmpty(p));
    }

    [Fact]
    public void A_stop_text_across_tokens_ends_the_text_before_it()
    {
        string whole = _generator.Complete("Once", Options, TestContext.Current.CancellationToken);
        foreach ((int at, int length) in new[] { (3, 5), (10, 1), (20, 4) })
        {
            string stop = whole.Substring(at, length);
            int first = whole.IndexOf(stop, StringComparison.Ordinal);
            Completion stopped = _generator.Generate("Once", Options with { Stop = ["never there", stop] }, cancel: TestContext.Current.CancellationToken);
            Assert.Equal(whole[..first], stopped.Text);
            Assert.Equal(FinishReason.Stop, stopped.Finish);
        }

        Assert.Equal(_generator.Engine.TotalBlocks, _generator.Engine.FreeBlocks);
    }

    [Theory]
    [InlineData(new[] { "ab" }, new[] { "xa", "b", "y" }, "x")]
    [InlineData(new[] { "ab" }, new[] { "xa", "c", "a" }, "xaca")]
    [InlineData(new[] { "aab" }, new[] { "a", "a", "a", "b" }, "a")]
    [InlineData(new[] { "bc", "abcd" }, new[] { "abc" }, "a")]
    [InlineData(new[] { "b", "ab" }, new[] { "a", "b" }, "")]
    public void Stop_texts_are_found_wherever_pieces_end(string[] stops, string[] pieces, string expected)
    {
        var texts = new StopTexts(stops);
        Assert.Equal(expected, string.Concat(pieces.Select(p => texts.Append(p))) + texts.Flush());
    }

    [Fact]
    public void Many_prompts_come_in_their_order_and_as_alone()
    {
        string[] prompts = [.. Enumerable.Range(0, 300).Select(i => i == 17 ? new string('x', 500) : $"Prompt {i * 7919 % 1000}")];
        Completion[] all = [.. _generator.CompleteAll(prompts, Options with { MaxTokens = 6 }, TestContext.Current.CancellationToken)];
        Assert.Equal(prompts, all.Select(c => c.Prompt));
        Assert.Equal(FinishReason.Error, all[17].Finish);
        Assert.Contains("500 tokens", all[17].Error, StringComparison.Ordinal);
        foreach (int i in (int[])[0, 16, 18, 150, 299])
            Assert.Equal(_generator.Complete(prompts[i], Options with { MaxTokens = 6, Seed = Options.Seed + (ulong)i }, TestContext.Current.CancellationToken), all[i].Text);
        Assert.False(_generator.Engine.HasWork);
    }

    [Fact]
    public async Task Several_callers_share_the_engine_and_get_their_own_texts()
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        string[] alone = [.. Enumerable.Range(0, 6).Select(i => _generator.Complete($"Caller {i}", Options, token))];
        string[] together = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => _generator.Complete($"Caller {i}", Options, token), token)));
        Assert.Equal(alone, together);
    }

    [Fact]
    public async Task Cancelling_and_leaving_a_loop_end_the_request()
    {
        using var source = new CancellationTokenSource();
        int seen = 0;
        Completion cut = _generator.Generate("Once", Options, _ => { if (++seen == 3) source.Cancel(); }, source.Token);
        Assert.Equal(FinishReason.Cancelled, cut.Finish);
        Assert.StartsWith(cut.Text, _generator.Complete("Once", Options, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        foreach (string piece in _generator.Stream("Once", Options, TestContext.Current.CancellationToken)) break;
        Assert.False(_generator.Engine.HasWork);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (string piece in _generator.StreamAsync("Once", Options, source.Token)) Assert.Fail(piece);
        });
        Assert.False(_generator.Engine.HasWork);
        Assert.Equal(_generator.Engine.TotalBlocks, _generator.Engine.FreeBlocks);
    }

    [Fact]
    public void An_empty_prompt_without_a_first_token_is_refused() =>
        Assert.Contains("the prompt is empty", Assert.Throws<TandemException>(() => _generator.Complete("", Options, TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);

    public void Dispose()
    {
        _generator.Dispose();
        _model.Dispose();
        _team.Dispose();
    }
}
